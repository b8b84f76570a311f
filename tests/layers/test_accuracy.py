import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import LabelError, ModelError
from caffelike.testing import Case, labels

CONTRACT = [
    Case(shapes=[(20, 6), (20,)], inputs={"label": labels(6)}),
    Case("accuracy_param { top_k: 3 ignore_label: 2 }", [(20, 6), (20, 1)], inputs={"label": labels(6)}, tops=2),
    Case("accuracy_param { axis: 2 }", [(2, 3, 5, 7), (2, 3, 7)], inputs={"label": labels(5)}, tops=2),
]


def accuracy(options="", tops='top: "acc"', shape=(4, 3), phase=caffelike.TEST):
    return OneLayer(
        f'type: "Accuracy" bottom: "x" bottom: "l" {tops} accuracy_param {{ {options} }}',
        phase,
        x=shape,
        l=shape[:1],
    )


def test_worked_example():
    layer = accuracy("ignore_label: 2", 'top: "acc" top: "each"')
    acc, each = layer.forward(x=[[3, 1, 2], [1, 3, 2], [5, 6, 4], [0, 0, 1]], l=[0, 1, 0, 2])
    assert acc == np.float32(2 / 3)
    assert each.tolist() == [0.5, 1, 0]  # class 2 is ignored, so it does not occur


def test_a_tie_is_a_miss_and_top_k():
    scores = [[1, 1, 0], [1, 2, 3], [2, 2, 2], [0, 5, 1]]
    assert accuracy().forward(x=scores, l=[0, 2, 1, 1]) == 0.5
    assert accuracy("top_k: 2").forward(x=scores, l=[0, 0, 1, 1]) == 0.5
    assert accuracy("top_k: 3").forward(x=scores, l=[0, 0, 1, 1]) == 1


def test_nan_is_a_miss_and_nothing_to_count_is_0():
    assert accuracy(shape=(1, 3)).forward(x=[[np.nan, 1, 2]], l=[0]) == 0
    assert accuracy("ignore_label: 7", shape=(1, 3)).forward(x=[[1, 2, 3]], l=[7]) == 0


def test_refused():
    with pytest.raises(LabelError, match=r"must be 0 \.\. 2"):
        accuracy(phase=caffelike.TRAIN).forward(x=0, l=3)
    with pytest.raises(ModelError, match="top_k is 4, but there are 3 classes"):
        accuracy("top_k: 4")
