import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.testing import Case, labels

FIVE = {"label": labels(5)}
WEIGHTS = {"weight": lambda generator, shape: 3 * generator.random(shape)}
CLASSES = "class_weight: [0, 0.5, 1, 2, 3]"
SEGNET = "weight_by_label_freqs: true class_weighting: [0.1, 0.5, 1, 2, 3]"
CONTRACT = [
    Case(shapes=[(4, 5), (4,)], inputs=FIVE),
    Case(shapes=[(4, 5), (4, 1, 1, 1)], inputs=FIVE),
    Case("loss_weight: 2 loss_param { ignore_label: 1 }", [(2, 5, 3, 7), (2, 3, 7)], inputs=FIVE, tops=1),
    Case(shapes=[(2, 5, 13), (2, 13)], inputs=FIVE, tops=2),
    Case("softmax_param { axis: 2 }", [(2, 3, 5), (2, 3)], inputs=FIVE, tops=2),
    *(
        Case(f"loss_param {{ ignore_label: 0 normalization: {mode} }}", [(3, 5, 7), (3, 7)], inputs=FIVE)
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    ),
    Case(f"loss_param {{ {CLASSES} ignore_label: 1 }}", [(3, 5, 7), (3, 7)], inputs=FIVE),
    Case(f"softmax_param {{ {CLASSES} }}", [(4, 5), (4,)], inputs=FIVE, tops=2),
    Case(shapes=[(3, 5, 7), (3, 7), (3, 1)], inputs=FIVE | WEIGHTS),
    Case(f"loss_param {{ {CLASSES} ignore_label: 0 }}", [(3, 5, 7), (3, 7), (3, 7)], inputs=FIVE | WEIGHTS),
    Case(f"loss_param {{ {SEGNET} }}", [(3, 5, 7), (3, 7)], inputs=FIVE),
    Case("loss_param { label_smoothing: 0.1 }", [(4, 5), (4,)], inputs=FIVE, tops=2),
    Case(
        f"loss_param {{ label_smoothing: 0.3 {CLASSES} ignore_label: 0 }}",
        [(3, 5, 7), (3, 7), (3, 7)],
        inputs=FIVE | WEIGHTS,
    ),
]


def loss(options, shape=(2, 2, 2), label=(2, 2), tops='top: "loss"'):
    return OneLayer(f'type: "SoftmaxWithLoss" bottom: "x" bottom: "l" {tops} {options}', x=shape, l=label)


def test_worked_example():
    layer = loss("", (2, 2), (2,), 'top: "loss" top: "prob"')
    value, prob = layer.forward(x=[[0, np.log(3)], [0, 0]], l=[1, 0])
    np.testing.assert_allclose(prob, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(value, -np.log(0.75 * 0.5) / 2, rtol=1e-6)
    layer.net.backward()
    np.testing.assert_allclose(layer.net.blobs["x"].diff, [[0.125, -0.125], [-0.25, 0.25]], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("", 3),
        ("normalization: FULL", 4),
        ("normalization: BATCH_SIZE", 2),
        ("normalization: NONE", 1),
        ("normalize: true", 3),
        ("normalize: false", 2),
        ("normalize: false normalization: FULL", 4),
    ],
)
def test_divisor(options, divisor):
    layer = loss(f"loss_weight: 6 loss_param {{ ignore_label: 7 {options} }}")
    value = layer.forward(x=0, l=[[0, 1], [7, 1]])
    np.testing.assert_allclose(value, 3 * np.log(2) / divisor, rtol=1e-6)
    layer.net.backward()
    gradient = np.array([[[-3, 3], [3, -3]], [[0, 3], [0, -3]]]) / divisor
    np.testing.assert_allclose(layer.net.blobs["x"].diff, gradient, rtol=1e-6)


def test_everything_ignored():
    layer = loss("loss_param { ignore_label: 7 }")
    assert layer.forward(x=1, l=7) == 0
    layer.net.backward()
    assert not layer.net.blobs["x"].diff.any()


def test_a_loss_has_a_largest_value_and_labels_are_cut():
    layer = loss("", (1, 2), (1,))
    np.testing.assert_allclose(layer.forward(x=[[0, 1000]], l=[0.9]), 87.33654, rtol=1e-6)


def test_gradient_through_the_second_top():
    layer = loss("loss_weight: 0 loss_weight: 0", (1, 2), (1,), 'top: "loss" top: "prob"')
    layer.forward(x=[[0, np.log(3)]], l=[0])
    dx = layer.backward(0, [[16, 0]])[0]
    np.testing.assert_allclose(dx, [[3, -3]], rtol=1e-5)


@pytest.mark.parametrize(("label", "item"), [([[0, 1], [1, 5]], 1), ([[-1, 0], [0, 9]], 0), ([[0, np.nan], [1, 1]], 0)])
def test_label_refused(label, item):
    with pytest.raises(LabelError, match=rf"'l' .*item {item} .*must be 0 \.\. 1: there are 2 classes") as caught:
        loss("").forward(x=0, l=label)
    assert caught.value.item == item


