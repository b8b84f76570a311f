"""MNC's cascade of five stages, as it is trained."""

import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.data import roidb
from caffelike.errors import DataError
from caffelike.layers import _rpn
from caffelike.python_layers import _cascade


def layer(module, name, options, bottoms, tops, phase=caffelike.TRAIN):
    words = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
    param = f'python_param {{ module: "pylayer.{module}" layer: "{name}" param_str: "{options}" }}'
    return OneLayer(f'type: "Python" {words} {param}', phase, **bottoms)


def test_overlap_worked_example():
    """Masks in boxes of 4x4 and 3x3 pixels that share 2x2: one pixel is in both, 6 + 4 - 1 in any."""
    box, other = np.array([10, 20, 13, 23]), np.array([12, 22, 14, 24])
    mask = np.zeros((4, 4))
    mask[2:, 1:] = 1
    inside = np.zeros((3, 3))
    inside[0, 1] = inside[2] = 1
    assert _cascade.overlap(box, other, mask, inside) == pytest.approx(1 / 9)
    assert _cascade.overlap(box, other + 10, mask, inside) == 0
    assert _cascade.overlap(box, other, 0 * mask, 0 * inside) == 0


def test_mask_targets_worked_example():
    """A region 21 pixels wide takes the object's pixels as they are; one twice as large has half as many."""
    truth, mask = np.array([5, 5, 14, 24]), np.ones((20, 10))
    mask[:10] = 0  # rows 15 .. 24, columns 5 .. 14 are on the object
    got = _cascade.target(np.array([0, 0, 20, 20]), truth, mask)
    want = np.zeros((21, 21))
    want[15:, 5:15] = 1
    np.testing.assert_array_equal(got, want)
    got = _cascade.target(np.array([0, 0, 41, 41]), truth, mask)
    assert np.argwhere(got).min(axis=0).tolist() == [7, 2]  # a half is more than 0.4
    assert np.argwhere(got).max(axis=0).tolist() == [12, 7]
    assert not _cascade.target(np.array([30, 30, 40, 40]), truth, mask).any()


def test_gradient_of_moved_boxes():
    generator = np.random.default_rng(2)
    low = generator.uniform(10, 40, (6, 2))
    boxes = np.concatenate([low, low + generator.uniform(5, 30, (6, 2))], axis=1)
    deltas, slopes = generator.normal(0, 0.2, (6, 4)), generator.standard_normal((6, 4))
    deltas[0, 0] = -3  # cut at the left border

    def loss(b, d):
        return (_rpn.clipped(_rpn.moved(b, d), 100, 90) * slopes).sum()

    found = _cascade.moved_backward(boxes, deltas, (100, 90), slopes)
    for place, values in enumerate((boxes, deltas)):
        numeric = np.zeros_like(values)
        for at in np.ndindex(values.shape):
            steps = [values.copy(), values.copy()]
            steps[0][at] += 1e-6
            steps[1][at] -= 1e-6
            pairs = [(s, deltas) if place == 0 else (boxes, s) for s in steps]
            numeric[at] = (loss(*pairs[0]) - loss(*pairs[1])) / 2e-6
        np.testing.assert_allclose(found[place], numeric, rtol=1e-5, atol=1e-6)


RECORD = {
    "image": np.full((20, 30, 3), 9, np.uint8),
    "boxes": [[2, 3, 6, 9], [10, 4, 20, 7], [0, 0, 3, 3]],
    "gt_classes": [2, 1, 0],
    "masks": [np.tri(20, 30, -1), [[10, 4, 20, 4, 20, 7, 10, 7]], None],
}


def test_masks_are_cut_to_their_boxes():
    text = "{'num_classes': 3, 'scales': [40], 'max_size': 60}"
    tops = " ".join(f'top: "{name}"' for name in ("data", "im_info", "gt_boxes", "gt_masks", "mask_info"))
    param = f'python_param {{ module: "pylayer.mnc_data_layer" layer: "MNCDataLayer" param_str: "{text}" }}'
    net = OneLayer(f'type: "Python" {tops} {param}', caffelike.TRAIN)
    roidb.set_roidb(net.net, [RECORD])
    pixels, info, boxes, masks, sizes = net.forward()
    assert pixels.shape == (1, 3, 40, 60)
    assert info.tolist() == [[40, 60, 2]]
    assert boxes.tolist() == [[4, 6, 12, 18, 2], [20, 8, 40, 14, 1]]
    assert sizes.tolist() == [[7, 5], [4, 11]]
    assert masks.shape == (2, 7, 11)
    rows, columns = np.mgrid[3:10, 2:7]
    np.testing.assert_array_equal(masks[0, :7, :5], columns < rows)
    assert not masks[0, :, 5:].any()
    assert masks[1, :4].all()
    assert not masks[1, 4:].any()
    roidb.set_roidb(net.net, [{**RECORD, "masks": [None, None, None]}])
    with pytest.raises(DataError, match="box 0 of a record"):
        net.forward()


