"""Mask R-CNN's data and targets."""

import json

import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.data.roidb import set_roidb
from caffelike.errors import DataError, ModelError

SHAPES = {"r": (3, 5), "l": (3,), "g": (2, 5), "m": (2, 16, 16), "k": (2, 2, 3)}


def targets(bottoms="rlgmk", tops="abcd"):
    words = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
    param = (
        'python_param { module: "mask_rcnn.mask_target_layer" layer: "MaskTargetLayer"'
        " param_str: \"{'num_classes': 3, 'mask_size': 4, 'map_size': 8}\" }"
    )
    return OneLayer(f'type: "Python" {words} {param}', caffelike.TRAIN, **{b: SHAPES[b] for b in bottoms})


MASKS = np.zeros((2, 16, 16), np.float32)
MASKS[0, 2:8, 2:6] = 1  # the left half of the box 2 .. 9
MASKS[1, 8:16, 8:16] = 1
INPUTS = {
    "r": [[0, 2, 2, 9, 9], [0, 0, 0, 3, 3], [0, 6, 6, 13, 13]],
    "g": [[2, 2, 9, 9, 2], [8, 8, 15, 15, 1]],
    "m": MASKS,
    "k": [[[2, 2, 2], [9, 8, 1]], [[8, 8, 0], [15, 15, 2]]],
}


def test_targets_worked_example():
    rows, rois, masks, cells = targets().forward(l=[2, 0, 1], **INPUTS)
    assert rows.tolist() == [0, 2]
    assert rois.tolist() == [INPUTS["r"][0], INPUTS["r"][2]]
    assert (masks[0, :2] == -1).all()
    assert (masks[1, [0, 2]] == -1).all()
    # two pixels a cell, of which the second is looked at: columns 3, 5, 7, 9 and rows 3, 5, 7, 9 of rows to 7
    assert masks[0, 2].tolist() == [[1, 1, 0, 0]] * 3 + [[0, 0, 0, 0]]
    # 7, 9, 11, 13 of an object from 8 on
    assert masks[1, 1].tolist() == [[0, 0, 0, 0]] + [[0, 1, 1, 1]] * 3
    # a cell a pixel: (2, 2) is the first one, (9, 8) column 7 of row 6; one is not known, one is outside
    assert cells.tolist() == [0, 6 * 8 + 7, -1, -1]


def test_no_object():
    rows, rois, masks, cells = targets().forward(l=[0, 0, 0], **INPUTS)
    assert (rows.tolist(), rois.tolist()) == ([0], [INPUTS["r"][0]])
    assert (masks == -1).all()
    assert cells.tolist() == [-1, -1]


def test_without_key_points():
    rows, _, masks = targets("rlgm", "abc").forward(l=[2, 0, 1], **{n: INPUTS[n] for n in "rgm"})
    assert (rows.shape, masks.shape) == ((2,), (2, 3, 4, 4))


def test_wrong_numbers_of_blobs():
    with pytest.raises(ModelError, match="4 bottoms to 4 tops"):
        targets("rlgm", "abcd")


DATA = """layer { name: "d" type: "Python" top: "data" top: "gt_boxes" top: "gt_masks" top: "gt_keypoints"
  python_param { module: "roi_data_layer.layer" layer: "RoIDataLayer"
    param_str: "{'num_classes': 3, 'scales': [20], 'max_size': 40, 'keypoints': 1SOURCE}" } }"""
RECORD = {
    "image": np.zeros((10, 20, 3), np.uint8),
    "boxes": [[0, 0, 3, 3], [2, 2, 9, 7], [10, 1, 13, 4]],
    "gt_classes": [0, 1, 2],
    "masks": [None, [[2, 2, 9, 2, 9, 7, 2, 7]], np.pad(np.ones((4, 4), np.uint8), ((1, 5), (10, 6)))],
    "keypoints": [[[0, 0, 0]], [[5, 6, 2]], [[11, 1, 1]]],
}


def data(tmp_path, source=""):
    path = tmp_path / "net.prototxt"
    path.write_text(DATA.replace("SOURCE", source))
    return caffelike.Net(path, caffelike.TRAIN)


def test_masks_and_key_points_follow_the_image(tmp_path):
    """At twice the size: a polygon, and an array of pixels; the proposal has none."""
    net = data(tmp_path)
    set_roidb(net, [RECORD])
    net.forward()
    assert net.blobs["gt_boxes"].data.tolist() == [[4, 4, 18, 14, 1], [20, 2, 26, 8, 2]]
    masks = net.blobs["gt_masks"].data
    assert masks.shape == (2, 20, 40)
    wanted = np.zeros_like(masks)
    wanted[0, 4:15, 4:19] = 1  # a polygon's border is its own
    wanted[1, 2:10, 20:28] = 1
    np.testing.assert_array_equal(masks, wanted)
    assert net.blobs["gt_keypoints"].data.tolist() == [[[10, 12, 2]], [[22, 2, 1]]]


def test_polygons_from_a_file(tmp_path):
    from PIL import Image

    Image.fromarray(RECORD["image"]).save(tmp_path / "a.png")
    record = {**RECORD, "image": "a.png", "masks": [None, RECORD["masks"][1], [[10, 1, 13, 1, 13, 4]]]}
    (tmp_path / "r.json").write_text(json.dumps([record]))
    net = data(tmp_path, f", 'source': '{(tmp_path / 'r.json').as_posix()}'")
    net.forward()
    masks = net.blobs["gt_masks"].data
    assert masks[0].sum() == 11 * 15
    assert masks[1, 2, 20] == masks[1, 2, 26] == masks[1, 8, 26] == 1
    assert masks[1, 8, 20] == 0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"masks": None}, "asks for masks, but box 1"),
        ({"masks": [None, None, None]}, "asks for masks, but box 1"),
        ({"keypoints": None}, r"needs keypoints \(3, 1, 3\)"),
        ({"masks": [None]}, "3 boxes, but 1 masks"),
    ],
)
def test_missing_truth(tmp_path, change, match):
    net = data(tmp_path)
    record = {name: value for name, value in {**RECORD, **change}.items() if value is not None}

    def run():
        set_roidb(net, [record])
        net.forward()

    with pytest.raises(DataError, match=match):
        run()
