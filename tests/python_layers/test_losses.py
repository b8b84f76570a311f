"""Python layers of examples and repositories: losses and dropout."""

import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import ModelError


def layer(module, name, text="", phase=caffelike.TRAIN, tops="t", **bottoms):
    words = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
    param = f'python_param {{ module: "{module}" layer: "{name}" param_str: "{text}" }}'
    return OneLayer(f'type: "Python" {words} {param}', phase, **bottoms)


def test_dice_worked_example():
    net = layer("pyLayer", "DiceLoss", p=(2, 2, 4), g=(2, 1, 4))
    second = np.array([[0.9, 0.8, 0.2, 0.5], [0.1, 0.3, 0.2, 0.4]])
    prob = np.stack([1 - second, second], axis=1)
    # found: 1 1 0 0 (a tie is background) and none; truth 1 0 1 0 and none
    dice = net.forward(p=prob, g=[[[1, 0, 0.6, 0.5]], [[0, 0, 0, 0]]])
    np.testing.assert_allclose(dice, [2 / 4.00001], rtol=1e-6)
    dp, dg = net.backward(1)
    slope = 2 * (np.array([1, 0, 1, 0]) * 4 - 2 * second[0] * 1) / 16
    np.testing.assert_allclose(dp[0], [slope, -slope], rtol=1e-5)
    assert not dp[1].any()
    assert not dg.any()
    with pytest.raises(ModelError, match="needs probabilities"):
        layer("pyLayer", "DiceLoss", p=(2, 3, 4), g=(2, 1, 4))


def test_dice_grows_as_it_is_trained():
    net = layer("pyLayer", "DiceLoss", p=(1, 2, 400), g=(1, 1, 400))
    generator = np.random.default_rng(0)
    truth, scores = generator.random(400) > 0.7, generator.standard_normal((2, 400))
    first = None
    for _ in range(40):
        prob = np.exp(scores) / np.exp(scores).sum(axis=0)
        dice = float(net.forward(p=prob[None], g=truth.reshape(1, 1, 400))[0])
        first = dice if first is None else first
        slope = net.backward(1)[0][0]
        scores -= 500 * prob * (slope - (slope * prob).sum(axis=0))
    assert first < 0.5
    assert dice > 0.9


def test_spatial_dropout_worked_example():
    net = layer("spatial_dropout", "SpatialDropoutLayer", "{'phase': 'TRAIN', 'p': '0.25'}", x=(40, 50, 2, 3))
    x = np.random.default_rng(0).standard_normal((40, 50, 2, 3)).astype(np.float32)
    y = net.forward(x=x)
    factors = y / x
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :, :1, :1], x.shape), rtol=1e-5)
    kept = factors[:, :, 0, 0] > 0
    np.testing.assert_allclose(factors[kept], 4 / 3, rtol=1e-5)
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(net.backward(3 * x), 3 * y, rtol=1e-5)
    assert ((net.forward() / x)[:, :, 0, 0] > 0).tolist() != kept.tolist()  # another choice in the next pass
    again = layer("spatial_dropout", "SpatialDropoutLayer", "{'phase': 'TEST', 'p': '0.25'}", x=(1, 2, 1, 1))
    np.testing.assert_allclose(again.forward(x=3), 4)
    for text in ("{'phase': 'TRAIN', 'p': 1}", "{'phase': 'TRAIN', 'p': 'x'}"):
        with pytest.raises(ModelError, match="above 0 and below 1"):
            layer("spatial_dropout", "SpatialDropoutLayer", text, x=(1, 2, 1, 1))


def test_euclidean_worked_example():
    net = layer("pyloss", "EuclideanLossLayer", a=(2, 3), b=(2, 3))
    a, b = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 0, 3], [7, 5, 2]])
    assert net.forward(a=a, b=b).tolist() == [(4 + 9 + 16) / 4]
    da, db = net.backward(4)
    assert da.tolist() == [[0, 4, 0], [-6, 0, 8]]
    assert db.tolist() == (-da).tolist()
    with pytest.raises(ModelError, match="bottoms of one size"):
        layer("pyloss", "EuclideanLossLayer", a=(2, 3), b=(2, 4))


@pytest.mark.parametrize("module", ["NormlizedMSE", "python.NormlizedMSE"])
def test_landmarks_worked_example(module):
    net = layer(module, "NormlizedMSE", a=(2, 6), b=(2, 6))
    truth = np.array([[0, 0, 3, 4, 5, 5], [1, 1, 1, 3, 2, 2]], float)  # eyes 5 and 2 apart
    gap = np.array([[5, 0, 0, -10, 0, 2.5], [0, 4, 0, 2, 0, 0]])
    loss = net.forward(a=truth + gap, b=truth)
    np.testing.assert_allclose(loss, [(1 + 4 + 0.25 + 4 + 1) / 4], rtol=1e-5)
    da, db = net.backward(2)
    np.testing.assert_allclose(da, gap / [[5], [2]], rtol=1e-5)
    np.testing.assert_allclose(db, -da)
    with pytest.raises(ModelError, match="two points"):
        layer(module, "NormlizedMSE", a=(2, 2), b=(2, 2))
