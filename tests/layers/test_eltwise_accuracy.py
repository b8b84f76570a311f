import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ShapeError
from caffelike.testing import Case, labels

CONTRACT = [
    Case("eltwise_accuracy_param { ignore_label: 2 }", [(2, 4, 5, 7), (2, 1, 5, 7)], inputs={"label": labels(4)}),
]


def accuracy(options="", x=(1, 3, 2, 4), label=(1, 1, 2, 4)):
    text = f'type: "EltwiseAccuracy" bottom: "x" bottom: "l" top: "a" eltwise_accuracy_param {{ {options} }}'
    return OneLayer(text, x=x, l=label)


def test_worked_example():
    x = [[[1, 0, 3, 5], [2, 2, 0, 7]], [[0, 2, 4, 5], [2, 1, 0, 7]], [[0, 1, 5, 0], [1, 2, 0, 8]]]
    # best classes, the last of equal ones: 0 1 2 1 / 1 2 2 2
    label = [[[[0, 1, 1, 1], [0, 2, 2, 255]]]]
    assert accuracy("ignore_label: 255").forward(x=[x], l=label).tolist() == [[[[np.float32(5 / 7)]]]]
    assert accuracy().forward(x=[x], l=np.minimum(label, 2)).tolist() == [[[[np.float32(6 / 8)]]]]


def test_nothing_to_count_nan_and_refusals():
    assert accuracy("ignore_label: 1").forward(x=0, l=1) == 0
    layer = accuracy(x=(1, 2, 1, 1), label=(1, 1, 1, 1))
    assert layer.forward(x=[[[[np.nan]], [[0]]]], l=0) == 0
    with pytest.raises(LabelError, match=r"must be 0 \.\. 1"):
        layer.forward(l=2)
    with pytest.raises(ShapeError, match="one label for each"):
        accuracy(label=(1, 1, 2, 3))
