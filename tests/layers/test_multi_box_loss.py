import math

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.layers._matching import IGNORED, NONE, Mining, match, mine
from caffelike.testing import Case

# The four quarters of the image.
QUARTERS = np.array([[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]])
VARIANCES = np.tile([0.1, 0.1, 0.2, 0.2], (4, 1))
PRIORS = np.stack([QUARTERS, VARIANCES]).reshape(1, 2, 16)
# item, class, -, box, difficult
LABELS = [
    [0, 1, 0, 0, 0, 0.5, 0.5, 0],
    [0, 2, 0, 0.5, 0.4, 1, 1, 0],
    [-1] * 8,
]


def priors(generator, shape):
    return PRIORS


def labels(generator, shape):
    return np.array(LABELS).reshape(shape)


def case(options, loc=16):
    shapes = [(2, loc), (2, 12), (1, 2, 16), (1, 1, 3, 8)]
    text = f"multibox_loss_param {{ num_classes: 3 code_type: CENTER_SIZE {options} }}"
    return Case(text, shapes, inputs={"priors": priors, "label": labels}, empty=False, special=False)


CONTRACT = [
    case("mining_type: NONE"),
    case("mining_type: NONE share_location: false loc_loss_type: L2", 48),
    case("mining_type: NONE conf_loss_type: LOGISTIC loc_weight: 2 match_type: BIPARTITE bp_inside: true"),
    case("neg_pos_ratio: 9 neg_overlap: 1"),
]


def layer(options="", more=""):
    text = (
        'type: "MultiBoxLoss" bottom: "loc" bottom: "conf" bottom: "priors" bottom: "label" top: "loss"'
        " propagate_down: [true, true, false, false]"
        f" multibox_loss_param {{ num_classes: 3 code_type: CENTER_SIZE {options} }} {more}"
    )
    return OneLayer(text, loc=(2, 16), conf=(2, 12), priors=(1, 2, 16), label=(1, 1, 3, 8))


LOC = np.zeros((2, 4, 4))
LOC[0, 0] = [0.5, -2, 0, 3]
GIVEN = {"loc": LOC.reshape(2, 16), "conf": 0, "priors": PRIORS, "label": [[LABELS]]}
HIGHER = math.log(0.6 / 0.5) / 0.2  # the second label is 0.6 high, its prior 0.5; their middles are 0.05 apart
FIRST = [0.125 + 1.5 + 2.5, 0.5 + HIGHER**2 / 2]  # smooth L1 of (0.5, -2, 0, 3) and of (0, 1, 0, -HIGHER)


@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
def test_worked_example(normalization):
    """Two matches and, of the image that has labels, the two other priors as negatives; all classes equally likely."""
    found = layer("loc_weight: 2", f"loss_param {{ normalization: {normalization} }}")
    loss = found.forward(**GIVEN)
    n = {"VALID": 2, "FULL": 8, "BATCH_SIZE": 2, "NONE": 1}[normalization]
    assert float(loss) == pytest.approx((2 * sum(FIRST) + 4 * math.log(3)) / n, rel=1e-5)
    loc, conf = found.backward(3)[:2]
    slopes = np.zeros((2, 4, 4))
    slopes[0, 0] = [0.5, -1, 0, 1]
    slopes[0, 3] = [0, 1, 0, -HIGHER]
    np.testing.assert_allclose(loc.reshape(2, 4, 4), 3 * 2 * slopes / n, rtol=1e-4, atol=1e-6)
    shares = np.zeros((2, 4, 3))
    shares[0] = 1 / 3 - np.eye(3)[[1, 0, 0, 2]]
    np.testing.assert_allclose(conf.reshape(2, 4, 3), 3 * shares / n, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "matched", "negatives"),
    [
        ("mining_type: NONE", 2, 6),
        ("neg_pos_ratio: 0.5", 2, 1),
        ("neg_overlap: 0.05", 2, 1),  # prior 1 overlaps the second label by 0.1
        ("overlap_threshold: 0.05", 3, 1),
        ("overlap_threshold: 0.05 match_type: BIPARTITE", 2, 2),
        ("mining_type: HARD_EXAMPLE sample_size: 1", 1, 0),
        ("do_neg_mining: false", 2, 6),
    ],
)
def test_who_counts(options, matched, negatives):
    found = layer(options + " loc_weight: 0", "loss_param { normalization: NONE }")
    assert float(found.forward(**GIVEN)) == pytest.approx((matched + negatives) * math.log(3), rel=1e-5)


