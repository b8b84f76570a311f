import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ShapeError
from caffelike.testing import Case, labels

CONTRACT = [
    Case(shapes=[(6, 5), (6,)], inputs={"label": labels(5)}),
    Case("hinge_loss_param { norm: L2 } loss_weight: 2", [(3, 2, 7), (3, 1)], inputs={"label": labels(14)}),
    Case("loss_param { class_weight: [2, 0, 0.5] }", [(5, 3), (5,), (5,)], inputs={"label": labels(3)}),
    Case(
        "hinge_loss_param { norm: L2 } loss_param { class_weight: [2, 3, 0.5] }",
        [(5, 3), (5,)],
        inputs={"label": labels(3)},
    ),
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


@pytest.mark.parametrize(("options", "item"), [("", 10), ("loss_param { class_weight: [5, 1, 1] }", 2)])
def test_weights_of_classes_and_items(options, item):
    layer = OneLayer(
        f'type: "HingeLoss" bottom: "x" bottom: "l" bottom: "w" top: "loss" {options}', x=(2, 3), l=(2,), w=(2,)
    )
    # margins missed by 0.5, 0, 2 and by 0, 0.5, 0; the first item counts ten times, the second half
    assert layer.forward(x=[[0.5, -1, 1], [-2, 1, -0.5]], l=[0, 1], w=[item, 0.5]) == (10 * 2.5 + 0.5 * 0.5) / 2
    layer.net.backward()
    assert layer.net.blobs["x"].diff.tolist() == [[-5, 0, 5], [0, 0, 0.25]]


def test_refused():
    text = 'type: "HingeLoss" bottom: "x" bottom: "l" top: "loss"'
    with pytest.raises(LabelError, match="label of item 1 of the batch is 3"):
        OneLayer(text, x=(2, 3), l=(2,)).forward(x=0, l=[0, 3])
    with pytest.raises(ShapeError, match="one number for each of the 2 items"):
        OneLayer(text, x=(2, 3), l=(2, 3))
    with pytest.raises(ShapeError, match="has 2 class weights, but there are 3 classes"):
        OneLayer(text + " loss_param { class_weight: [1, 2] }", x=(2, 3), l=(2,))
    with pytest.raises(ShapeError, match=r"'x' is \(2, 3\) and 'w' is \(3,\)"):
        OneLayer(text + ' bottom: "w"', x=(2, 3), l=(2,), w=(3,))
