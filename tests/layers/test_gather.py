import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [Case("", [(2, 3, 5)], tops=1), Case("", [(13, 2), (13,)], tops=2)]


def test_worked_example():
    layer = OneLayer('type: "Gather" bottom: "a" bottom: "b" top: "x" top: "y"', a=(2, 2), b=(2,))
    x, y = layer.forward(a=[[1, 2], [3, 4]], b=[5, 6])
    assert (x.tolist(), y.tolist()) == ([[1, 2], [3, 4]], [5, 6])
    da, db = layer.backward([[5, 6], [7, 8]], [9, 1])
    assert (da.tolist(), db.tolist()) == ([[5, 6], [7, 8]], [9, 1])
    assert np.shares_memory(x, y) is False


def test_counts_refused():
    with pytest.raises(ModelError, match="one top for each bottom"):
        OneLayer('type: "Gather" bottom: "a" bottom: "b" top: "x"', a=(2, 2), b=(2,))
