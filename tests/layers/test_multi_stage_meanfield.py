import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

THETAS = "theta_alpha: 2 theta_beta: 0.7 theta_gamma: 1.5 spatial_filter_weight: 3 bilateral_filter_weight: 5"
CONTRACT = [
    Case(
        f"multi_stage_meanfield_param {{ {THETAS} num_iterations: 3 }}",
        [(2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5)],
        special=False,
    ),
    Case(
        f"multi_stage_meanfield_param {{ {THETAS} num_iterations: 1 }}",
        [(1, 2, 3, 3), (1, 2, 3, 3), (1, 3, 3, 3)],
        special=False,
    ),
]


def field(options, x, image=None, kernels=False):
    channels = x.shape[1]
    text = 'type: "MultiStageMeanfield" bottom: "x" bottom: "start" bottom: "image" top: "y" propagate_down: [1, 1, 0]'
    text = text.replace("[1, 1, 0]", "true propagate_down: true propagate_down: false")
    layer = OneLayer(
        f"{text} multi_stage_meanfield_param {{ {options} }}",
        kernels=kernels,
        x=x.shape,
        start=x.shape,
        image=(x.shape[0], 3, *x.shape[2:]) if image is None else np.shape(image),
    )
    assert [layer.param(i).shape for i in range(3)] == [(1, 1, channels, channels)] * 3
    return layer


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


def test_worked_example():
    """Distances that do not count, two colours far apart: means over the image, and over the pixels of a colour."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 2, 3, 4))
    image = np.zeros((1, 3, 3, 4))
    image[..., 2:] = 100
    options = "theta_alpha: 1e6 theta_beta: 1 theta_gamma: 1e6 num_iterations: 2"
    layer = field(f"{options} spatial_filter_weight: 2 bilateral_filter_weight: 3", x)
    assert [layer.param(i).data[0, 0].tolist() for i in range(3)] == [[[v, 0], [0, v]] for v in (2, 3, -1)]

    def step(s):
        q = softmax(s)
        own = np.concatenate([np.broadcast_to(q[..., part].mean(axis=(2, 3), keepdims=True), (1, 2, 3, 2))
                              for part in (slice(0, 2), slice(2, 4))], axis=3)  # fmt: skip
        return x + 2 * q.mean(axis=(2, 3), keepdims=True) + 3 * own

    y = layer.forward(x=x, start=x, image=image)
    np.testing.assert_allclose(y, step(step(x)), rtol=2e-3)
    # other weights, from a start of zeros: q is one half everywhere, so that the messages are a sum of rows
    y = layer.forward(start=0, p0=[[1, 2], [3, 4]], p1=[[0, 1], [0, 0]], p2=[[0, 1], [1, 0]])
    assert y.shape == x.shape
    first = x - np.array([3.5, 1.5 + 0.5]).reshape(1, 2, 1, 1)
    q = softmax(first)
    means = q.mean(axis=(2, 3))[0]
    own = np.repeat(np.stack([q[..., :2].mean(axis=(2, 3))[0], q[..., 2:].mean(axis=(2, 3))[0]], axis=1), 2, axis=1)
    passed = (np.array([[1, 2], [3, 4]]) @ means)[:, None] + np.array([[0, 1], [0, 0]]) @ own
    np.testing.assert_allclose(y, x - passed[::-1][None, :, None], rtol=2e-3)


def test_a_step_of_learning_sharpens_an_edge():
    """The gradient of the bilateral weights asks for more where the picture tells the classes apart."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 2, 6, 8))
    image = np.zeros((1, 3, 6, 8))
    image[..., 4:] = 100
    layer = field("theta_alpha: 10 theta_beta: 1 theta_gamma: 1 num_iterations: 2 bilateral_filter_weight: 1", x)
    y = layer.forward(x=x, start=x, image=image)
    want = np.where(np.arange(8) < 4, [[1], [-1]], [[-1], [1]])[None, :, None]
    sign = np.sign((x * want).sum(axis=(1, 2, 3)))  # whichever class has the upper hand on the left
    before = (y * want).sum() * sign
    layer.backward(np.broadcast_to(want * sign, y.shape))
    gradient = layer.param(1).diff.copy()
    after = (layer.forward(p1=layer.param(1).data + 0.01 * gradient) * want).sum() * sign
    assert after > before


def test_refused():
    x = np.zeros((1, 2, 3, 4))
    with pytest.raises(ModelError, match="theta_alpha, theta_beta, theta_gamma are"):
        field("theta_alpha: 1 theta_beta: 1", x)
    with pytest.raises(ModelError, match="num_iterations"):
        field(THETAS + " num_iterations: 0", x)
    with pytest.raises(ShapeError, match="an image of"):
        field(THETAS, x, np.zeros((1, 1, 3, 4)))
    with pytest.raises(ShapeError, match="needs scores"):
        field(THETAS, np.zeros((1, 2, 3)), np.zeros((1, 3, 3)))
