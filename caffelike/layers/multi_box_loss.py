"""MultiBoxLoss: the loss of SSD, over boxes and their classes."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError, ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._loss import FLT_MIN, divisor, loss_options
from caffelike.layers._matching import Mining, match, mine
from caffelike.layers._smooth_l1 import smooth_l1, smooth_l1_slope
from caffelike.layers._ssd import decoded, encoded, split_priors
from caffelike.registry import register


@register("MultiBoxLoss", param="multibox_loss_param")
class MultiBoxLoss(Layer):
    """loss = (loc_weight * how far the boxes of matched priors are off + how wrong classes are) / n.

    bottoms: loc (N, 4 P), or (N, 4 P num_classes) without share_location: what PriorBox's boxes are moved by; conf
        (N, P num_classes), before the softmax; priors (1, 2, 4 P); label (1, 1, boxes, 8): item (-1: no box), class,
        -, xmin, ymin, xmax, ymax as shares of the image, difficult. tops: loss, a single number.
    Each label is matched with priors (use_prior_for_matching true; else with the boxes predicted): match_type
        PER_PREDICTION, with the one that overlaps it most, and with all that overlap it by overlap_threshold (0.5) or
        more; BIPARTITE, with that one alone. ignore_cross_boundary_bbox false: leave out priors beyond the image.
        use_difficult_gt true: match difficult ones, too.
    loc_loss_type SMOOTH_L1 or L2 (half the square), of the difference to the label in the coding code_type (CORNER,
        CENTER_SIZE, CORNER_SIZE). encode_variance_in_target false: true divides both sides by the variances.
        bp_inside false: true leaves out what lies beyond the image. loc_weight 1.
    conf_loss_type SOFTMAX or LOGISTIC over num_classes, of all matched priors, and with the class background_label_id
        (0) of others: mining_type MAX_NEGATIVE (default), at most neg_pos_ratio (3) a match of those that overlap
        every label of their image by less than neg_overlap (0.5), the worst first; HARD_EXAMPLE, all in all the
        sample_size (64) worst of an image, its matches included; NONE (or do_neg_mining false): all others. Images
        without labels give no negatives, but for NONE. nms_param, use_prior_for_nms: no two of them overlap by more
        than nms_threshold. map_object_to_agnostic: all objects are of the class after the background's. LOGISTIC with
        NONE takes the others for no class at all, as the fork does.
    n: loss_param's normalization VALID (default: matches), FULL (N P), BATCH_SIZE (N), NONE; at least 1. normalize
        (an early version's): false is NONE. ignore_difficult_gt: not computed.
    propagate_down false for loc or conf: that part is left out of the loss, too.
    Gradient: to loc and conf. As in the fork, that of loc is not divided by the variances where the loss was.
    Errors: LabelError for a class out of range or the background's; ModelError, ShapeError.
    Source: Liu et al., "SSD", ECCV 2016 (weiliu89's fork).
    """

    bottoms = ("loc", "conf", "priors", "label")
    tops = ("loss",)
    loss = True
    no_gradient = ("priors", "label")
    backward_reads = ("loc_slope", "conf_slope")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        if not p.HasField("num_classes") or p.num_classes < 1:
            raise self.fail("needs num_classes, 1 or more, the background's included.", ModelError)
        if p.ignore_difficult_gt:
            raise self.fail("ignore_difficult_gt cannot be computed; use_difficult_gt: false is SSD's.", ModelError)
        kind = type(p).MiningType.Name(p.mining_type)
        if p.HasField("do_neg_mining") and not p.do_neg_mining:
            kind = "NONE"
        if kind != "NONE" and not p.share_location:
            raise self.fail("mining needs share_location: true; write mining_type: NONE without.", ModelError)
        if kind == "MAX_NEGATIVE" and not p.neg_pos_ratio > 0:
            raise self.fail(f"neg_pos_ratio must be above 0, not {p.neg_pos_ratio:g}.", ModelError)
        if p.map_object_to_agnostic and p.num_classes != 2:
            raise self.fail("map_object_to_agnostic goes with num_classes: 2, background and object.", ModelError)
        options = loss_options(self, "VALID")
        if not p.normalize:
            options["normalization"] = "NONE"
        self.options = {
            "normalization": options["normalization"],
            "classes": int(p.num_classes),
            "shared": bool(p.share_location),
            "background": int(p.background_label_id),
            "by_priors": bool(p.use_prior_for_matching),
            "least": float(p.overlap_threshold) if type(p).MatchType.Name(p.match_type) == "PER_PREDICTION" else None,
            "inside": bool(p.ignore_cross_boundary_bbox),
            "difficult": bool(p.use_difficult_gt),
            "mining": Mining(
                kind, p.neg_pos_ratio, p.neg_overlap, p.sample_size, p.nms_param.nms_threshold
                if p.HasField("nms_param") else 0, p.nms_param.top_k if p.nms_param.HasField("top_k") else -1,
            ),
            "nms_of_priors": bool(p.use_prior_for_nms),
            "code": int(p.code_type),
            "in_target": bool(p.encode_variance_in_target),
            "cut": bool(p.bp_inside),
            "agnostic": bool(p.map_object_to_agnostic),
            "square": type(p).LocLossType.Name(p.loc_loss_type) == "L2",
            "logistic": type(p).ConfLossType.Name(p.conf_loss_type) == "LOGISTIC",
            "loc_weight": float(p.loc_weight),
            "parts": tuple(map(bool, self.message.propagate_down[:2])) or (True, True),
        }  # fmt: skip

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        loc, conf, priors, label = shapes
        names, options = list(self.message.bottom), self.options
        count = int(np.prod(priors, dtype=np.int64)) // 8
        if len(priors) != 3 or priors[1] != 2 or priors[2] % 4:
            raise self.fail(f"'{names[2]}' must be boxes (1, 2, 4 P) of PriorBox, but is {priors}.")
        for name, shape, each in (
            (names[0], loc, 4 * (1 if options["shared"] else options["classes"])),
            (names[1], conf, options["classes"]),
        ):
            if not shape or shape[0] != loc[0] or int(np.prod(shape[1:], dtype=np.int64)) != count * each:
                raise self.fail(
                    f"'{name}' must hold {each} numbers for each of {count} priors, ({loc[0]}, {count * each}), but is"
                    f" {shape}."
                )
        if not label or label[-1] != 8:
            raise self.fail(f"'{names[3]}' must be labels (1, 1, boxes, 8), but is {label}.")
        self.save("loc_slope", loc)
        self.save("conf_slope", conf)
        return [()]


def forward(
    loc: np.ndarray,
    conf: np.ndarray,
    priors: np.ndarray,
    label: np.ndarray,
    loss: np.ndarray,
    loc_slope: np.ndarray,
    conf_slope: np.ndarray,
    normalization: str | float,
    classes: int,
    shared: bool,
    background: int,
    by_priors: bool,
    least: float | None,
    inside: bool,
    difficult: bool,
    mining: Mining,
    nms_of_priors: bool,
    code: int,
    in_target: bool,
    cut: bool,
    agnostic: bool,
    square: bool,
    logistic: bool,
    loc_weight: float,
    parts: tuple[bool, bool],
) -> None:
    """Image by image; the gradients are found on the way."""
    items = len(loc)
    boxes, variances = split_priors(priors)
    coding = None if in_target else variances
    count = len(boxes)
    moves = loc.reshape(items, count, -1, 4)  # (N, P, 1 or classes, 4)
    scores = conf.reshape(items, count, classes).astype(np.float64)
    loc_slope[...] = conf_slope[...] = 0
    to_loc, to_conf = loc_slope.reshape(moves.shape), conf_slope.reshape(scores.shape)
    total, matches = 0.0, 0
    for item in range(items):
        rows = _labels(label, item, classes, background, difficult)
        kinds = np.full(len(rows), background + 1) if agnostic else rows[:, 1].astype(int)
        wanted = np.full(count, background)
        counted = np.full(count, mining.kind == "NONE")
        for c in range(moves.shape[2]) if len(rows) else ():
            if not shared and c == background:
                continue
            predicted = decoded(moves[item, :, c], boxes, coding, code)
            own = np.arange(len(rows)) if shared or by_priors else np.flatnonzero(rows[:, 1] == c)
            found, most = match(boxes if by_priors else predicted, rows[own, 3:7], least, inside)
            if len(own):
                found = np.where(found >= 0, own[np.maximum(found, 0)], found)
            row = np.maximum(found, 0)  # of those that are matched: others are -1, or -2 where left out
            if by_priors and not shared:
                found[(found >= 0) & (rows[row, 1] != c)] = -1
            step, slope = _boxes(
                moves[item, :, c], rows[row, 3:7], boxes, variances, predicted if not by_priors else boxes, code,
                in_target, cut, square,
            )  # fmt: skip
            if mining.kind != "NONE":
                known = np.where(found >= 0, kinds[row], background)
                worst = _classes(scores[item], known, logistic)[0]
                if mining.kind == "HARD_EXAMPLE":
                    worst = worst + np.where(found >= 0, step, 0)
                found, negatives = mine(found, most, worst, boxes if nms_of_priors else predicted, mining)
                counted[negatives] = True
            there = found >= 0
            wanted[there] = kinds[found[there]]
            counted |= there
            total += parts[0] * loc_weight * float(step[there].sum())
            matches += int(there.sum())
            to_loc[item, there, c] = loc_weight * slope[there]
        if logistic and mining.kind == "NONE":  # beside the matches no class is right, not even the background's
            wanted[wanted == background] = classes
        each, slopes = _classes(scores[item], wanted, logistic)
        total += parts[1] * float(each[counted].sum())
        to_conf[item, counted] = slopes[counted]
    n = divisor(normalization, items, count, matches)
    loss[...] = total / n
    loc_slope /= n
    conf_slope /= n


def backward(
    dloss: np.ndarray,
    loc_slope: np.ndarray,
    conf_slope: np.ndarray,
    dloc: np.ndarray | None,
    dconf: np.ndarray | None,
) -> None:
    """What forward found."""
    for slope, out in ((loc_slope, dloc), (conf_slope, dconf)):
        if out is not None:
            np.multiply(slope, float(dloss), out=out)


def _labels(label: np.ndarray, item: int, classes: int, background: int, difficult: bool) -> np.ndarray:
    """The rows (boxes, 8) of an item. Raises LabelError."""
    rows = label.reshape(-1, 8)
    rows = rows[rows[:, 0] == item]
    wrong = (rows[:, 1] < 0) | (rows[:, 1] >= classes) | (rows[:, 1] == background)
    if wrong.any():
        bad = float(rows[wrong][0, 1])
        raise LabelError(
            f"The class of a box of item {item} of the batch is {bad:g}; it must be 0 .. {classes - 1}, and not that of"
            f" the background, {background}. Correct the data, or num_classes.",
            item=item,
            label=bad,
            classes=classes,
        )
    return rows if difficult else rows[rows[:, 7] == 0]


def _boxes(
    moves: np.ndarray,
    wanted: np.ndarray,
    boxes: np.ndarray,
    variances: np.ndarray,
    matched: np.ndarray,
    code: int,
    in_target: bool,
    cut: bool,
    square: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """The loss (P,) of each prediction (P, 4) if it stood for the box `wanted` (P, 4), and its slope (P, 4)."""
    with np.errstate(divide="ignore", invalid="ignore"):  # of rows that stand for nothing
        gap = moves - encoded(wanted, boxes, None if in_target else variances, code)
    if cut:
        gap = np.where((matched < 0) | (matched > 1), 0, gap)
    if in_target:
        gap = gap / variances
    if square:
        return np.square(gap).sum(axis=1) / 2, gap
    return smooth_l1(gap, 1).sum(axis=1), smooth_l1_slope(gap, 1)


def _classes(scores: np.ndarray, wanted: np.ndarray, logistic: bool) -> tuple[np.ndarray, np.ndarray]:
    """The loss (P,) of scores (P, classes) for the classes `wanted` (P,), and its slope (P, classes).

    If logistic, a class beyond the last stands for none.
    """
    one = np.eye(scores.shape[1] + 1)[wanted, :-1]
    if logistic:
        each = np.maximum(scores, 0) - scores * one + np.log1p(np.exp(-np.abs(scores)))
        return each.sum(axis=1), 1 / (1 + np.exp(-scores)) - one
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    share = raised / raised.sum(axis=1, keepdims=True)
    return -np.log(np.maximum(share[np.arange(len(wanted)), wanted], FLT_MIN)), share - one
