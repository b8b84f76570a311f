import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import DataError, ModelError, ShapeError
from caffelike.layers._permutohedral import Lattice
from caffelike.testing import Case


def sizes(height, width):
    return lambda generator, shape: np.tile([height, width], np.prod(shape) // 2).reshape(shape)


TERMS = "pos_w: 3 pos_xy_std: 1.5 bi_w: 4 bi_xy_std: 3 bi_rgb_std: 0.7"
CONTRACT = [
    Case(
        f"dense_crf_param {{ {TERMS} max_iter: 3 }}", [(2, 3, 6, 7), (2, 1, 1, 2), (2, 3, 6, 7)],
        inputs={"size": sizes(6, 5)}, differentiable=False, special=False,
    ),
    Case(
        "dense_crf_param { pos_w: 2 pos_xy_std: 1 output_probability: false }", [(1, 2, 5, 4), (1, 2)],
        inputs={"size": sizes(9, 9)}, differentiable=False, special=False,
    ),
]  # fmt: skip


def crf(options, x, size, image=None):
    x = np.asarray(x, np.float32)
    bottoms = 'bottom: "x" bottom: "size"' + (' bottom: "image"' if image is not None else "")
    shapes = {"x": x.shape, "size": np.shape(size)} | ({} if image is None else {"image": np.shape(image)})
    layer = OneLayer(f'type: "DenseCRF" {bottoms} top: "y" dense_crf_param {{ {options} }}', **shapes)
    return layer.forward(x=x, size=size, **({} if image is None else {"image": image}))


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def test_worked_example_of_a_filter_so_wide_that_it_takes_means():
    """Then every step is q = softmax(x + w mean(q)), here twice, on 2 classes of 12 pixels."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 2, 3, 4))
    wanted = softmax(x)
    for _ in range(2):
        wanted = softmax(x + 5 * wanted.mean(axis=(2, 3), keepdims=True))
    y = crf("pos_w: 5 pos_xy_std: 100000 max_iter: 2", x, [[3, 4]])
    np.testing.assert_allclose(y, wanted, rtol=1e-3)


def test_worked_example_of_a_filter_so_narrow_that_it_does_nothing():
    """q = softmax(x + w q): with w 2 and x (log 3, 0) q is 3/4, 1/4, then 3 e^1.5 : e^0.5 = 3 e : 1."""
    x = np.zeros((1, 2, 3, 5))
    x[:, 0] = np.log(3)
    share = 3 * np.e / (3 * np.e + 1)
    y = crf("pos_w: 2 pos_xy_std: 0.1 max_iter: 1", x, [[3, 5]])
    np.testing.assert_allclose(y[:, 0], share, rtol=1e-5)
    np.testing.assert_allclose(y[:, 1], 1 - share, rtol=1e-5)
    y = crf("pos_w: 2 pos_xy_std: 0.1 max_iter: 1 output_probability: false", x, [[3, 5]])
    np.testing.assert_allclose(y[:, 0], np.log(share), rtol=1e-5)


def test_worked_example_of_colours():
    """Two colours far apart, distances that do not count: each takes the mean of its own, items by their own image."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 3, 2, 6))
    image = np.zeros((2, 3, 2, 6))
    image[0, :, :, 3:] = 200
    image[1, 1, 1] = 90
    wanted = softmax(x)
    alike = [image[:, 1] > 50, image[:, 1] <= 50]
    step = x.copy()
    for item in range(2):
        for places in alike:
            step[item][:, places[item]] += 3 * wanted[item][:, places[item]].mean(axis=1, keepdims=True)
    y = crf("bi_w: 3 bi_xy_std: 100000 bi_rgb_std: 1 max_iter: 1", x, [[2, 6]] * 2, image)
    np.testing.assert_allclose(y, softmax(step), rtol=2e-3)


def test_only_the_size_counts():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1, 2, 4, 6))
    image = rng.uniform(0, 255, (1, 3, 4, 6))
    y = crf(TERMS, x, [[3, 5]], image)
    np.testing.assert_allclose(y[..., :3, :5], crf(TERMS, x[..., :3, :5], [[3, 5]], image[..., :3, :5]), rtol=1e-5)
    assert not y[..., 3:, :].any()
    assert not y[..., 5:].any()


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_the_filter_is_nearly_a_gaussian(dimensions):
    rng = np.random.default_rng(dimensions)
    features, values = rng.uniform(0, 3, (300, dimensions)), rng.random((2, 300))
    lattice = Lattice(features)
    np.testing.assert_allclose(lattice.weights.sum(axis=1), 1)
    assert lattice.weights.min() > -1e-12
    weights = np.exp(-((features[:, None] - features) ** 2).sum(axis=2) / 2)
    exact = values @ weights / weights.sum(axis=1)
    found = lattice.filter(values) * lattice.norm
    spread = np.abs(values.mean(axis=1, keepdims=True) - exact).max()
    assert np.abs(found - exact).max() < 0.5 * spread
    other = rng.random((2, 300))
    np.testing.assert_allclose((lattice.filter(values) * other).sum(), (values * lattice.filter(other, True)).sum())


def test_refused():
    x, size = np.zeros((1, 2, 3, 4)), [[3, 4]]
    for options, message in (
        ("pos_w: 1", "pos_w and pos_xy_std"),
        ("bi_w: 1 bi_xy_std: 1", "bi_w, bi_xy_std and bi_rgb_std must"),
        ("pos_w: 1 pos_xy_std: 0", "greater than 0"),
    ):
        with pytest.raises(ModelError, match=message):
            crf(options, x, size)
    with pytest.raises(ModelError, match="has an image, but no"):
        crf("", x, size, np.zeros((1, 3, 3, 4)))
    with pytest.raises(ShapeError, match="two numbers an item"):
        crf("", x, [[3]])
    with pytest.raises(ShapeError, match="the image must be"):
        crf(TERMS, x, size, np.zeros((1, 1, 3, 4)))
    with pytest.raises(DataError, match="item 0 of the batch is 0x4"):
        crf("", x, [[0, 4]])
