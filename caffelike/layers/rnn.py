"""RNN: the plain recurrent network over whole sequences."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._recurrent import Recurrent, add, project, project_back
from caffelike.registry import register


@register("RNN", param="recurrent_param")
class RNN(Recurrent):
    """The plain recurrent network over whole sequences: hidden values h that feed back into themselves.

    At each step, with h that of the step before:

        h = tanh(weight_x x[t] + bias_h + weight_static x_static + weight_h (cont[t] h))
        y[t] = tanh(weight_y h + bias_y)

    bottoms: x (T, N, ...); cont (T, N), 0 where a sequence starts; optional x_static (N, ...), seen at every step;
        with expose_hidden the first state h_start (1, N, D). tops: y (T, N, D); with expose_hidden h_end.
    params: weight_x (D, K), bias_h (D,), [weight_static (D, K_static)], weight_h (D, D), weight_y (D, D), bias_y (D,).
    Options, state, gradient and errors as LSTM. Source: BVLC Caffe's RNN layer, as one loop instead of an inner net.
    """

    bottoms = ("x", "cont", "x_static?", "h_start?")
    tops = ("y", "h_end?")
    params = ("weight_x", "bias_h", "weight_static?", "weight_h", "weight_y", "bias_y")
    states = ("h",)
    backward_reads = ("x", "cont", "x_static", "y", "weight_x", "weight_static", "weight_h", "weight_y", "hidden")

    def declare(self, p: Any, inputs: int, static: int) -> None:
        """Caffe's order: input, bias, static, recurrent, output."""
        size = self._size
        self.add_param("weight_x", (size, inputs), p.weight_filler)
        self.add_param("bias_h", (size,), p.bias_filler)
        if static:
            self.add_param("weight_static", (size, static), p.weight_filler)
        self.add_param("weight_h", (size, size), p.weight_filler)
        self.add_param("weight_y", (size, size), p.weight_filler)
        self.add_param("bias_y", (size,), p.bias_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """See Recurrent; the hidden states are kept for all steps."""
        tops = super().reshape(*shapes)
        steps, batch, size = tops[0]
        self.keep("hidden", (steps + 1, batch, size))
        return tops


def forward(
    x: np.ndarray,
    cont: np.ndarray,
    x_static: np.ndarray | None,
    h_start: np.ndarray | None,
    weight_x: np.ndarray,
    bias_h: np.ndarray,
    weight_static: np.ndarray | None,
    weight_h: np.ndarray,
    weight_y: np.ndarray,
    bias_y: np.ndarray,
    y: np.ndarray,
    h_end: np.ndarray | None,
    h_state: np.ndarray | None,
    hidden: np.ndarray | None,
) -> None:
    """Step by step; h_state holds the state between passes where it is not exposed.

    hidden (T + 1, N, D): the state before each step and after the last.
    """
    steps, batch, size = y.shape
    first: Any = h_state if h_start is None else h_start
    last: Any = h_state if h_start is None else h_end
    if hidden is None:
        hidden = np.empty((steps + 1, batch, size), y.dtype)
    inputs = project(x, weight_x, x_static, weight_static) + bias_h
    hidden[0] = first[0]
    for t in range(steps):
        hidden[t + 1] = np.tanh(inputs[t] + (cont[t, :, None] * hidden[t]) @ weight_h.T)
    y[...] = np.tanh(hidden[1:] @ weight_y.T + bias_y)
    last[0] = hidden[-1]


def backward(
    dy: np.ndarray,
    dh_end: np.ndarray | None,
    x: np.ndarray,
    cont: np.ndarray,
    x_static: np.ndarray | None,
    y: np.ndarray,
    weight_x: np.ndarray,
    weight_static: np.ndarray | None,
    weight_h: np.ndarray,
    weight_y: np.ndarray,
    hidden: np.ndarray,
    dx: np.ndarray | None,
    dx_static: np.ndarray | None,
    dh_start: np.ndarray | None,
    dweight_x: np.ndarray | None,
    dbias_h: np.ndarray | None,
    dweight_static: np.ndarray | None,
    dweight_h: np.ndarray | None,
    dweight_y: np.ndarray | None,
    dbias_y: np.ndarray | None,
    beta: float,
) -> None:
    """Through the output, back through the steps, then all weights at once."""
    steps, _, size = dy.shape
    outer = dy * (1 - y * y)
    from_output = outer @ weight_y
    inner = np.empty_like(outer)
    dh = np.zeros_like(hidden[0]) if dh_end is None else dh_end[0].copy()
    for t in reversed(range(steps)):
        inner[t] = (dh + from_output[t]) * (1 - hidden[t + 1] * hidden[t + 1])
        dh = cont[t, :, None] * (inner[t] @ weight_h)
    if dh_start is not None:
        dh_start[0] = dh
    project_back(inner, x, weight_x, dx, dweight_x, x_static, weight_static, dx_static, dweight_static, beta)
    inner_rows, outer_rows = inner.reshape(-1, size), outer.reshape(-1, size)
    add(dweight_h, inner_rows.T, (cont[:, :, None] * hidden[:-1]).reshape(-1, size), beta)
    add(dweight_y, outer_rows.T, hidden[1:].reshape(-1, size), beta)
    for dbias, rows in ((dbias_h, inner_rows), (dbias_y, outer_rows)):
        if dbias is not None:
            dbias[...] = dbias + rows.sum(axis=0) if beta else rows.sum(axis=0)
