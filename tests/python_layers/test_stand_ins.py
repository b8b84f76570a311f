"""Faster R-CNN's Python layers, written natively."""

import json
import sys

import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.data import roidb
from caffelike.errors import DataError, ModelError
from caffelike.layers import _rpn


def layer(module, name, options, bottoms, tops, phase=caffelike.TRAIN):
    words = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
    param = f'python_param {{ module: "{module}" layer: "{name}" param_str: "{options}" }}'
    return OneLayer(f'type: "Python" {words} {param}', phase, **bottoms)


def proposal(options="'feat_stride': 16\\n'scales': !!python/tuple [1, 2]\\n'ratios': [1]", tops="r"):
    shapes = {"s": (1, 4, 2, 3), "d": (1, 8, 2, 3), "i": (1, 3)}
    return layer("rpn.proposal_layer", "ProposalLayer", options, shapes, tops)


def target(options):
    """A detector's targets for the box 8 .. 39 of an image of 64 x 64 pixels, with anchors of 16 pixels."""
    shapes = {"s": (1, 4, 4, 4), "g": (2, 5), "i": (1, 3), "x": (1, 3, 64, 64)}
    text = f"{{'feat_stride': 16, 'scales': [1, 2], 'ratios': [1.0], {options}}}"
    return layer("rpn.anchor_target_layer", "AnchorTargetLayer", text, shapes, "ltno")


def test_proposals_worked_example():
    """Two anchors at a place, 16 and 32 pixels: small ones are left out, doubles too."""
    net = proposal(tops="rp")
    scores = np.zeros((1, 4, 2, 3))
    scores[0, 2] = [[0.1, 0.9, 0.3], [0.2, 0.4, 0.5]]
    scores[0, 3] = [[0.8, 0, 0], [0, 0, 0.7]]
    boxes, probs = net.forward(s=scores, d=0, i=[[32, 40, 1]])
    # the last column's small anchors are 8 pixels wide; the large ones at (0, 0) and (32, 16) reach over 3 borders
    assert boxes[0].tolist() == [0, 16, 0, 32, 16]
    assert boxes[1].tolist() == [0, 0, 0, 24, 24]
    assert boxes[2].tolist() == [0, 24, 8, 39, 31]
    assert np.allclose(probs[:3, 0], [0.9, 0.8, 0.7])
    assert [0, 32, 0, 39, 16] not in boxes.tolist()
    common = _rpn.overlaps(boxes[:, 1:], boxes[:, 1:]) - np.eye(len(boxes))
    assert len(boxes) > 5
    assert common.max() <= 0.7


def test_anchor_targets_worked_example():
    net = target("'batch_size': 8")
    labels, targets, inside, outside = net.forward(s=0, g=[[8, 8, 39, 39, 3], [48, 48, 63, 63, 1]], i=[[64, 64, 1]])
    # rows of A x H: the small anchors at 0, 16, 32, 48; then the large ones from -8 on, of which four are inside
    labels = labels.reshape(2, 4, 4)
    assert (labels == 1).sum() == 2
    assert labels[0, 3, 3] == 1  # the box 48 .. 63 itself
    assert labels[1, 1, 1] == 1  # the box 8 .. 39 itself
    assert (labels == 0).sum() == 6
    assert (labels[1, [0, 3]] == -1).all()
    assert not targets[0, :, 1, 1][4:].any()
    assert inside.sum() == 8
    assert (outside[0, :4] > 0).sum() == 4 * (labels[0] >= 0).sum()
    assert np.allclose(outside[outside > 0], 1 / 8)
    # the large anchor one place further on, moved and cut by half: 24 .. 55 to 8 .. 39 is -16 of 32 pixels
    moves = _rpn.moves(np.array([[24.0, 24, 55, 55]]), np.array([[8.0, 8, 39, 23]]))
    assert np.allclose(moves, [[-0.5, -0.75, 0, np.log(0.5)]])


def test_anchors_without_boxes_are_background():
    net = target("'batch_size': 8")
    net.net.blobs["g"].reshape(0, 5)
    labels, *_ = net.forward(s=0, i=[[64, 64, 1]])
    assert ((labels == 1).sum(), (labels == 0).sum()) == (0, 8)


