"""MNC's Python layers for training its Faster R-CNN, written natively."""

import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.data import roidb
from caffelike.errors import ModelError
from caffelike.python_layers.anchor_target_layer import AnchorTargetLayer
from caffelike.registry import stand_ins

PROPOSALS = [[0, 0, 0, 9, 9], [0, 50, 50, 59, 59], [0, 22, 20, 31, 29], [0, 0, 0, 9, 29], [0, 20, 26, 29, 35]]
TRUTH = [[0, 0, 9, 9, 3], [20, 20, 29, 29, 1]]


def target(options="", tops="rltjo", more=""):
    words = " ".join(f'top: "{t}"' for t in tops)
    text = f"{{'num_classes': 4, {options}}}"
    param = f'module: "pylayer.proposal_target_layer" layer: "ProposalTargetLayer" param_str: "{text}"'
    return OneLayer(
        f'type: "Python" bottom: "p" bottom: "g" bottom: "i" {words} python_param {{ {param} }} {more}',
        p=(5, 5), g=(2, 5), i=(1, 3),
    )  # fmt: skip


def test_targets_worked_example():
    """All regions are taken: objects' first, then background, in their order."""
    net = target("'batch_size': 10, 'fg_fraction': [0.4], 'bg_fraction': [0.5, 0.5]")
    rois, labels, targets, inside, outside = net.forward(p=PROPOSALS, g=TRUTH, i=1)
    # overlaps: 1, 0, 80/120, 1/3, 40/160 and the boxes' own, 1; objects: 0, 2 and the two boxes
    assert rois.tolist() == [
        [0, 0, 0, 9, 9], [0, 22, 20, 31, 29], [0, 0, 0, 9, 9], [0, 20, 20, 29, 29],
        [0, 50, 50, 59, 59], [0, 0, 0, 9, 29], [0, 20, 26, 29, 35],
    ]  # fmt: skip
    assert labels.tolist() == [3, 1, 3, 1, 0, 0, 0]
    want = np.zeros((7, 16))
    want[1, 4] = -2  # a fifth of its width to the left, by 0.1
    np.testing.assert_allclose(targets, want, atol=1e-6)
    assert inside.nonzero()[1].tolist() == [12, 13, 14, 15, 4, 5, 6, 7] * 2
    assert (inside == outside).all()
    slopes = np.arange(35).reshape(7, 5)
    zero = [np.zeros_like(blob) for blob in (labels, targets, inside, outside)]
    down = net.backward(slopes, *zero)[0]
    assert down.tolist() == [[0, 1, 2, 3, 4], [20, 21, 22, 23, 24], [5, 6, 7, 8, 9], [25, 26, 27, 28, 29],
                             [30, 31, 32, 33, 34]]  # fmt: skip
    net = target("'batch_size': 10, 'fg_fraction': [0.4], 'bg_fraction': [0.5, 0.5], 'bp_all': 0")
    net.forward(p=PROPOSALS, g=TRUTH, i=1)
    assert net.backward(slopes, *zero)[0].any(axis=1).tolist() == [True, False, True, False, False]


def test_shares_of_a_small_batch():
    net = target("'batch_size': 4")
    counts = set()
    for _ in range(8):
        _, labels, *_ = net.forward(p=PROPOSALS, g=TRUTH, i=1)
        counts.add((int((labels > 0).sum()), int((labels == 0).sum())))
    assert counts == {(1, 2)}  # 0.3 of 4; 0.85 of 3 are 3, but two overlap by 0.1 .. 0.5; 0.15 of 3 is none
    net.net.blobs["g"].reshape(0, 5)
    _, labels, targets, *_ = net.forward(p=PROPOSALS, i=1)
    assert not labels.any()
    assert targets.shape == (1, 16)


def test_refused():
    with pytest.raises(ModelError, match="3, 5 or 6 bottoms with 5, 8 or 10 tops"):
        target(tops="rltjomwn")
    with pytest.raises(ModelError, match="one image at a time"):
        target().forward(p=1, g=TRUTH)


def test_the_other_layers_are_those_of_faster_rcnn():
    assert stand_ins["pylayer.anchor_target_layer.AnchorTargetLayer"] is AnchorTargetLayer
    text = "{'num_classes': 3, 'scales': [20], 'max_size': 50}"
    tops = 'top: "data" top: "im_info" top: "gt_boxes"'
    net = OneLayer(
        f'type: "Python" {tops} python_param {{ module: "pylayer.mnc_data_layer" layer: "MNCDataLayer"'
        f' param_str: "{text}" }}',
        caffelike.TRAIN,
    )
    record = {"image": np.full((10, 20, 3), 50, np.uint8), "boxes": [[1, 2, 3, 4]], "gt_classes": [2]}
    roidb.set_roidb(net.net, [record])
    pixels, info, boxes = net.forward()
    assert pixels.shape == (1, 3, 20, 40)
    assert info.tolist() == [[20, 40, 2]]
    assert boxes.tolist() == [[2, 4, 6, 8, 2]]
