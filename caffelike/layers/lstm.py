"""LSTM: long short-term memory over whole sequences."""

from typing import Any

import numpy as np

from caffelike.layer import Shape
from caffelike.layers._recurrent import Recurrent, add, project, project_back
from caffelike.registry import register


@register("LSTM", param="recurrent_param")
class LSTM(Recurrent):
    """Long short-term memory over whole sequences: cells c whose gates open and close, and their outputs h.

    At each step, with h and c those of the step before (h times cont[t]):

        i, f, o, g = weight_x x[t] + bias + weight_static x_static + weight_h h      (four blocks of D rows)
        c = cont[t] sigmoid(f) c + sigmoid(i) tanh(g),   y[t] = h = sigmoid(o) tanh(c)

    bottoms: x (T, N, ...); cont (T, N), 0 where a sequence starts; optional x_static (N, ...), seen at every step;
        with expose_hidden the first states h_start, c_start (1, N, D). tops: y (T, N, D); with expose_hidden the
        last states h_end, c_end (1, N, D).
    params: weight_x (4 D, K), bias (4 D,), [weight_static (4 D, K_static)], weight_h (4 D, D).
    num_output: D, required. weight_filler, bias_filler: constant 0. expose_hidden false: the states carry over
    from one forward pass to the next; they start at 0, and again when N changes. debug_info: ignored.
    Gradient: to everything but cont; none to passes before. Errors: ModelError, ShapeError.
    Source: BVLC Caffe's LSTM layer, as one loop instead of an inner net; Donahue et al., CVPR 2015.
    """

    bottoms = ("x", "cont", "x_static?", "h_start?", "c_start?")
    tops = ("y", "h_end?", "c_end?")
    params = ("weight_x", "bias", "weight_static?", "weight_h")
    states = ("h", "c")
    backward_reads = ("x", "cont", "x_static", "weight_x", "weight_static", "weight_h", "hidden", "cells", "gates")

    def declare(self, p: Any, inputs: int, static: int) -> None:
        """Caffe's order: input, bias, static, recurrent."""
        rows = 4 * self._size
        self.add_param("weight_x", (rows, inputs), p.weight_filler)
        self.add_param("bias", (rows,), p.bias_filler)
        if static:
            self.add_param("weight_static", (rows, static), p.weight_filler)
        self.add_param("weight_h", (rows, self._size), p.weight_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """See Recurrent; what backward needs is kept for all steps."""
        tops = super().reshape(*shapes)
        steps, batch, size = tops[0]
        self.keep("hidden", (steps + 1, batch, size))
        self.keep("cells", (steps + 1, batch, size))
        self.keep("gates", (steps, batch, 4, size))
        return tops


def forward(
    x: np.ndarray,
    cont: np.ndarray,
    x_static: np.ndarray | None,
    h_start: np.ndarray | None,
    c_start: np.ndarray | None,
    weight_x: np.ndarray,
    bias: np.ndarray,
    weight_static: np.ndarray | None,
    weight_h: np.ndarray,
    y: np.ndarray,
    h_end: np.ndarray | None,
    c_end: np.ndarray | None,
    h_state: np.ndarray | None,
    c_state: np.ndarray | None,
    hidden: np.ndarray | None,
    cells: np.ndarray | None,
    gates: np.ndarray | None,
) -> None:
    """Step by step; h_state and c_state hold the state between passes where it is not exposed.

    hidden, cells (T + 1, N, D): the states before each step and after the last. gates (T, N, 4, D): activated.
    """
    steps, batch, size = y.shape
    first: Any = (h_state, c_state) if h_start is None else (h_start, c_start)
    last: Any = (h_state, c_state) if h_start is None else (h_end, c_end)
    inputs = project(x, weight_x, x_static, weight_static).reshape(steps, batch, 4, size) + bias.reshape(4, size)
    h, c = (state[0].copy() for state in first)
    if hidden is not None and cells is not None:
        hidden[0], cells[0] = h, c
    for t in range(steps):
        carry = cont[t, :, None]
        step = inputs[t] + ((carry * h) @ weight_h.T).reshape(batch, 4, size)
        step[:, :3] = 0.5 * np.tanh(0.5 * step[:, :3]) + 0.5  # the logistic function
        step[:, 1] = np.where(carry == 0, 0, carry * step[:, 1])
        step[:, 3] = np.tanh(step[:, 3])
        c = step[:, 1] * c + step[:, 0] * step[:, 3]
        h = step[:, 2] * np.tanh(c)
        y[t] = h
        if hidden is not None and cells is not None and gates is not None:
            hidden[t + 1], cells[t + 1], gates[t] = h, c, step
    last[0][0], last[1][0] = h, c


def backward(
    dy: np.ndarray,
    dh_end: np.ndarray | None,
    dc_end: np.ndarray | None,
    x: np.ndarray,
    cont: np.ndarray,
    x_static: np.ndarray | None,
    weight_x: np.ndarray,
    weight_static: np.ndarray | None,
    weight_h: np.ndarray,
    hidden: np.ndarray,
    cells: np.ndarray,
    gates: np.ndarray,
    dx: np.ndarray | None,
    dx_static: np.ndarray | None,
    dh_start: np.ndarray | None,
    dc_start: np.ndarray | None,
    dweight_x: np.ndarray | None,
    dbias: np.ndarray | None,
    dweight_static: np.ndarray | None,
    dweight_h: np.ndarray | None,
    beta: float,
) -> None:
    """Back through the steps, then all weights at once."""
    steps, batch, size = dy.shape
    dgates = np.empty_like(gates)
    dh = np.zeros_like(cells[0]) if dh_end is None else dh_end[0].copy()
    dc = np.zeros_like(cells[0]) if dc_end is None else dc_end[0].copy()
    for t in reversed(range(steps)):
        dh = dh + dy[t]
        i, f, o, g = (gates[t, :, k] for k in range(4))
        squashed = np.tanh(cells[t + 1])
        dc = dc + dh * o * (1 - squashed * squashed)
        dgates[t, :, 0] = dc * g * i * (1 - i)
        dgates[t, :, 1] = dc * cells[t] * f * (1 - f)
        dgates[t, :, 2] = dh * squashed * o * (1 - o)
        dgates[t, :, 3] = dc * i * (1 - g * g)
        dc = dc * f
        dh = cont[t, :, None] * (dgates[t].reshape(batch, 4 * size) @ weight_h)
    if dh_start is not None:
        dh_start[0] = dh
    if dc_start is not None:
        dc_start[0] = dc
    grad = dgates.reshape(steps, batch, 4 * size)
    project_back(grad, x, weight_x, dx, dweight_x, x_static, weight_static, dx_static, dweight_static, beta)
    rows = grad.reshape(-1, 4 * size)
    add(dweight_h, rows.T, (cont[:, :, None] * hidden[:-1]).reshape(-1, size), beta)
    if dbias is not None:
        dbias[...] = dbias + rows.sum(axis=0) if beta else rows.sum(axis=0)