def test_shapes_and_options_refused():
    with pytest.raises(ShapeError, match=r"one label for each of \(2, 2\), but 'l' is \(2, 3\)"):
        loss("", label=(2, 3))
    with pytest.raises(ShapeError, match="same number of items"):
        loss("", label=(4,))
    with pytest.raises(ModelError, match=r"label_smoothing is 1\.5; expected is a number from 0 to 1"):
        loss("loss_param { label_smoothing: 1.5 }")


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("loss_param { ignore_label: 7 class_weight: [2, 4] }", 10),
        ("softmax_param { class_weight: [2, 4] } loss_param { ignore_label: 7 }", 10),
        ("loss_param { ignore_label: 7 class_weight: [2, 4] normalization: BATCH_SIZE }", 2),
        ("loss_param { ignore_label: 7 weight_by_label_freqs: true class_weighting: [2, 4] }", 3),
    ],
)
def test_class_weights(options, divisor):
    layer = loss(options)
    value = layer.forward(x=0, l=[[0, 1], [7, 1]])
    np.testing.assert_allclose(value, (2 + 4 + 4) * np.log(2) / divisor, rtol=1e-6)
    layer.net.backward()
    gradient = np.array([[[-1, 2], [1, -2]], [[0, 2], [0, -2]]]) / divisor
    np.testing.assert_allclose(layer.net.blobs["x"].diff, gradient, rtol=1e-6)


def test_weights_of_items_and_of_places():
    bottoms = 'type: "SoftmaxWithLoss" bottom: "x" bottom: "l" bottom: "w" top: "loss"'
    bottoms += " loss_param { class_weight: [1, 3] }"
    layer = OneLayer(bottoms, x=(2, 2, 2), l=(2, 2), w=(2,))
    x = np.random.default_rng(1).standard_normal((2, 2, 2)).astype(np.float32)
    items = layer.forward(x=x, l=[[0, 1], [1, 0]], w=[2, 5])
    whole = OneLayer(bottoms, x=(2, 2, 2), l=(2, 2), w=(2, 2))
    np.testing.assert_array_equal(whole.forward(x=x, l=[[0, 1], [1, 0]], w=[[2, 2], [5, 5]]), items)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    terms = np.log([p[0, 0, 0], p[0, 1, 1], p[1, 1, 0], p[1, 0, 1]])
    np.testing.assert_allclose(items, -np.average(terms, weights=[2, 6, 15, 5]), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ("loss_param { class_weight: [1, 2, 3] }", ShapeError, "3 class weights, but there are 2 classes"),
        ("loss_param { class_weight: [1, -2] }", ModelError, "0 or more, not -2"),
        ("loss_param { class_weighting: [1, 2] }", ModelError, "weight_by_label_freqs: true and class_weighting"),
        ("loss_param { weight_by_label_freqs: true }", ModelError, "go together"),
        (
            "loss_param { class_weight: [1, 2] } softmax_param { class_weight: [1, 2] }",
            ModelError,
            "more than one place",
        ),
    ],
)
def test_class_weights_that_cannot_be(options, error, words):
    with pytest.raises(error, match=words):
        loss(options)


def test_an_ignored_place_counts_nothing_even_if_its_scores_are_nan():
    layer = loss("loss_param { ignore_label: 7 }", (2, 2), (2,))
    np.testing.assert_allclose(layer.forward(x=[[np.nan, np.inf], [0, 0]], l=[7, 1]), np.log(2), rtol=1e-6)
    layer.net.backward()
    assert layer.net.blobs["x"].diff.tolist() == [[0, 0], [0.5, -0.5]]


@pytest.mark.parametrize("kernels", [False, True])
@pytest.mark.parametrize(("fixed", "divisor"), [("", 1), ("pre_fixed_normalizer: 128", 128)])
def test_a_fixed_divisor(kernels, fixed, divisor):
    """As R-FCN's files have it, in a fork's words."""
    text = (
        f'type: "SoftmaxWithLoss" bottom: "x" bottom: "l" top: "loss" loss_param {{ normalization: PRE_FIXED {fixed} }}'
    )
    layer = OneLayer(text, kernels=kernels, x=(2, 4), l=(2,))
    np.testing.assert_allclose(layer.forward(x=0, l=[1, 2]), 2 * np.log(4) / divisor, rtol=1e-6)
    dx = layer.backward(divisor)[0]
    np.testing.assert_allclose(dx, [[0.25, -0.75, 0.25, 0.25], [0.25, 0.25, -0.75, 0.25]], rtol=1e-6)


@pytest.mark.parametrize("kernels", [False, True])
def test_smoothing_worked_example(kernels):
    """Intel's gradient: (1 - e / C) p - e / C, at the label 1 - e - e / C less; e = 0.4, C = 4."""
    text = 'type: "SoftmaxWithLoss" bottom: "x" bottom: "l" top: "loss" loss_param { label_smoothing: 0.4 }'
    layer = OneLayer(text, kernels=kernels, x=(2, 4), l=(2,))
    p = np.array([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]])
    target = np.array([[0.1, 0.6, 0.1, 0.1], [0.1, 0.1, 0.1, 0.6]])
    value = layer.forward(x=np.log(p), l=[1, 3])
    np.testing.assert_allclose(value, -(target * np.log(p)).sum() / 2, rtol=1e-6)
    dx = layer.backward(2)[0]
    np.testing.assert_allclose(dx, [[-0.01, -0.42, 0.17, 0.26], [0.125, 0.125, 0.125, -0.375]], atol=1e-6)
