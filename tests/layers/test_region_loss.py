import math

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import DataError, FileError, LabelError, ModelError, ShapeError
from caffelike.testing import Case


def boxes(generator, shape):
    return np.stack([generator.integers(0, 2, shape[:2]), *generator.uniform(0.2, 0.8, (4, *shape[:2]))], axis=2)


OPTIONS = "num: 2 num_class: 2 biases: [1, 1, 2, 2] coord_scale: 1 noobject_scale: 1 object_scale: 2"

CONTRACT = [
    Case(f"region_loss_param {{ {OPTIONS} {more} }}", [(2, 14, 3, 4), (2, 3, 5)], inputs={"label": boxes},
         differentiable=False, empty=False, special=False)
    for more in ("", "rescore: 0 bias_match: 0")
]  # fmt: skip


def region(more="", shape=(1, 14, 2, 2), label=(1, 1, 5)):
    options = OPTIONS.replace("num_class: 2", "") if "num_class" in more else OPTIONS
    text = f'type: "RegionLoss" bottom: "x" bottom: "label" top: "y" region_loss_param {{ {options} {more} }}'
    return OneLayer(text + " propagate_down: true propagate_down: false", x=shape, label=label)


LOGIT = math.log(3)  # of 0.75


def given():
    """Box 1 of cell (1, 0), as large as its anchor and as wide as the image."""
    x = np.zeros((1, 2, 7, 2, 2))
    x[0, 1, :, 0, 1] = [LOGIT, 0, 0, 0, LOGIT, LOGIT, 0]
    return x.reshape(1, 14, 2, 2)


@pytest.mark.parametrize("rescore", [0, 1])
def test_worked_example(rescore):
    layer = region(f"thresh: 0.99 rescore: {rescore}")
    layer.layer.options["seen"][0] = 12800
    label = [0, 0.75, 0.125, 1, 1]
    loss = layer.forward(x=given(), label=label)
    # centres (0.875, 0.25) and (0.75, 0.125) of boxes of side 1: 0.875 * 0.875 in common
    overlap = 0.875**2 / (2 - 0.875**2)
    aim = overlap if rescore else 1
    wrong = np.array([0.25 * 3 / 16, 0.25 / 4, 0, 0, 2 * (0.75 - aim) * 3 / 16, -0.25, 0.25])
    others = 7 * 0.125**2  # 0.5 * 0.5 * 0.5
    assert float(loss) == pytest.approx(others + (wrong**2).sum(), rel=1e-5)
    dx = layer.backward(3)[0].reshape(2, 7, 2, 2)
    np.testing.assert_allclose(dx[1, :, 0, 1], 3 * wrong, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(dx[0, 4], 3 * 0.125, rtol=1e-6)


def test_worked_example_of_intel():
    layer = region("thresh: 0.99", label=(1, 1, 2, 8))
    x = given().reshape(2, 7, 2, 2)
    x[1, 2, 0, 1] = 3
    loss = layer.forward(x=x.reshape(1, 14, 2, 2), label=[[[[0, 1, 0, 0.25, -0.375, 1.25, 0.625, 0], [-1] * 8]]])
    wrong = np.array([0.25 * 3 / 16, 0.25 / 4, 1, 0, -2 * 2 * 0.25**3 * 3 / 16, -0.25, 0.25])
    assert float(loss) == pytest.approx(7 * 0.125**2 + (wrong**2).sum(), rel=1e-5)
    np.testing.assert_allclose(layer.backward(1)[0].reshape(2, 7, 2, 2)[1, :, 0, 1], wrong, rtol=1e-5, atol=1e-7)


def test_at_first_boxes_are_drawn_to_their_anchors():
    layer = region()
    x = np.zeros((1, 2, 7, 2, 2))
    x[0, 0, :3, 1, 1] = [LOGIT, 0, 2]
    layer.forward(x=x.reshape(1, 14, 2, 2), label=0)
    dx = layer.backward(1)[0].reshape(2, 7, 2, 2)
    np.testing.assert_allclose(dx[0, :4, 1, 1], [0.01 * 0.25 * 3 / 16, 0, 0.02, 0], rtol=1e-5)


def test_refused():
    with pytest.raises(LabelError, match="item 0 of the batch is 2"):
        region().forward(x=0, label=[2, 0.5, 0.5, 1, 1])
    with pytest.raises(FileError, match="Could not open tree of labels none"):
        region('softmax_tree: "none"')
    with pytest.raises(ShapeError, match="boxes, 8"):
        region(label=(1, 4))


def test_a_tree_of_labels_worked_example(tmp_path):
    """Thing or animal; an animal is a dog, a cat or a bird; a dog is a poodle or not.

    Softmaxes of (0, log 3), (0, 0, log 2) and (log 9, 0), all at the cell of the label.
    """
    tree = tmp_path / "tree"
    tree.write_text("thing -1\nanimal -1\ndog 1\ncat 1\nbird 1\npoodle 2\nother 2\n")
    logits = [0, math.log(3), 0, 0, math.log(2), math.log(9), 0]
    scores = [1 / 4, 3 / 4, 1 / 4, 1 / 4, 1 / 2, 9 / 10, 1 / 10]
    options = f'num_class: 7 class_scale: 2 softmax_tree: "{tree}"'
    wanted = {
        5: [1 / 4, -1 / 4, -3 / 4, 1 / 4, 1 / 2, -1 / 10, 1 / 10],  # a poodle
        4: [1 / 4, -1 / 4, 1 / 4, 1 / 4, -1 / 2, 0, 0],  # a bird
        0: [-3 / 4, 3 / 4, 0, 0, 0, 0, 0],
    }
    x = np.zeros((1, 2, 12, 2, 2))
    x[0, 1, 5:, 0, 1] = logits
    for kind, delta in wanted.items():
        layer = region(options, (1, 24, 2, 2))
        layer.forward(x=x.reshape(1, 24, 2, 2), label=[kind, 0.75, 0.125, 1, 1])
        dx = layer.backward(1)[0].reshape(2, 12, 2, 2)
        np.testing.assert_allclose(dx[1, 5:, 0, 1], 2 * np.array(delta), rtol=1e-5, atol=1e-7)
        assert not dx[0, 5:].any()
        assert np.allclose(dx[1, 5 + kind, 0, 1], 2 * (scores[kind] - 1))
    kinds = tmp_path / "map"
    kinds.write_text("4\n0\n")
    layer = region(f'{options} class_map: "{kinds}"', (1, 24, 2, 2))
    layer.forward(x=x.reshape(1, 24, 2, 2), label=[0, 0.75, 0.125, 1, 1])
    dx = layer.backward(1)[0].reshape(2, 12, 2, 2)
    np.testing.assert_allclose(dx[1, 5:, 0, 1], 2 * np.array(wanted[4]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("tree", "kinds", "text"),
    [
        ("a -1\nb 1\nc 0", "", "tree:2: 'b 1' is no label"),
        ("a", "", "is no label"),
        ("", "", "has no labels"),
        ("a -1", "", "has 1 labels, but num_class is 2"),
        ("a -1\nb -1", "2", "must be 0 .. 1"),
        ("a -1\nb -1", "x", "is no class map"),
    ],
)
def test_trees_that_are_none(tmp_path, tree, kinds, text):
    (tmp_path / "tree").write_text(tree)
    (tmp_path / "map").write_text(kinds)
    more = f'class_map: "{tmp_path}/map"' if kinds else ""
    with pytest.raises((DataError, ModelError), match=text):
        region(f'softmax_tree: "{tmp_path}/tree" {more}')