def test_variances_in_the_target_divide_both_sides():
    found = layer("encode_variance_in_target: true loc_loss_type: L2", "loss_param { normalization: NONE }")
    loss = float(found.forward(**GIVEN))
    gaps = np.array([[0.5, -2, 0, 3], [0, 0.1, 0, -math.log(1.2)]]) / VARIANCES[0]
    assert loss == pytest.approx((gaps**2).sum() / 2 + 4 * math.log(3), rel=1e-5)
    np.testing.assert_allclose(found.backward(1)[0].reshape(2, 4, 4)[0, [0, 3]], gaps, rtol=1e-4)


def test_without_mining_logistic_knows_no_background():
    found = layer("mining_type: NONE conf_loss_type: LOGISTIC loc_weight: 0", "loss_param { normalization: NONE }")
    found.forward(**GIVEN)
    wanted = np.zeros((2, 4, 3))
    wanted[0, 0, 1] = wanted[0, 3, 2] = 1
    np.testing.assert_allclose(found.backward(1)[1].reshape(2, 4, 3), 0.5 - wanted, rtol=1e-6)


@pytest.mark.parametrize(("loc", "expected"), [("true", sum(FIRST)), ("false", 4 * math.log(3))])
def test_a_part_without_gradient_is_no_part_of_the_loss(loc, expected):
    other = "false" if loc == "true" else "true"
    found = OneLayer(
        'type: "MultiBoxLoss" bottom: "loc" bottom: "conf" bottom: "priors" bottom: "label" top: "loss"'
        f" propagate_down: [{loc}, {other}, false, false] loss_param {{ normalization: NONE }}"
        " multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE }",
        loc=(2, 16), conf=(2, 12), priors=(1, 2, 16), label=(1, 1, 3, 8),
    )  # fmt: skip
    assert float(found.forward(**GIVEN)) == pytest.approx(expected, rel=1e-5)


def test_difficult_labels_may_be_left_out():
    rows = np.array(LABELS)
    rows[1, 7] = 1
    found = layer("use_difficult_gt: false loc_weight: 0", "loss_param { normalization: NONE }")
    assert float(found.forward(**GIVEN | {"label": rows.reshape(1, 1, 3, 8)})) == pytest.approx(4 * math.log(3), 1e-5)


def test_matching_goes_by_overlap_and_gives_every_label_a_box():
    labelled = np.array([[0, 0, 0.5, 0.45], [0.05, 0, 0.5, 0.5], [0.9, 0.9, 1, 1]])
    found, most = match(QUARTERS, labelled, 0.5, False)
    assert found.tolist() == [0, NONE, NONE, 2]  # the first two want the same quarter; 0.9 both, the first has it
    np.testing.assert_allclose(most, [0.9, 0, 0, 0.04])
    moved = QUARTERS.copy()
    moved[0, 0] = -0.1
    assert match(moved, labelled, 0.5, True)[0].tolist() == [IGNORED, NONE, NONE, 2]


def test_mining_suppresses_neighbours():
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 0.1, 0.1], [0.5, 0.5, 1, 1]])
    matched, most = np.array([NONE, NONE, NONE, 0]), np.zeros(4)
    losses = np.array([3.0, 4, 1, 2])
    how = Mining("MAX_NEGATIVE", 2, 0.5, 64, 0, -1)
    assert mine(matched, most, losses, boxes, how)[1].tolist() == [0, 1]
    assert mine(matched, most, losses, boxes, how._replace(threshold=0.5))[1].tolist() == [1, 2]
    left, negatives = mine(matched, most, losses, boxes, how._replace(kind="HARD_EXAMPLE", sample=2))
    assert (left.tolist(), negatives.tolist()) == ([NONE] * 4, [0, 1])


def test_priors_that_reach_out_of_the_image_may_be_left_out():
    given = GIVEN | {"label": [[[LABELS[0], *[LABELS[2]] * 2]]]}  # fewer labels than marks of left-out priors count
    given["priors"] = PRIORS.copy()
    given["priors"][0, 0, 4] = -0.1
    given["priors"][0, 0, 6] = 1.1
    net = layer("ignore_cross_boundary_bbox: true")
    net.forward(**given)
    assert np.flatnonzero(net.backward(1)[1].reshape(8, 3).any(axis=1)).tolist() == [0, 2, 3]


def test_refused():
    rows = np.array(LABELS)
    rows[0, 1] = 3
    with pytest.raises(LabelError, match="box of item 0 of the batch is 3"):
        layer().forward(**GIVEN | {"label": rows.reshape(1, 1, 3, 8)})
    with pytest.raises(ModelError, match="share_location: true"):
        layer("share_location: false")
    with pytest.raises(ShapeError, match="4 numbers for each of 4 priors"):
        OneLayer(
            'type: "MultiBoxLoss" bottom: "loc" bottom: "conf" bottom: "priors" bottom: "label" top: "loss"'
            " multibox_loss_param { num_classes: 3 }",
            loc=(2, 12), conf=(2, 12), priors=(1, 2, 16), label=(1, 1, 3, 8),
        )  # fmt: skip
