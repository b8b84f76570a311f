import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case, labels

CONTRACT = [
    Case("recurrent_param { num_output: 4 }", [(5, 3, 6), (5, 3)], inputs={"cont": labels(2)}),
    Case("recurrent_param { num_output: 3 }", [(4, 2, 2, 3), (4, 2), (2, 5)], inputs={"cont": labels(2)}),
    Case(
        "recurrent_param { num_output: 3 expose_hidden: true }",
        [(4, 2, 5), (4, 2), (1, 2, 3), (1, 2, 3)],
        tops=3,
        inputs={"cont": labels(2)},
    ),
]


def lstm(options="", bottoms="x cont", tops="y", **shapes):
    text = " ".join([f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()])
    return OneLayer(f'type: "LSTM" {text} recurrent_param {{ num_output: 1 {options} }}', **shapes)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_worked_example():
    layer = lstm(x=(2, 1, 1), cont=(2, 1))
    weights = {"p0": [[1], [2], [3], [4]], "p1": [0.1, 0.2, 0.3, 0.4], "p2": [[5], [6], [7], [8]]}
    y = layer.forward(x=[[[0.5]], [[-0.5]]], cont=[[0], [1]], **weights)
    c1 = sigmoid(0.6) * np.tanh(2.4)
    h1 = sigmoid(1.8) * np.tanh(c1)
    c2 = sigmoid(-0.8 + 6 * h1) * c1 + sigmoid(-0.4 + 5 * h1) * np.tanh(-1.6 + 8 * h1)
    h2 = sigmoid(-1.2 + 7 * h1) * np.tanh(c2)
    np.testing.assert_allclose(y.ravel(), [h1, h2], rtol=1e-6)
    layer.backward([[[1]], [[0]]])
    # gates of step 1 alone: db_o = tanh(c) o (1 - o), db_i = o (1 - tanh^2 c) g i (1 - i); f has no past
    i, o, g = sigmoid(0.6), sigmoid(1.8), np.tanh(2.4)
    slope = o * (1 - np.tanh(c1) ** 2)
    want = [slope * g * i * (1 - i), 0, np.tanh(c1) * o * (1 - o), slope * i * (1 - g * g)]
    np.testing.assert_allclose(layer.param(1).diff, want, rtol=1e-5)
    np.testing.assert_allclose(layer.param(0).diff.ravel(), np.multiply(want, 0.5), rtol=1e-5)
    assert not layer.param(2).diff.any()


def test_the_state_carries_over_and_cont_stops_it():
    filler = "weight_filler { type: 'constant' value: 0.7 } bias_filler { type: 'constant' value: 0.1 }"
    whole = lstm(filler, x=(4, 1, 1), cont=(4, 1))
    halves = lstm(filler, x=(2, 1, 1), cont=(2, 1))
    x = np.array([1, -2, 3, 0.5]).reshape(4, 1, 1)
    y = whole.forward(x=x, cont=[[0], [1], [1], [1]])
    first = halves.forward(x=x[:2], cont=[[0], [1]])
    second = halves.forward(x=x[2:], cont=[[1], [1]])
    np.testing.assert_allclose(np.concatenate([first, second]), y, rtol=1e-6)
    assert halves.forward(x=x[:2], cont=[[0], [1]]).tolist() == first.tolist()


def test_exposed_states():
    filler = "weight_filler { type: 'constant' value: 0.7 }"
    carried = lstm(filler, x=(2, 1, 1), cont=(2, 1))
    exposed = lstm(
        filler + " expose_hidden: true", "x cont h c", "y he ce", x=(2, 1, 1), cont=(2, 1), h=(1, 1, 1), c=(1, 1, 1)
    )
    carried.forward(x=[[[1]], [[2]]], cont=1)
    y, h, c = exposed.forward(x=[[[1]], [[2]]], cont=1, h=0, c=0)
    assert h.item() == y[-1].item()
    again = exposed.forward(h=h, c=c)
    np.testing.assert_allclose(again[0], carried.forward(), rtol=1e-6)
    assert exposed.forward(h=h, c=c)[0].tolist() == again[0].tolist()  # nothing carries over
    downs = exposed.backward([[[0]], [[0]]], 1, 0)
    assert all(d.any() for d in (downs[0], downs[2], downs[3]))
    assert not downs[1].any()


def test_static_input_is_seen_at_every_step():
    layer = lstm(bottoms="x cont s", x=(3, 2, 1), cont=(3, 2), s=(2, 2))
    assert [b.shape for b in layer.net.params["l"]] == [(4, 1), (4,), (4, 2), (4, 1)]
    y = layer.forward(x=0, cont=0, s=[[1, 2], [0, 0]], p2=1)
    np.testing.assert_allclose(y[:, 0, 0], sigmoid(3) * np.tanh(sigmoid(3) * np.tanh(3)), rtol=1e-6)
    assert not y[:, 1].any()
    layer.backward(np.ones(y.shape))
    np.testing.assert_allclose(layer.param(2).diff[:, 1], 2 * layer.param(2).diff[:, 0], rtol=1e-6)


def test_refused():
    with pytest.raises(ModelError, match="num_output must"):
        OneLayer('type: "LSTM" bottom: "x" bottom: "cont" top: "y"', x=(2, 1, 1), cont=(2, 1))
    with pytest.raises(ModelError, match="the first state of h and c, and makes 3 top"):
        lstm("expose_hidden: true", x=(2, 1, 1), cont=(2, 1))
    with pytest.raises(ShapeError, match=r"cont must be \(T, N\) = \(2, 1\)"):
        lstm(x=(2, 1, 1), cont=(3, 1))
    with pytest.raises(ShapeError, match="needs features"):
        lstm(x=(2, 1), cont=(2, 1))
    with pytest.raises(ShapeError, match="static input must be"):
        lstm(bottoms="x cont s", x=(2, 1, 1), cont=(2, 1), s=(2, 1))
    layer = lstm(x=(2, 1, 1), cont=(2, 1))
    layer.net.blobs["x"].reshape(2, 1, 3)
    with pytest.raises(ShapeError, match="steps of shape"):
        layer.forward()
