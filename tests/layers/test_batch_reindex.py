import pytest
from one_layer import OneLayer

from caffelike.errors import DataError, ShapeError
from caffelike.testing import Case, labels

CONTRACT = [
    Case(shapes=[(4, 3, 5), (6,)], inputs={"index": labels(4)}, batch=False),
    Case(shapes=[(3, 127), (1,)], inputs={"index": labels(3)}, batch=False),
]


def test_worked_example():
    layer = OneLayer('type: "BatchReindex" bottom: "x" bottom: "index" top: "y"', x=(3, 2), index=(4,))
    y = layer.forward(x=[[1, 2], [3, 4], [5, 6]], index=[2, 0, 2, 2])
    assert y.tolist() == [[5, 6], [1, 2], [5, 6], [5, 6]]
    dx, dindex = layer.backward([[1, 2], [10, 20], [100, 200], [1000, 2000]])
    assert dx.tolist() == [[10, 20], [0, 0], [1101, 2202]]
    assert not dindex.any()


@pytest.mark.parametrize("bad", [-1, 3, float("nan")])
def test_index_outside_the_batch(bad):
    layer = OneLayer('type: "BatchReindex" bottom: "x" bottom: "index" top: "y"', x=(3, 2), index=(2,))
    with pytest.raises(DataError, match=r"Layer 'l' \(BatchReindex\): index .* at place 1 is outside 0 to 2"):
        layer.forward(x=1, index=[0, bad])


def test_index_has_one_axis():
    with pytest.raises(ShapeError, match="indices of one axis"):
        OneLayer('type: "BatchReindex" bottom: "x" bottom: "index" top: "y"', x=(3, 2), index=(2, 1))
