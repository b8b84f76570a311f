"""Correlation: how well patches of one feature map match those around the same place in another."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Reach, Shape
from caffelike.registry import register


@register("Correlation", param="correlation_param")
class Correlation(Layer):
    """y[n, (v, u), i, j] = mean over channels and a patch of a[n, :, p] * b[n, :, p + (v, u) stride_2].

    bottoms: a, b (N, C, H, W), padded with zeros. tops: y (N, D^2, out_h, out_w), D = 2 (max_displacement // stride_2)
        + 1, out = ceil((size + 2 pad - 2 (max_displacement + kernel_size // 2)) / stride_1).
    The patch of place (i, j) has kernel_size rows and columns from (i, j) stride_1 + max_displacement of the padded map
        on; displacements (v, u) go row by row from -(D // 2) to D // 2.
    kernel_size (odd), max_displacement: required. pad 0. stride_1 1, stride_2 1. correlation_type MULTIPLY: SUBTRACT
        takes |a - b| in place of the product. single_direction 0 and do_abs false: refused otherwise.
    Gradient: to both; for SUBTRACT the sign of a - b, 1 at 0 as in the fork's kernel.
    Errors: ModelError for options, ShapeError for bottoms of different shapes or too small ones.
    Source: Dosovitskiy et al., "FlowNet", ICCV 2015; flownet2's layer.
    """

    bottoms = ("a", "b")
    backward_reads = ("a", "b")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the window and the displacements."""
        if not p.kernel_size % 2 or not p.HasField("max_displacement"):
            raise self.fail("needs an odd kernel_size and max_displacement.", ModelError)
        if p.single_direction or p.do_abs:
            raise self.fail("single_direction and do_abs are not supported.", ModelError)
        if not (p.stride_1 and p.stride_2):
            raise self.fail("stride_1 and stride_2 must be at least 1.", ModelError)
        self.options = {
            "kernel": int(p.kernel_size),
            "reach": int(p.max_displacement),
            "pad": int(p.pad),
            "step": int(p.stride_1),
            "shift": int(p.stride_2),
            "subtract": p.correlation_type == p.SUBTRACT,
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(N, D^2, out_h, out_w)."""
        a, b = shapes
        if len(a) != 4 or a != b:
            raise self.fail(f"needs two bottoms of one shape (N, C, H, W), but they are {a} and {b}.")
        o = self.options
        border = o["reach"] + o["kernel"] // 2
        out = tuple(-(-(n + 2 * o["pad"] - 2 * border) // o["step"]) for n in a[2:])
        if min(out) < 1:
            raise self.fail(f"displacements of {o['reach']} do not fit into the bottom {a} with pad {o['pad']}.")
        return [(a[0], (2 * (o["reach"] // o["shift"]) + 1) ** 2, *out)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach:
        """The patch; in b, those of all displacements."""
        o = self.options
        far = index * (o["reach"] // o["shift"]) * o["shift"]
        return Reach((o["kernel"] + 2 * far,) * 2, (o["step"],) * 2, (o["reach"] - o["pad"] - far,) * 2)


def forward(
    a: np.ndarray,
    b: np.ndarray,
    y: np.ndarray,
    kernel: int,
    reach: int,
    pad: int,
    step: int,
    shift: int,
    subtract: bool,
) -> None:
    """One displacement and one place in the patch after the other."""
    first, second = _padded(a, pad, kernel), _padded(b, pad, kernel)
    y[...] = 0
    for channel, here, there in _pairs(y.shape[2:], kernel, reach, step, shift):
        one, other = first[:, :, here[0], here[1]], second[:, :, there[0], there[1]]
        y[:, channel] += (np.abs(one - other) if subtract else one * other).sum(axis=1)
    y /= kernel * kernel * a.shape[1]


def backward(
    dy: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    da: np.ndarray | None,
    db: np.ndarray | None,
    kernel: int,
    reach: int,
    pad: int,
    step: int,
    shift: int,
    subtract: bool,
) -> None:
    """Each product's gradient to its two factors."""
    first, second = _padded(a, pad, kernel), _padded(b, pad, kernel)
    sums = np.zeros_like(first), np.zeros_like(second)
    for channel, here, there in _pairs(dy.shape[2:], kernel, reach, step, shift):
        grad = dy[:, None, channel]
        one, other = first[:, :, here[0], here[1]], second[:, :, there[0], there[1]]
        sign = np.where(one >= other, 1, -1) if subtract else 0
        sums[0][:, :, here[0], here[1]] += grad * (sign if subtract else other)
        sums[1][:, :, there[0], there[1]] += grad * (-sign if subtract else one)
    for total, to in zip(sums, (da, db), strict=True):
        if to is not None:
            height, width = to.shape[2:]
            np.divide(total[:, :, pad : pad + height, pad : pad + width], kernel * kernel * a.shape[1], out=to)


def _padded(x: np.ndarray, pad: int, kernel: int) -> np.ndarray:
    """x in zeros: `pad` around it, and a patch more behind it, which the last rounded-up place may touch."""
    return np.pad(x, [(0, 0), (0, 0), (pad, pad + kernel), (pad, pad + kernel)])


def _pairs(out: Shape, kernel: int, reach: int, step: int, shift: int) -> Any:
    """(top's channel, slices of the first padded map, slices of the second) for each displacement and patch place."""
    radius = reach // shift
    for channel, (v, u) in enumerate(np.ndindex(2 * radius + 1, 2 * radius + 1)):
        move = ((v - radius) * shift, (u - radius) * shift)
        for place in np.ndindex(kernel, kernel):
            begins = [reach + p for p in place]
            here = tuple(slice(s, s + (o - 1) * step + 1, step) for s, o in zip(begins, out, strict=True))
            there = tuple(
                slice(s + m, s + m + (o - 1) * step + 1, step) for s, m, o in zip(begins, move, out, strict=True)
            )
            yield channel, here, there
