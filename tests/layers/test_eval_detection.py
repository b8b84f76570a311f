import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.testing import Case

SECOND = "eval_detection_param { side: 3 num_class: 4 num_object: 2 biases: [1, 1, 2, 0.5] nms: 0.45 }"
FIRST = "eval_detection_param { side: 3 num_class: 4 num_object: 2 sqrt: false }"


def no_boxes(generator, shape):
    """As labels: none."""
    return np.full(shape, -1.0) if shape[-1] == 8 else np.zeros(shape)


CONTRACT = [
    Case(SECOND, [(2, 18, 3, 3), (1, 1, 4, 8)], inputs={"label": no_boxes}, differentiable=False, special=False),
    Case(SECOND, [(2, 18, 3, 3), (2, 15), (2, 3)], inputs={"label": no_boxes}, differentiable=False, special=False),
    Case(FIRST, [(2, 126), (2, 63)], inputs={"label": no_boxes}, differentiable=False, special=False),
]


def evaluate(options, *values):
    names = ["x", "label", "ignored"][: len(values)]
    bottoms = "".join(f'bottom: "{n}" ' for n in names)
    text = f'type: "EvalDetection" {bottoms} top: "y" {options}'
    arrays = dict(zip(names, map(np.asarray, values), strict=True))
    return OneLayer(text, **{n: a.shape for n, a in arrays.items()}).forward(**arrays)


def test_worked_example_of_the_first_version():
    """Two cells a side, two classes, one box: each cell sees one box in its middle, half as wide as the image."""
    classes = [[0.9, 0.2, 0.6, 0.4], [0.1, 0.8, 0.4, 0.6]]  # by cell: 0, 1, 0, 1
    objectness = [0.5, 1.0, 1.0, 0.5]
    middle = [[0.5] * 4, [0.5] * 4, [0.5] * 4, [0.5] * 4]  # x, y in the cell; width and height
    x = np.array([*classes, objectness, *middle]).reshape(1, -1)
    # labels: an object of class 0 in cell 0, where the box is right; one of class 1 in cell 3, difficult
    difficult, there, kind = [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1]
    places = [0.25, 0.25, 0.5, 0.5] + [0] * 8 + [0.75, 0.75, 0.5, 0.5]
    label = np.array([*difficult, *there, *kind, *places]).reshape(1, -1)
    options = "eval_detection_param {{ side: 2 num_class: 2 num_object: 1 sqrt: false {} }}"
    y = evaluate(options.format(""), x, label)
    # counts without the difficult one; class 0: cell 2 (0.6, elsewhere) before cell 0 (0.45); class 1: cell 1, cell 3
    wanted = [1, 0, 0, 0.6, 0, 1, 0, 0.45, 1, 0, 1, 0.8, 0, 1, 1, 0.3, 0, 0]
    np.testing.assert_allclose(y, [wanted], rtol=1e-6)
    y = evaluate(options.format("score_type: OBJ"), x, label)
    assert y[0, 3::4].tolist() == [1, 0.5, 1, 0.5]
    y = evaluate(options.format("score_type: PROB"), x, label)
    np.testing.assert_allclose(y[0, [3, 7, 11, 15]], [0.9, 0.6, 0.8, 0.6], rtol=1e-6)
    # places of the image, and roots of the sizes: all boxes are one, of a quarter's side, in the middle
    y = evaluate(options.format("constriant: false nms: 0.5").replace("sqrt: false", ""), x, label)
    np.testing.assert_allclose(y, [[1, 0, 1, 0.8, 0, 1] + [0] * 12], rtol=1e-6)


def test_worked_example_of_the_second_version():
    """One cell, two anchors as large as the image and half as large: 1 and 0.25 of its area."""
    options = (
        "eval_detection_param { side: 1 num_class: 2 num_object: 2 biases: [1, 1, 0.5, 0.5] threshold: 0.2 nms: NMS }"
    )
    # sigmoid(0) = 0.5: the middle; exp(0) = 1: the anchor; sigmoid(log 3) = 0.75; softmax of (log 4, 0): 0.8, 0.2
    box = [0, 0, 0, 0, np.log(3), np.log(4), 0]
    other = [0, 0, 0, 0, 0, 0, np.log(4)]
    x = np.array([box + other]).reshape(1, 14, 1, 1)
    # item, class from 1, -, x1, y1, x2, y2, -
    label = np.array([[0, 1, 0, 0, 0, 1, 1, 0], [0, 2, 0, 0.25, 0.25, 0.75, 0.75, 0], [-1] * 8]).reshape(1, 1, 3, 8)
    y = evaluate(options.replace("NMS", "0.5"), x, label, np.zeros((1, 3)))
    np.testing.assert_allclose(y, [[1, 1, 0, 0.6, 1, 0, 1, 0.4, 1, 0]], rtol=1e-6)
    # the overlap of the two is 0.25, so that the worse one goes
    y = evaluate(options.replace("NMS", "0.25"), x, label)
    np.testing.assert_allclose(y, [[1, 1, 0, 0.6, 1, 0, 0, 0, 0, 0]], rtol=1e-6)
    # both of class 0: the second finds its label taken
    x[0, 12:] = [[[np.log(4)]], [[0]]]
    y = evaluate(options.replace("NMS", "-1"), x, np.array([[0, 0.5, 0.5, 1, 1, 0, 0, 0, 0, 0]]))
    np.testing.assert_allclose(y, [[1, 0, 0, 0.6, 1, 0, 0, 0.4, 0, 1]], rtol=1e-6)
    # scores below 0.005 are left out
    x[0, 4] = -9
    y = evaluate(options.replace("NMS", "-1"), x, np.zeros((1, 10)))
    np.testing.assert_allclose(y, [[0, 0, 0, 0.4, 0, 1, 0, 0, 0, 0]], rtol=1e-6)


def test_refused():
    with pytest.raises(ModelError, match="biases"):
        evaluate(SECOND.replace("[1, 1, 2, 0.5]", "1"), np.zeros((1, 18, 3, 3)), np.zeros((1, 5)))
    with pytest.raises(ModelError, match="at least 1"):
        evaluate("eval_detection_param { side: 0 }", np.zeros((1, 18, 3, 3)), np.zeros((1, 5)))
    with pytest.raises(ShapeError, match="do not fit side 3"):
        evaluate(SECOND, np.zeros((1, 18, 4, 4)), np.zeros((1, 5)))
    with pytest.raises(ShapeError, match="do not fit side 3"):
        evaluate(FIRST, np.zeros((1, 126)), np.zeros((1, 64)))
    label = np.zeros((1, 1, 1, 8))
    label[..., 1:7] = [9, 0, 0, 0, 0.5, 0.5]
    with pytest.raises(LabelError, match="is 8"):
        evaluate(SECOND, np.zeros((1, 18, 3, 3)), label)
