import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.kernels.cpu import suppression
from caffelike.layers import _rpn


def layer(options, anchors=1, size=(2, 3), items=1, tops='top: "r" top: "p"'):
    text = f'type: "Proposal" bottom: "s" bottom: "d" bottom: "i" {tops} proposal_param {{ {options} }}'
    return OneLayer(text, s=(items, 2 * anchors, *size), d=(items, 4 * anchors, *size), i=(items, 3))


def test_worked_example():
    """Anchors of 16 x 16 pixels at (0, 0), (16, 0), (32, 0) and 16 further down, in images of 32 x 40."""
    options = "ratio: 1 scale: 1 nms_thresh: 0.5 post_nms_topn: 4"
    net = layer(options, items=2)
    scores = np.zeros((2, 2, 2, 3))
    scores[0, 1] = [[0.5, 0.9, 0.8], [0.1, 0.2, 0.7]]
    scores[1, 1] = [[0.6, 0.5, 0.4], [0.3, 0.2, 0.1]]
    deltas = np.zeros((2, 4, 2, 3))
    deltas[0, :, 0, 1] = [0.5, 0.25, 0, np.log(2)]  # 16 wide around x 32, 32 high around y 12
    deltas[0, 0, 1, 2] = -0.5  # half way to its left neighbour
    rois, probs = net.forward(s=scores, d=deltas, i=[[32, 40, 1], [32, 40, 0.5]])
    want = [
        [0, 24, 0, 39, 28],  # 0.9: cut to the image's 40 columns and, above, at 0; 16 x 29 pixels
        [0, 24, 16, 39, 31],  # 0.7: (16, 16) moved by half a box; it overlaps the first by 208 of 512 pixels
        [0, 0, 0, 16, 16],  # 0.5: moving takes width for the right corner; 0.8 at x 32..39 is small: it counts with 0
        [0, 16, 16, 32, 31],  # 0.2: overlaps by 144 of 384 pixels
        [1, 0, 0, 16, 16],
        [1, 16, 0, 32, 16],
        [1, 32, 0, 39, 16],  # large enough at this scale
        [1, 0, 16, 16, 31],
    ]
    np.testing.assert_allclose(rois, want, atol=1e-4)
    np.testing.assert_allclose(probs[:, 0], [0.9, 0.7, 0.5, 0.2, 0.6, 0.5, 0.4, 0.3])


def test_anchors():
    """Those of the paper's code, for 16 pixels."""
    want = [[-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199]]
    want += [[-56, -56, 71, 71], [-120, -120, 135, 135], [-248, -248, 263, 263]]
    want += [[-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359]]
    assert _rpn.base_anchors().tolist() == want


def test_moves_and_moved_are_inverse():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (2, 20, 2))
    boxes, targets = np.concatenate([corners, corners + rng.uniform(5, 60, (2, 20, 2))], axis=2).astype(np.float32)
    np.testing.assert_allclose(_rpn.moved(boxes, _rpn.moves(boxes, targets)) - [0, 0, 1, 1], targets, atol=1e-3)


def test_kernel_keeps_what_the_definition_keeps():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (300, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 40, (300, 2))], axis=1).astype(np.float32)
    for threshold, most in ((0.3, 1000), (0.7, 1000), (0.7, 20), (0, 300)):
        want = _rpn.keep(boxes, threshold, most)
        assert suppression.keep(boxes, threshold, most).tolist() == want.tolist()
        assert 1 < len(want) <= most
    assert not suppression.keep(boxes[:0], 0.5, 10).size


def test_refused():
    with pytest.raises(ShapeError, match=r"scores are \(1, 2, 2, 3\), but 9 anchors at a place need \(1, 18, 2, 3\)"):
        layer("")
    with pytest.raises(ModelError, match="every ratio and scale must be above 0"):
        layer("ratio: -1")
    with pytest.raises(ModelError, match="must be at least 1"):
        layer("post_nms_topn: 0")
