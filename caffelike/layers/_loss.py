"""What loss layers share: softmax, reading labels, and what a sum of losses is divided by."""

from typing import Any

import numpy as np

from caffelike.errors import LabelError, ModelError
from caffelike.layer import Layer, Shape

FLT_MIN = float(np.finfo(np.float32).tiny)  # the smallest probability SoftmaxWithLoss takes the logarithm of
LOG_THRESHOLD = 1e-20  # the same for InfogainLoss and MultinomialLogisticLoss


def loss_options(layer: Layer, default: str, legacy: bool = True) -> dict[str, Any]:
    """The options `normalization` (a mode's name) and `ignore_label` (None: no label is ignored) of LossParameter.

    For the mode PRE_FIXED of a fork `normalization` is the divisor itself, pre_fixed_normalizer.
    default: the mode when none is given. legacy: whether the old field `normalize` counts (true: VALID,
    false: BATCH_SIZE, only where `normalization` is absent); it is an error otherwise.
    """
    p = layer.message.loss_param
    mode: str | float = default
    if p.HasField("normalization"):
        mode = type(p).NormalizationMode.Name(p.normalization)
        mode = float(p.pre_fixed_normalizer) if mode == "PRE_FIXED" else mode
    elif p.HasField("normalize"):
        if not legacy:
            raise layer.fail(
                f"normalize is not read here; write normalization: {'VALID' if p.normalize else 'BATCH_SIZE'}.",
                ModelError,
            )
        mode = "VALID" if p.normalize else "BATCH_SIZE"
    return {"normalization": mode, "ignore_label": int(p.ignore_label) if p.HasField("ignore_label") else None}


def class_weights(layer: Layer, own: Any = ()) -> dict[str, Any]:
    """The options `class_weight`, a factor for each class or (), and `weighted`: whether VALID adds weights up.

    They stand in loss_param.class_weight, in `own` (a fork's place for them), or in SegNet's
    loss_param.class_weighting, which counts with weight_by_label_freqs: true and leaves the divisor as it is.
    Raises ModelError for more than one of these, and for a negative weight.
    """
    p = layer.message.loss_param
    if p.weight_by_label_freqs != bool(p.class_weighting):
        raise layer.fail(
            "weight_by_label_freqs: true and class_weighting (one for each class) go together: write both, or none.",
            ModelError,
        )
    given = [tuple(map(float, words)) for words in (p.class_weight, own, p.class_weighting) if words]
    if len(given) > 1:
        raise layer.fail("class weights are given in more than one place; keep loss_param.class_weight.", ModelError)
    if given and min(given[0]) < 0:
        raise layer.fail(f"class weights are 0 or more, not {min(given[0]):g}.", ModelError)
    return {"class_weight": given[0] if given else (), "weighted": not p.class_weighting}


def check_weights(layer: Layer, classes: int, places: Shape, weight: Shape | None, bottom: int = 2) -> None:
    """Raise ShapeError unless there is a weight for each class, and one for each item or place of `places`."""
    names = layer.options.get("class_weight")
    if names and len(names) != classes:
        raise layer.fail(f"has {len(names)} class weights, but there are {classes} classes.")
    wanted = {int(np.prod(places[:1], dtype=np.int64)), int(np.prod(places, dtype=np.int64))}
    if weight is not None and int(np.prod(weight, dtype=np.int64)) not in wanted:
        raise layer.fail(
            f"'{layer.message.bottom[bottom]}' is {weight}; expected is one weight for each item, ({places[0]},), or"
            f" for each place, {places}."
        )


