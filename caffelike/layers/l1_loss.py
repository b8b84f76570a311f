"""L1Loss: the sum of absolute differences."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Shape
from caffelike.layers._loss import check_weights, spread
from caffelike.registry import register


@register("L1Loss", param="l1_loss_param")
class L1Loss(Layer):
    """loss = sum w |a - b| / N; with l1_loss_param FlowNet's loss of the same name.

    bottoms: a (N, ...); b, of as many numbers (FlowNet: may be left out, for 0); weight w, optional, not in
        FlowNet's: one factor for each item or for each value. tops: loss, a single number.
    Without l1_loss_param (NVIDIA's layer): the sum over all numbers, divided by N.
    With it (FlowNet's layer): places where a - b is NaN do not count. l2_per_location false; true: sqrt(sum over
        channels of (a - b)^2 + epsilon) of each place in place of absolute differences, epsilon 0.01;
        l2_prescale_by_channels (false): that sum divided by the number of channels. normalize_by_num_entries false;
        true: divided by the number of places that count instead of by N. plateau (0): refused otherwise.
    Gradient: to both bottoms, the sign of a - b (0 at 0) over the divisor times w, or the slope of the root. None
        to weight.
    Errors: ShapeError for bottoms of different numbers of values, ModelError for options.
    Source: NVIDIA's DetectNet; Ilg et al., "FlowNet 2.0", CVPR 2017; weight: our own.
    """

    bottoms = ("a", "b?", "weight?")
    tops = ("loss",)
    loss = True
    no_gradient = ("weight",)
    backward_reads = ("a", "b", "weight")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read whose loss it is."""
        flow = self.message.HasField("l1_loss_param")
        if not flow and len(shapes) < 2:
            raise self.fail("needs two bottoms (one only with FlowNet's l1_loss_param).", ModelError)
        if flow and len(shapes) > 2:
            raise self.fail("takes no weights with l1_loss_param; leave one of them out.", ModelError)
        if p.plateau:
            raise self.fail("plateau is not supported.", ModelError)
        self.options = {
            "flow": flow,
            "by_place": bool(p.l2_per_location),
            "prescale": bool(p.l2_prescale_by_channels),
            "by_entries": bool(p.normalize_by_num_entries),
            "epsilon": float(p.epsilon),
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        if len({(shape[:1], int(np.prod(shape))) for shape in shapes[:2]}) > 1:
            raise self.fail(f"the bottoms must hold the same number of values, but they are {shapes[0]}, {shapes[1]}.")
        if len(shapes[0]) < 2 and self.options["by_place"]:
            raise self.fail(f"l2_per_location needs a bottom (N, C, ...), but it is {shapes[0]}.")
        check_weights(self, 0, shapes[0], shapes[2] if len(shapes) > 2 else None)
        return [()]


def forward(
    a: np.ndarray,
    b: np.ndarray | None,
    weight: np.ndarray | None,
    loss: np.ndarray,
    flow: bool,
    by_place: bool,
    prescale: bool,
    by_entries: bool,
    epsilon: float,
) -> None:
    """The lengths of the differences, added up."""
    away, counts = _difference(a, b, flow)
    if by_place:
        squares = np.square(away).sum(axis=1) / (a.shape[1] if prescale else 1)
        lengths = np.sqrt(squares + epsilon) * counts.any(axis=1)
    else:
        lengths = np.abs(away) * _weights(a, weight)
    loss[...] = lengths.sum(dtype=np.float64) / _divisor(a, counts, flow and by_entries)


def backward(
    dloss: np.ndarray,
    a: np.ndarray,
    b: np.ndarray | None,
    weight: np.ndarray | None,
    da: np.ndarray | None,
    db: np.ndarray | None,
    flow: bool,
    by_place: bool,
    prescale: bool,
    by_entries: bool,
    epsilon: float,
) -> None:
    """The slope of each length."""
    away, counts = _difference(a, b, flow)
    if by_place:
        scale = a.shape[1] if prescale else 1
        slope = away / (scale * np.sqrt(np.square(away).sum(axis=1, keepdims=True) / scale + epsilon))
    else:
        slope = np.sign(away) * _weights(a, weight)
    slope *= float(dloss) / _divisor(a, counts, flow and by_entries)
    if da is not None:
        da[...] = slope
    if db is not None:
        db[...] = -slope.reshape(db.shape)


def _difference(a: np.ndarray, b: np.ndarray | None, flow: bool) -> tuple[np.ndarray, np.ndarray]:
    """a - b, with 0 where it does not count; and what counts."""
    away = a.copy() if b is None else a - b.reshape(a.shape)
    counts = ~np.isnan(away) if flow else np.ones(away.shape, bool)
    return np.where(counts, away, 0).astype(a.dtype), counts


def _weights(a: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return np.ones((), a.dtype) if weight is None else spread(weight, a.size).reshape(a.shape)


def _divisor(a: np.ndarray, counts: np.ndarray, by_entries: bool) -> float:
    return max(1.0, counts.sum() / a.shape[1] if by_entries else a.shape[0])
