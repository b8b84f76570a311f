import numpy as np
from one_layer import OneLayer

from caffelike.testing import Case, labels

CONTRACT = [
    Case("recurrent_param { num_output: 4 }", [(5, 3, 6), (5, 3)], inputs={"cont": labels(2)}),
    Case("recurrent_param { num_output: 3 }", [(4, 2, 2, 3), (4, 2), (2, 5)], inputs={"cont": labels(2)}),
    Case(
        "recurrent_param { num_output: 3 expose_hidden: true }",
        [(4, 2, 5), (4, 2), (1, 2, 3)],
        tops=2,
        inputs={"cont": labels(2)},
    ),
]


def rnn(options="", bottoms="x cont", tops="y", **shapes):
    text = " ".join([f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()])
    return OneLayer(f'type: "RNN" {text} recurrent_param {{ num_output: 1 {options} }}', **shapes)


WEIGHTS = {"p0": 0.5, "p1": 0.1, "p2": 2, "p3": 3, "p4": -0.2}  # x, bias, h, output, output bias


def test_worked_example():
    layer = rnn(x=(2, 1, 1), cont=(2, 1))
    y = layer.forward(x=[[[1]], [[2]]], cont=[[0], [1]], **WEIGHTS)
    h1 = np.tanh(0.6)
    h2 = np.tanh(1.1 + 2 * h1)
    np.testing.assert_allclose(y.ravel(), np.tanh([3 * h1 - 0.2, 3 * h2 - 0.2]), rtol=1e-6)
    dx, dcont = layer.backward([[[1]], [[0]]])
    outer = 1 - np.tanh(3 * h1 - 0.2) ** 2
    inner = 3 * outer * (1 - h1 * h1)
    np.testing.assert_allclose(dx.ravel(), [0.5 * inner, 0], rtol=1e-5)
    got = [layer.param(i).diff.item() for i in range(5)]
    np.testing.assert_allclose(got, [inner, inner, 0, outer * h1, outer], rtol=1e-5)
    assert not dcont.any()


def test_the_state_carries_over():
    layer = rnn(x=(1, 1, 1), cont=(1, 1))
    layer.forward(x=1, cont=0, **WEIGHTS)
    y = layer.forward(x=2, cont=1)
    np.testing.assert_allclose(y.item(), np.tanh(3 * np.tanh(1.1 + 2 * np.tanh(0.6)) - 0.2), rtol=1e-6)


def test_exposed_state_and_static_input():
    layer = rnn("expose_hidden: true", "x cont s h", "y he", x=(1, 1, 1), cont=(1, 1), s=(1, 1), h=(1, 1, 1))
    y, h = layer.forward(x=1, cont=1, s=1, h=0.5, p0=0.5, p1=0.1, p2=0.25, p3=2, p4=3, p5=-0.2)
    np.testing.assert_allclose(h.item(), np.tanh(0.5 + 0.1 + 0.25 + 1), rtol=1e-6)
    np.testing.assert_allclose(y.item(), np.tanh(3 * h.item() - 0.2), rtol=1e-6)
    dx, _, ds, dh = layer.backward(0, 1)
    slope = 1 - h.item() ** 2
    np.testing.assert_allclose([dx.item(), ds.item(), dh.item()], [0.5 * slope, 0.25 * slope, 2 * slope], rtol=1e-5)