def spread(weight: np.ndarray, count: int) -> np.ndarray:
    """Weights of items (or of places already) as those of `count` places, flat."""
    return np.repeat(weight.reshape(-1), count // max(1, weight.size))


def factors(
    labels: np.ndarray, counts: np.ndarray, weight: np.ndarray | None, class_weight: tuple[float, ...]
) -> np.ndarray:
    """What each place's loss is multiplied by, flat, float64; 0 where it does not count.

    labels, counts: of `read_labels`. weight: of items or places, or None. class_weight: one for each class, or ().
    """
    found = counts.astype(np.float64)
    if class_weight:
        found *= np.asarray(class_weight)[labels]
    return found if weight is None else found * spread(weight, found.size)


def divisor(normalization: str | float, outer: int, inner: int, valid: float) -> float:
    """What the sum of losses is divided by, never less than 1.

    outer, inner: items and predictions an item. valid: predictions whose label is not ignored, or their weights.
    """
    modes = {"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}
    return float(max(1, modes[normalization] if isinstance(normalization, str) else normalization))


def places_divisor(shape: Shape, axis: int, normalization: str | float, counts: np.ndarray) -> float:
    """`divisor` for scores of `shape` with the classes on `axis`.

    counts: which places' labels are not ignored, or their weights.
    """
    outer = int(np.prod(shape[:axis], dtype=np.int64))
    inner = int(np.prod(shape[axis + 1 :], dtype=np.int64))
    return divisor(normalization, outer, inner, float(counts.sum(dtype=np.float64)))


def batch_size(layer: Layer, *shapes: Shape) -> int:
    """The length of axis 0, which all `shapes` must share. Raises ShapeError naming the blobs."""
    names = list(layer.message.bottom)
    for name, shape in zip(names, shapes, strict=False):
        if not shape or not shapes[0] or shape[0] != shapes[0][0]:
            raise layer.fail(
                f"the bottoms must hold the same number of items (axis 0), but '{names[0]}' is {shapes[0]} and"
                f" '{name}' is {shape}."
            )
    return shapes[0][0]


def check_label_count(layer: Layer, scores: Shape, label: Shape, axis: int) -> None:
    """Raise ShapeError unless there is one label for each place of `scores` without its class axis."""
    wanted = scores[:axis] + scores[axis + 1 :]
    if int(np.prod(wanted, dtype=np.int64)) != int(np.prod(label, dtype=np.int64)):
        names = layer.message.bottom
        raise layer.fail(
            f"'{names[0]}' is {scores} with the classes on axis {axis}, which needs one label for each of {wanted},"
            f" but '{names[1]}' is {label}."
        )


def check_one_label_each(layer: Layer, items: Shape, label: Shape, bottom: int = 1) -> None:
    """Raise ShapeError unless bottom number `bottom`, of shape `label`, holds one number for each of the items."""
    if int(np.prod(label, dtype=np.int64)) != items[0]:
        raise layer.fail(
            f"needs one number for each of the {items[0]} items, but '{layer.message.bottom[bottom]}' is {label}."
        )


def read_labels(label: np.ndarray, classes: int, ignore_label: int | None, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels cut to whole numbers, flat; and which of them count. Those that do not are 0.

    items: the batch size, to say in which item a wrong label is. Raises LabelError for one outside 0 .. classes - 1.
    """
    flat = np.trunc(label.reshape(-1))
    counts = np.ones(flat.shape, bool) if ignore_label is None else flat != ignore_label
    right = (flat >= 0) & (flat < classes)
    if not right.all():
        wrong = np.flatnonzero(counts & ~right)
        if wrong.size:
            first = int(wrong[0])
            raise LabelError.no_class(first * items // flat.size, float(label.reshape(-1)[first]), classes)
        flat = np.where(counts, flat, 0)
    return flat.astype(np.int64), counts


def pick(scores: np.ndarray, labels: np.ndarray, axis: int) -> np.ndarray:
    """The score of each place's label, flat: `scores` has its classes on `axis`, `labels` is flat."""
    index = np.expand_dims(labels.reshape(scores.shape[:axis] + scores.shape[axis + 1 :]), axis)
    return np.take_along_axis(scores, index, axis).reshape(-1)


def softmax(x: np.ndarray, axis: int, y: np.ndarray) -> None:
    """y = exp(x) / sum(exp(x)) along `axis`; y may be x. A NaN or +infinity makes its whole sum NaN."""
    if x.size == 0:
        return
    np.subtract(x, x.max(axis=axis, keepdims=True), out=y)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)


def softmax_gradient(dy: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    """The gradient through y = softmax(x): y (dy - sum(dy y))."""
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))