def test_proposal_targets_worked_example():
    shapes = {"p": (3, 5), "g": (2, 6)}
    text = "'num_classes': 4\\n'num_attr_classes': 9\\n'batch_size': -1"
    net = layer("rpn.proposal_target_layer", "ProposalTargetLayer", text, shapes, "rltioa")
    rois, labels, targets, inside, outside, attributes = net.forward(
        p=[[0, 0, 0, 9, 9], [0, 50, 50, 59, 59], [0, 22, 20, 31, 29]],
        g=[[0, 0, 9, 9, 3, 7], [20, 20, 29, 29, 1, 0]],
    )
    assert rois[:, :, 0, 0].tolist() == [
        [0, 0, 0, 9, 9], [0, 22, 20, 31, 29], [0, 0, 0, 9, 9], [0, 20, 20, 29, 29], [0, 50, 50, 59, 59]
    ]  # fmt: skip
    assert labels.ravel().tolist() == [3, 1, 3, 1, 0]
    want = np.zeros((5, 16))
    want[1, 4] = -2  # a fifth of its width to the left, by 0.1
    assert np.allclose(targets[:, :, 0, 0], want)
    assert inside[:, :, 0, 0].nonzero()[1].tolist() == [12, 13, 14, 15, 4, 5, 6, 7] * 2
    assert (inside == outside).all()
    assert attributes.ravel().tolist() == [7, -1, 7, -1, -1]
    net = layer(
        "rpn.proposal_target_layer", "ProposalTargetLayer", "'num_classes': 2\\n'batch_size': 4", shapes, "rltio"
    )
    _, labels, targets, inside, _ = net.forward(p=0, g=[[0, 0, 9, 9, 3, 7], [20, 20, 29, 29, 1, 0]])
    assert sorted(labels.ravel().tolist())[:3] == [0, 0, 0]  # at most a quarter of 4 is an object's
    assert targets.shape == (4, 8, 1, 1)
    assert inside[:, :, 0, 0].nonzero()[1].tolist() == [4, 5, 6, 7]


RECORDS = [
    {"image": np.full((10, 20, 3), 50, np.uint8), "boxes": [[1, 2, 3, 4]], "gt_classes": [2]},
    {"image": np.full((30, 10, 3), 90, np.uint8), "boxes": [[0, 0, 9, 9], [5, 5, 8, 9]], "gt_classes": [1, 0]},
]


def data(tops=("data", "im_info", "gt_boxes"), options=""):
    text = f"{{'num_classes': 3, 'scales': [20], 'max_size': 50, {options}}}"
    return layer("roi_data_layer.layer", "RoIDataLayer", text, {}, tops)


def test_data_worked_example():
    net = data(options="'shuffle': False, 'means': [10, 20, 30]")
    with pytest.raises(DataError, match=r"has no data.*set_roidb"):
        net.forward()
    roidb.set_roidb(net.net, RECORDS)
    pixels, info, boxes = net.forward()
    assert pixels.shape == (1, 3, 20, 40)
    assert pixels[0, :, 3, 3].tolist() == [40, 30, 20]
    assert info.tolist() == [[20, 40, 2]]
    assert boxes.tolist() == [[2, 4, 6, 8, 2]]
    pixels, info, boxes = net.forward()
    assert info[0] == pytest.approx([50, 17, 5 / 3])  # the longer side at its most
    assert len(boxes) == 1  # a box of class 0 is a proposal only
    assert net.forward()[1].tolist() == [[20, 40, 2]]


def test_data_of_fast_rcnn():
    net = data(("data", "rois", "labels", "bbox_targets", "bbox_inside_weights"), "'shuffle': False")
    net.layer.set_roidb(RECORDS[1:])
    _, rois, labels, targets, inside = net.forward()
    assert labels.tolist() == [1, 0]
    assert rois[0] == pytest.approx([0, 0, 0, 15, 15])
    assert not targets.any()
    assert inside.tolist() == [[0] * 4 + [1] * 4 + [0] * 4, [0] * 12]


def test_data_are_shuffled_alike_with_a_seed():
    records = [RECORDS[0] | {"boxes": [[i, 0, 9, 9]]} for i in range(8)]
    seen = []
    for _ in range(2):
        caffelike.set_random_seed(3)
        net = data()
        roidb.set_roidb(net.net, records)
        seen.append([net.forward()[2][0, 0] for _ in range(16)])
    assert seen[0] == seen[1]
    assert sorted(seen[0][:8]) == sorted(seen[0][8:]) == [2 * i for i in range(8)]
    assert seen[0][:8] != seen[0][8:]