TRUTH = [[10, 10, 28, 48, 2], [40, 10, 58, 28, 1]]  # at scale 2: 5 .. 14 by 5 .. 24, and 20 .. 29 by 5 .. 14
MASKS = np.zeros((2, 20, 10), np.float32)
MASKS[0], MASKS[1, :10, :5] = 1, 1  # the second's left half
SIZES = [[20, 10], [10, 10]]
INFO = [[80, 100, 2]]


def test_proposal_targets_with_masks_worked_example():
    bottoms = {"p": (3, 5), "g": (2, 5), "i": (1, 3), "m": (2, 20, 10), "k": (2, 2), "x": (1, 3)}
    options = "{'num_classes': 3, 'batch_size': 10, 'fg_fraction': [0.4], 'bg_fraction': [0.5, 0.5]}"
    net = layer("proposal_target_layer", "ProposalTargetLayer", options, bottoms, "RLTJONWFDE")
    proposals = [[0, 70, 50, 89, 69], [0, 44, 10, 63, 29], [0, 60, 60, 99, 79]]
    rois, labels, _, _, _, masks, weights, info, objects, others = net.forward(
        p=proposals, g=TRUTH, i=INFO, m=MASKS, k=SIZES, x=[[7, 5, 30]]
    )
    assert labels.tolist() == [1, 2, 1, 0, 0]
    assert rois[0].tolist() == proposals[1]
    assert info[0].tolist() == [1, 10, 10, 1, 22, 5, 32, 14, 20, 5, 29, 14]  # 31.5, 14.5: to the even one
    assert info[1].tolist() == [0, 20, 10, 2, 5, 5, 14, 24, 5, 5, 14, 24]
    assert (info[3:] == -1).all()
    assert weights[:, 0, 0, 0].tolist() == [1, 1, 1, 0, 0]
    assert masks[1].all()
    # the second object's pixels 20 .. 24 are 3 of the region's 11 columns: 3 / 11 of 21 is 5.7
    assert masks[0, 0].sum(axis=0).astype(bool).nonzero()[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert objects.tolist() == [5]  # the others are the true boxes
    assert others.tolist() == [7, 30]


def test_anchors_that_later_stages_chose():
    bottoms = {"s": (1, 4, 4, 4), "g": (1, 5), "i": (1, 3), "f": (2,), "b": (2,)}
    options = "{'feat_stride': 16, 'scales': [1, 2], 'ratios': [1.0], 'batch_size': 4}"
    net = layer("anchor_target_layer", "AnchorTargetLayer", options, bottoms, "ltno")
    labels, *_ = net.forward(s=0, g=[[0, 0, 15, 15, 1]], i=[[64, 64, 1]], f=[4, 1], b=[6, 30])
    labels = labels.reshape(2, 4, 4)  # anchors lie place by place: 4 is the small one of column 2, 1 is outside
    assert labels[0, 0, 2] == 1
    assert labels[0, 0, 3] == labels[0, 3, 3] == 0
    assert labels[1, 0, 0] == -1
    assert labels[0, 0, 0] == 1


def test_masks_get_labels_worked_example():
    bottoms = {"x": (3, 441), "m": (2, 20, 10), "f": (3, 12)}
    net = layer("mask_layer", "MaskLayer", "", bottoms, "yl")
    masks = np.zeros((3, 21, 21))
    masks[0] = masks[2] = 0.4
    masks[1, :, 10:] = 0.9  # the half that is not the object's
    info = [
        [0, 20, 10, 2, 5, 5, 14, 24, 5, 5, 14, 24],
        [1, 10, 10, 1, 20, 5, 29, 14, 20, 5, 29, 14],
        [-1] * 12,
    ]
    made, labels = net.forward(x=masks.reshape(3, 441), m=MASKS, f=info)
    np.testing.assert_array_equal(made[:, 0], masks.astype(np.float32))
    assert labels.tolist() == [2, 0, 0]
    slopes = np.arange(3 * 441, dtype=np.float32).reshape(3, 1, 21, 21)
    down = net.backward(slopes, np.zeros(3))[0]
    np.testing.assert_array_equal(down[0], slopes[0].ravel())
    assert not down[1:].any()


def bridge(options="'num_classes': 3"):
    bottoms = {"r": (3, 5), "d": (3, 12), "s": (3, 3), "g": (2, 5), "m": (2, 20, 10), "i": (1, 3), "k": (2, 2)}
    return layer("stage_bridge_layer", "StageBridgeLayer", f"{{{options}}}", bottoms, "RLMWFBNO")


def test_the_bridge_worked_example():
    deltas = np.zeros((3, 12))
    deltas[0, 4:8] = [0.5, 0, 0, 0]  # class 1's: half its width to the right
    deltas[1, 8:12] = [0, 0, np.log(2), 0]  # class 2's
    deltas[2, 4:8] = [9, 9, 0, 0]  # far outside
    rois = [[0, 30, 10, 49, 29], [0, 60, 40, 69, 59], [0, 0, 0, 9, 9]]
    scores = [[9, 1, 0], [0, 0, 1], [5, 2, 1]]  # the background never wins
    net = bridge()
    values = {"r": rois, "d": deltas, "s": scores, "g": TRUTH, "m": MASKS, "i": INFO, "k": SIZES}
    made, labels, masks, weights, info, targets, inside, outside = net.forward(**values)
    # the first one is moved onto the second object, 40 .. 60 by 10 .. 30 with the corner's half pixels
    assert made.tolist() == [
        [0, 40, 10, 60, 30], [0, 10, 10, 28, 48], [0, 40, 10, 58, 28], [0, 55, 40, 75, 60], [0, 90, 79, 99, 79],
    ]  # fmt: skip
    assert labels.tolist() == [1, 2, 1, 0, 0]
    assert info[0, :8].tolist() == [1, 10, 10, 1, 20, 5, 30, 15]
    assert info[1].tolist() == [0, 20, 10, 2, 5, 5, 14, 24, 5, 5, 14, 24]
    assert weights.reshape(5, -1).min(axis=1).tolist() == [1, 1, 1, 0, 0]
    assert masks[1].all()
    assert (inside == outside).all()
    assert inside[0].tolist() == [0] * 4 + [1] * 4 + [0] * 4
    size = np.float32(19 / 21)  # from 21 pixels wide to 19, its middle one pixel to the left
    np.testing.assert_allclose(targets[0, 4:8], [-1 / 21 / 0.1] * 2 + [np.log(size) / 0.2] * 2, rtol=1e-4)
    slopes = np.zeros((5, 5))
    slopes[0] = [0, 1, 0, 1, 0]
    slopes[3] = [0, -1, 0, 1, 0]
    zero = [np.zeros_like(blob) for blob in (labels, masks, weights, info, targets, inside, outside)]
    to_rois, to_deltas, *_ = net.backward(slopes, *zero)
    # to the middle 2, of which a corner has half, and half of that off and on, as its width is half of the move
    np.testing.assert_allclose(to_rois[0], [0, 0, 0, 2, 0], atol=1e-5)
    np.testing.assert_allclose(to_deltas[0, 4:8], [40, 0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(to_deltas[1, 8:12], [0, 0, 20, 0], rtol=1e-5)
    assert not to_deltas[2].any()
    clipped = bridge("'num_classes': 3, 'use_clip': 1, 'clip_base': 4")
    clipped.forward(**values)
    assert clipped.backward(slopes, *zero)[1][0, 4] == 0.25


def test_proposals_tell_their_anchors_and_hand_the_gradient_on():
    bottoms = {"s": (1, 4, 2, 3), "d": (1, 8, 2, 3), "i": (1, 3)}
    options = "{'feat_stride': 16, 'scales': [1, 2], 'ratios': [1], 'use_clip': 0}"
    net = layer("proposal_layer", "ProposalLayer", options, bottoms, "rx")
    scores = np.zeros((1, 4, 2, 3))
    scores[0, 2] = [[0.1, 0.9, 0.3], [0.2, 0.4, 0.5]]
    rois, anchors = net.forward(s=scores, d=0, i=[[32, 40, 1]])
    assert anchors.shape == (1, len(rois))
    assert anchors[0, 0] == 2  # the small one of column 1
    assert rois[0].tolist() == [0, 16, 0, 32, 16]
    slopes = np.zeros_like(rois)
    slopes[0] = [0, 1, 0, 1, 0]
    down = net.backward(slopes, np.zeros_like(anchors))[1]
    assert down[0, 0, 0, 1] == 32  # 16 pixels for both corners
    assert np.count_nonzero(down) == 1
