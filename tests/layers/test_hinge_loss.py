import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ShapeError
from caffelike.testing import Case, labels

CONTRACT = [
    Case(shapes=[(6, 5), (6,)], inputs={"label": labels(5)}),
    Case("hinge_loss_param { norm: L2 } loss_weight: 2", [(3, 2, 7), (3, 1)], inputs={"label": labels(14)}),
]


@pytest.mark.parametrize(
    ("norm", "value", "gradient"),
    [("L1", 6.5 / 2, [[-0.5, 0, 0.5], [0, 0.5, 0.5]]), ("L2", 14.25 / 2, [[-0.5, 0, 2], [0, 1, 3]])],
)
def test_worked_example(norm, value, gradient):
    layer = OneLayer(
        f'type: "HingeLoss" bottom: "x" bottom: "l" top: "loss" hinge_loss_param {{ norm: {norm} }}', x=(2, 3), l=(2,)
    )
    # what is missing to the margins: 0.5, 0 (just met), 2; 0 (exceeded), 1, 3
    assert layer.forward(x=[[0.5, -1, 1], [4, 0, 2]], l=[0, 0]) == value
    layer.net.backward()
    assert layer.net.blobs["x"].diff.tolist() == gradient


def test_refused():
    text = 'type: "HingeLoss" bottom: "x" bottom: "l" top: "loss"'
    with pytest.raises(LabelError, match="label of item 1 of the batch is 3"):
        OneLayer(text, x=(2, 3), l=(2,)).forward(x=0, l=[0, 3])
    with pytest.raises(ShapeError, match="one number for each of the 2 items"):
        OneLayer(text, x=(2, 3), l=(2, 3))