def test_data_from_a_file(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((10, 20, 3), 50, np.uint8)).save(tmp_path / "a.png")
    record = {"image": "a.png", "boxes": [[1, 2, 3, 4]], "gt_classes": [2], "flipped": True}
    (tmp_path / "r.json").write_text(json.dumps([record]))
    net = data(options=f"'source': '{tmp_path / 'r.json'}'")
    assert net.forward()[2].tolist() == [[2, 4, 6, 8, 2]]
    for text, match in (("{", "is no JSON"), ("{}", "a list"), ("[]", "no records"), ("[{}]", "record 0")):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(DataError, match=match):
            roidb.read_roidb(str(tmp_path / "r.json"))
    with pytest.raises(DataError, match="1 boxes, but 2 gt_classes"):
        roidb.checked([RECORDS[0] | {"gt_classes": [1, 2]}])


def test_a_module_of_the_users_own_wins(tmp_path, monkeypatch):
    (tmp_path / "rpn").mkdir()
    (tmp_path / "rpn" / "proposal_layer.py").write_text(
        "import caffelike\nclass ProposalLayer(caffelike.Layer):\n"
        "    def reshape(self, bottom, top): top[0].reshape(1)\n"
        "    def forward(self, bottom, top): top[0].data[...] = 42\n"
    )
    assert type(proposal().layer).__module__.startswith("caffelike.")
    monkeypatch.syspath_prepend(tmp_path)
    net = proposal()
    assert type(net.layer).__module__ == "rpn.proposal_layer"
    assert net.forward() == 42
    for name in ("rpn", "rpn.proposal_layer"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ("'scales': [8]", "needs the option 'feat_stride'"),
        ("'feat_stride': 16\\n'scale': [8]", "has no option 'scale'.*it knows feat_stride, scales"),
        ("'feat_stride': abc", "cannot be read"),
        ("'feat_stride': 16", r"9 anchors at a place.*\(1, 18, H, W\)"),
    ],
)
def test_options_refused(options, match):
    with pytest.raises(ModelError, match=rf"'l' \(Python\).*{match}"):
        proposal(options)


def test_stage_bridge_worked_example():
    """Regions of 16 x 8 pixels move as the class of the highest score says."""
    shapes = {"r": (4, 5), "d": (4, 8), "s": (4, 2), "i": (1, 3)}
    options = "{'feat_stride': 16, 'use_clip': 1, 'clip_base': 512, 'num_classes': 21}"
    net = layer("pylayer.stage_bridge_layer", "StageBridgeLayer", options, shapes, "t", caffelike.TEST)
    rois = np.tile([0, 10, 20, 25, 27], (4, 1))
    deltas = np.zeros((4, 8))
    deltas[0, :4] = [0.5, -0.25, 0, 0]  # the background's: 8 to the right, 2 up
    deltas[1, 4:] = [0, 0, np.log(2), np.log(0.5)]  # twice as wide, half as high, about the same middle: 18, 24
    deltas[2, 4:] = [1, 0, 0, 0]  # the other class wins
    deltas[3, 4:] = [9, 9, 0, 0]  # far outside
    moved = net.forward(r=rois, d=deltas, s=[[2, 1], [0, 1], [1, 0], [0, 1]], i=[[40, 60, 1]])
    wanted = [[0, 18, 18, 34, 26], [0, 2, 22, 34, 26], [0, 10, 20, 26, 28], [0, 59, 39, 59, 39]]
    np.testing.assert_allclose(moved, wanted, rtol=1e-6)
    with pytest.raises(ModelError, match="7 bottoms with 8 tops to train"):
        layer("pylayer.stage_bridge_layer", "StageBridgeLayer", options, shapes, "tu")
    with pytest.raises(ModelError, match=r"needs rois \(R, 5\)"):
        layer("pylayer.stage_bridge_layer", "StageBridgeLayer", options, shapes | {"s": (4, 3)}, "t", caffelike.TEST)


def test_masks_worked_example():
    net = layer("pylayer.mask_layer", "MaskLayer", "", {"x": (3, 9)}, "y", caffelike.TEST)
    x = np.arange(27).reshape(3, 9)
    assert net.forward(x=x).tolist() == x.reshape(3, 1, 3, 3).tolist()
    with pytest.raises(ModelError, match="as a square has, but there are 8"):
        layer("pylayer.mask_layer", "MaskLayer", "", {"x": (3, 8)}, "y", caffelike.TEST)
    with pytest.raises(ModelError, match="3 bottoms with 2 tops to train"):
        layer("pylayer.mask_layer", "MaskLayer", "", {"x": (3, 9)}, "yz")
