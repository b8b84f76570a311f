"""examples/mask_rcnn.py: the narrow Mask R-CNN learns, and what it finds is compared rightly."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import caffelike

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    """The example, with the path that Python sets for `python examples/mask_rcnn.py`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("mask_rcnn")


def test_every_head_learns(example, tmp_path):
    records = example.shapes(3)
    run = example.learner(tmp_path, records, display=0, base_lr=0.002)
    names = ("loss_cls", "loss_bbox", "loss_mask", "loss_keypoint", "rpn_cls_loss")
    losses = []
    for _ in range(20):
        run.step(1)
        losses.append([float(run.net.blobs[name].data) for name in names])
    assert np.isfinite(losses).all()
    first, last = np.mean(losses[:3], axis=0), np.mean(losses[-3:], axis=0)
    assert (last[[0, 2, 3, 4]] < 0.9 * first[[0, 2, 3, 4]]).all(), dict(zip(names, last / first, strict=True))
    net = caffelike.Net.build(example.narrow(False), caffelike.TEST)
    net.share_with(run.net)
    found, masks, points = example.detect(net, records[0]["image"], least=0.0)
    assert len(masks) == len(points) == sum(map(len, found)) > 0
    assert points.shape[1:] == (3, 2)
    rois = net.blobs["rois"].data
    assert np.allclose(rois[:, 1:], np.concatenate(found)[:, :4], atol=1e-4)
    assert net.blobs["mask_prob"].shape == (len(rois), 4, 14, 14)
    # nothing found is no reason to stop
    assert example.detect(net, records[0]["image"], least=1.1)[1] == []


def test_masks_and_points_are_compared(example):
    """Two objects of three found: one mask of 32 pixels where 64 are right, points 0, 3 and 5 pixels off."""
    truth = np.zeros((3, 96, 96), bool)
    for mask, (x, y) in zip(truth, ((10, 10), (40, 40), (70, 70)), strict=True):
        mask[y : y + 8, x : x + 8] = True
    boxes = [(x, x, x + 7, x + 7) for x in (10, 40, 70)]
    points = np.array([[(x, x, 1)] * 3 for x in (10, 40, 70)])
    record = {"boxes": boxes, "gt_classes": [1, 2, 2], "masks": truth, "keypoints": points}
    found = [np.array([[*boxes[0], 0.9]]), np.array([[*boxes[1], 0.8], [*boxes[1], 0.2]]), np.zeros((0, 5))]
    half = truth[1].copy()
    half[44:] = False
    seen = points[[0, 1, 2], :, :2].astype(float)
    seen[1] += [(0, 0), (3, 0), (3, 4)]
    common, off = example.compared([(found, [truth[0], half, truth[2]], seen)], [record])
    assert common == [1.0, 0.5]
    assert off == [0, 0, 0, 0, 3, 5]


def test_masks_go_to_their_box(example):
    mask = np.zeros((14, 14))
    mask[:, 7:] = 1
    pasted = example.pasted(mask, np.array([20.2, 30.4, 47.0, 43.9]))
    wanted = np.zeros((96, 96), bool)
    wanted[30:45, 34:48] = True
    np.testing.assert_array_equal(pasted, wanted)
