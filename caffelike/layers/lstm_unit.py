"""LSTMUnit: one step of LSTM cells, given the gates' inputs."""

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.registry import register


@register("LSTMUnit")
class LSTMUnit(Layer):
    """c = cont f c_prev + i g and h = o tanh(c), with i, f, o = sigmoid and g = tanh of the four gates' inputs.

    bottoms: c_prev (1, N, D); gates (1, N, 4 D) in the order i, f, o, g; cont (1, N), 0 where a sequence starts.
    tops: c (1, N, D), h (1, N, D).
    Gradient: to c_prev and gates, none to cont; for a cont that is neither 0 nor 1 the forget gate's slope is
    taken as cont f (1 - cont f), as in Caffe. Errors: ShapeError for bottoms that do not fit together.
    Source: BVLC Caffe's LSTMUnit layer.
    """

    bottoms = ("c_prev", "gates", "cont")
    tops = ("c", "h")
    no_gradient = ("cont",)
    backward_reads = ("c_prev", "gates", "cont", "c")

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """Two cells' shapes."""
        c_prev, gates, cont = shapes
        if len(c_prev) != 3 or c_prev[0] != 1 or gates != (1, c_prev[1], 4 * c_prev[2]) or cont != (1, c_prev[1]):
            raise self.fail(
                f"needs bottoms (1, N, D), (1, N, 4 D) and (1, N), but they are {c_prev}, {gates} and {cont}."
            )
        return [c_prev, c_prev]


def _sigmoid(v: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * v) + 0.5


def _open(gates: np.ndarray, cont: np.ndarray) -> tuple[np.ndarray, ...]:
    """The activated gates i, f (times cont), o, g, each (1, N, D)."""
    i, f, o, g = np.split(gates, 4, axis=2)
    carry = cont[..., None]
    return _sigmoid(i), np.where(carry == 0, 0, carry * _sigmoid(f)), _sigmoid(o), np.tanh(g)


def forward(c_prev: np.ndarray, gates: np.ndarray, cont: np.ndarray, c: np.ndarray, h: np.ndarray) -> None:
    """One step."""
    i, f, o, g = _open(gates, cont)
    c[...] = f * c_prev + i * g
    h[...] = o * np.tanh(c)


def backward(
    dc: np.ndarray,
    dh: np.ndarray,
    c_prev: np.ndarray,
    gates: np.ndarray,
    cont: np.ndarray,
    c: np.ndarray,
    dc_prev: np.ndarray | None,
    dgates: np.ndarray | None,
) -> None:
    """One step back."""
    i, f, o, g = _open(gates, cont)
    squashed = np.tanh(c)
    cell = dc + dh * o * (1 - squashed * squashed)
    if dc_prev is not None:
        dc_prev[...] = cell * f
    if dgates is not None:
        di, df, do, dg = np.split(dgates, 4, axis=2)
        di[...] = cell * g * i * (1 - i)
        df[...] = cell * c_prev * f * (1 - f)
        do[...] = dh * squashed * o * (1 - o)
        dg[...] = cell * i * (1 - g * g)
