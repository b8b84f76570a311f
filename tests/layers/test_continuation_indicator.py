import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [Case("continuation_indicator_param { time_step: 4 batch_size: 3 }"), Case("", [(5, 3, 7)])]


def test_worked_example():
    text = 'type: "ContinuationIndicator" {} top: "y" continuation_indicator_param {{ {} }}'
    layer = OneLayer(text.format("", "time_step: 3 batch_size: 2"))
    assert layer.forward().tolist() == [[0, 0], [1, 1], [1, 1]]
    assert OneLayer(text.format('bottom: "x"', ""), x=(2, 3, 5)).forward().tolist() == [[0, 0, 0], [1, 1, 1]]
    assert OneLayer(text.format('bottom: "x"', "batch_size: 1"), x=(2, 3)).forward().tolist() == [[0], [1]]
    with pytest.raises(ModelError, match="needs time_step and batch_size"):
        OneLayer(text.format("", "time_step: 3"))
    with pytest.raises(ModelError, match=r"bottom \(T, N"):
        OneLayer(text.format('bottom: "x"', ""), x=(2,))
