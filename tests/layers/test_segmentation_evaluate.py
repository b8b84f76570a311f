import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

OPTIONS = "segmentation_evaluate_param { num_classes: 2 threshold: 0.3 }"
CONTRACT = [
    Case(OPTIONS, [(2, 3, 4, 5)] * 2, differentiable=False, empty=False),
    Case(OPTIONS, [(1, 2, 6, 8), (1, 2, 3, 4)], differentiable=False, empty=False),
]


def evaluate(x, label, options=OPTIONS):
    text = f'type: "SegmentationEvaluate" bottom: "x" bottom: "label" top: "y" {options}'
    layer = OneLayer(text, x=np.shape(x), label=np.shape(label))
    return layer.forward(x=x, label=label).ravel()


def test_worked_example():
    x = [[[[0.9, 0.2, 0.31], [0.4, 0.3, 0.0]], [[0.1, 0.1, 0.1], [0.9, 0.9, 0.1]], [[0.0] * 3, [0.0] * 3]]]
    label = [[[[1, 1, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 1]], [[0] * 3, [0] * 3]]]
    # 2 in both of 5; 2 of 3; none at all
    np.testing.assert_allclose(evaluate(x, label), [2 / 5, 2 / 3, 0], rtol=1e-6)


def test_worked_example_of_another_size():
    # means of 2x2 bytes: 204 and 51, floor(0.3 * 255) = 76
    x = [[[[0.8, 0.8, 0.4, 0.0], [0.8, 0.8, 0.4, 0.0]], [[0.0] * 4] * 2]]
    np.testing.assert_allclose(evaluate(x, [[[[1, 1]], [[0, 0]]]]), [1 / 2, -1])
    np.testing.assert_allclose(evaluate(x, [[[[1, 0]], [[1, 0]]]]), [1, 0])
    # 8 columns from 4: each twice
    wide = np.repeat([[1, 1, 1, 0]], 4, axis=0).repeat(2, axis=1)[None, None]
    np.testing.assert_allclose(evaluate([x[0][:1]], wide), [6 / 6])


def test_all_items_count():
    x = np.array([1, 0, 1, 1]).reshape(2, 1, 1, 2)
    label = np.array([1, 1, 0, 1]).reshape(2, 1, 1, 2)
    assert evaluate(x, label).tolist() == [0.5]


def test_refused():
    with pytest.raises(ModelError, match="num_classes"):
        evaluate(np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 2, 2)), "")
    with pytest.raises(ShapeError, match="equal N and C"):
        evaluate(np.zeros((1, 1, 2, 2)), np.zeros((1, 2, 2, 2)))
