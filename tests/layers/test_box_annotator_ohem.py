import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case(
        "box_annotator_ohem_param { roi_per_img: 2 }",
        [(6, 5, 1, 1), (6, 1, 1, 1), (6,), (6, 8)],
        inputs={"rois": lambda generator, shape: generator.integers(0, 2, shape)},
    ),
    Case("box_annotator_ohem_param { roi_per_img: 3 }", [(2, 5, 3, 2), (2, 1, 3, 2), (2, 1, 3, 2), (2, 4, 3, 2)]),
]


def annotator(count=2, losses=(6, 1, 1, 1)):
    text = 'type: "BoxAnnotatorOHEM" bottom: "r" bottom: "s" bottom: "l" bottom: "w" top: "a" top: "b"'
    options = f"box_annotator_ohem_param {{ roi_per_img: {count} ignore_label: -2 }}"
    return OneLayer(f"{text} {options}", r=(6, 5), s=losses, l=(6, 1), w=(6, 2))


def test_worked_example():
    layer = annotator()
    labels, weights = layer.forward(
        r=[[i, 9, 9, 9, 9] for i in (0, 0, 0, 1, 0, 1)],
        s=[[[[loss]]] for loss in (3, 5, 3, 1, 4, 0)],
        l=[[7], [8], [9], [10], [11], [12]],
        w=[[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]],
    )
    assert labels.ravel().tolist() == [-2, 8, -2, 10, 11, 12]
    assert weights[:, :, 0, 0].tolist() == [[0, 0], [3, 4], [0, 0], [7, 8], [9, 10], [11, 12]]
    labels, _ = layer.forward(s=[[[[loss]]] for loss in (5, 5, 5, 1, 5, 0)])
    assert labels.ravel().tolist() == [7, 8, -2, 10, -2, 12]  # the first of equals


def test_refused():
    with pytest.raises(ModelError, match="roi_per_img"):
        annotator(0)
    with pytest.raises(ShapeError, match=r"'s' is \(3, 1\), but \(6, 1, 1, 1\) is expected for 6 regions"):
        annotator(losses=(3, 1))
