import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.testing import Case, labels

CONTRACT = [
    Case(
        "margin_inner_product_param { num_output: 4 }",
        [(2, 3, 5), (2,)],
        tops=2,
        inputs={"label": labels(4)},
        differentiable=False,
        batch=False,
    ),
    Case(
        "margin_inner_product_param { num_output: 3 type: QUADRUPLE base: 5 lambda_min: 5 }",
        [(13, 7), (13,)],
        inputs={"label": labels(3)},
        differentiable=False,
        batch=False,
        special=False,
    ),
]


def margin(options, k=2, **shapes):
    text = f'type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y" margin_inner_product_param {{ {options} }}'
    return OneLayer(text, **(shapes or {"x": (1, k), "label": (1,)}))


@pytest.mark.parametrize(("kind", "fold"), [("SINGLE", 1), ("DOUBLE", 2), ("TRIPLE", 3), ("QUADRUPLE", 4)])
def test_margin_worked_example(kind, fold):
    """psi by its definition, at angles in every piece of it."""
    angles = np.radians([10, 40, 50, 70, 100, 130, 160, 175])
    x = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    layer = margin(f"num_output: 2 type: {kind} base: 3 gamma: 1 power: 1", x=(8, 2), label=(8,))
    y = layer.forward(x=x, label=0, p0=[[5, 0], [0, 3]])
    assert layer.param(0).data.tolist() == [[1, 0], [0, 1]]
    piece = np.floor(angles * fold / np.pi)
    psi = (-1) ** piece * np.cos(fold * angles) - 2 * piece
    share = 3 / (1 + 1)  # in the first pass
    np.testing.assert_allclose(y[:, 0], 2 * (psi + share * np.cos(angles)) / (1 + share), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y[:, 1], x[:, 1], rtol=1e-6)


def test_gradient():
    layer = margin("num_output: 2 type: DOUBLE base: 1 lambda_min: 1")
    layer.forward(x=[[3, 4]], label=1, p0=[[1, 0], [0, 1]])  # cos t = 0.8
    dx = layer.backward([[0, 1]])[0]
    # the margin's part: 4 cos t w - (2 cos^2 t + 1) / |x| x = 3.2 w - 0.456 x, over sqrt(3.2^2 + 0.456^2) = 3.2323
    np.testing.assert_allclose(dx, [[-0.456 * 3 / 3.2323266 / 2, (3.2 - 0.456 * 4) / 3.2323266 / 2 + 0.5]], rtol=1e-5)
    assert layer.param(0).diff.tolist() == [[0, 0], [3, 4]]


def test_lambda_falls():
    text = (
        'top: "l" margin_inner_product_param { num_output: 2 type: DOUBLE base: 1000 gamma: 1 power: 2 lambda_min: 9 }'
    )
    layer = OneLayer(f'type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y" {text}', x=(1, 2), label=(1,))
    found = [float(layer.forward(x=[[1, 2]], label=0, p0=[[1, 0], [0, 1]])[1][0]) for _ in range(10)]
    np.testing.assert_allclose(found[:4], [250, 1000 / 9, 62.5, 40], rtol=1e-6)
    assert found[-1] == 9
    other = OneLayer(f'type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y" {text}', x=(1, 2), label=(1,))
    other.layer.restore(layer.layer.state())
    assert other.layer.state() == {"passes": 10.0}


def test_refused():
    with pytest.raises(ModelError, match="num_output must be"):
        margin("num_output: 0")
    with pytest.raises(ShapeError, match="one number for each"):
        margin("num_output: 2", x=(3, 2), label=(2,))
    with pytest.raises(LabelError):
        margin("num_output: 2 type: DOUBLE").forward(x=1, label=2, p0=1)
