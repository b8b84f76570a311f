"""LSTM; see layers/lstm.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import recurrence
from caffelike.kernels.cuda.door import copy, empty, task, zeros
from caffelike.kernels.cuda.lstm_unit import gate
from caffelike.kernels.cuda.recurrence import carry
from caffelike.kernels.cuda.scalar import tanh


def forward(
    x: Any,
    cont: Any,
    x_static: Any,
    h_start: Any,
    c_start: Any,
    weight_x: Any,
    bias: Any,
    weight_static: Any,
    weight_h: Any,
    y: Any,
    h_end: Any,
    c_end: Any,
    h_state: Any,
    c_state: Any,
    hidden: Any,
    cells: Any,
    gates: Any,
) -> None:
    """The inputs' products for all steps at once, then step by step."""
    steps, batch, size = (int(n) for n in y.shape)
    each, lines, rows = batch * size, steps * batch, 4 * size
    exposed = h_start is not None
    hidden, cells = (empty((steps + 1) * each) if a is None else a.reshape(-1) for a in (hidden, cells))
    gates = empty(lines * rows) if gates is None else gates.reshape(-1)
    h, c = (s.reshape(-1) for s in ((h_start, c_start) if exposed else (h_state, c_state)))
    copy(hidden[:each], h)
    copy(cells[:each], c)
    recurrence.project(x, weight_x, bias, x_static, weight_static, gates, lines, batch)
    carried, flat, to = empty(each), cont.reshape(-1), y.reshape(-1)
    if steps:
        carry(each, h, flat, carried, size)
    for t in range(steps):
        recurrence.through_state(carried, weight_h, gates, batch, t * batch * rows)
        _step(each, gates, hidden, cells, to, carried, flat, t, t + 1 < steps, batch, size)
    for end, values in ((h_end if exposed else h_state, hidden), (c_end if exposed else c_state, cells)):
        copy(end.reshape(-1), values[steps * each :])


def backward(
    dy: Any,
    dh_end: Any,
    dc_end: Any,
    x: Any,
    cont: Any,
    x_static: Any,
    weight_x: Any,
    weight_static: Any,
    weight_h: Any,
    hidden: Any,
    cells: Any,
    gates: Any,
    dx: Any,
    dx_static: Any,
    dh_start: Any,
    dc_start: Any,
    dweight_x: Any,
    dbias: Any,
    dweight_static: Any,
    dweight_h: Any,
    beta: float,
) -> None:
    """Back through the steps, then all weights at once."""
    steps, batch, size = (int(n) for n in dy.shape)
    each, lines, rows = batch * size, steps * batch, 4 * size
    dh, dc, dgates, carried = zeros(each), zeros(each), empty(lines * rows), empty(lines * size)
    for end, values in ((dh_end, dh), (dc_end, dc)):
        if end is not None:
            copy(values, end.reshape(-1))
    arrays = (dy.reshape(-1), gates.reshape(-1), cells.reshape(-1), dgates, cont.reshape(-1), dh, dc)
    for t in reversed(range(steps)):
        _step_back(each, *arrays, t, t + 1 < steps, batch, size)
        recurrence.back_through_state(dgates, weight_h, dh, batch, t * batch * rows)
    if dh_start is not None and steps:
        carry(each, dh, cont.reshape(-1), dh_start.reshape(-1), size)
    elif dh_start is not None:
        copy(dh_start.reshape(-1), dh)
    if dc_start is not None:
        copy(dc_start.reshape(-1), dc)
    static = (x_static, weight_static, dx_static, dweight_static)
    recurrence.project_back(dgates, x, weight_x, dx, dweight_x, *static, beta, lines, batch)
    if dweight_h is not None:
        carry(lines * size, hidden.reshape(-1), cont.reshape(-1), carried, size)
        recurrence.weight_gradient(dgates, carried, dweight_h, beta, lines)
    if dbias is not None:
        recurrence.bias_gradient(dgates, dbias, beta, lines)


@task
def _step(k, gates, hidden, cells, y, carried, cont, t, more, batch, size):
    """Cell k of step t: the gates are activated in place; the state that the next step sees is carried on."""
    n, d = k // size, k % size
    at, here, after = (t * batch + n) * 4 * size + d, t * batch * size + k, (t + 1) * batch * size + k
    i, o, g = gate(gates[at]), gate(gates[at + 2 * size]), tanh(gates[at + 3 * size])
    kept = cont[t * batch + n]
    f = np.float32(0) if kept == 0 else kept * gate(gates[at + size])
    gates[at], gates[at + size], gates[at + 2 * size], gates[at + 3 * size] = i, f, o, g
    c = f * cells[here] + i * g
    h = o * tanh(c)
    cells[after], hidden[after], y[here] = c, h, h
    if more:
        carried[k] = h * cont[(t + 1) * batch + n]


@task
def _step_back(k, dy, gates, cells, dgates, cont, dh, dc, t, more, batch, size):
    """Cell k of step t; dh holds the gradient of what the next step carried on."""
    n, d = k // size, k % size
    at, here, after = (t * batch + n) * 4 * size + d, t * batch * size + k, (t + 1) * batch * size + k
    i, f, o, g = gates[at], gates[at + size], gates[at + 2 * size], gates[at + 3 * size]
    one, squashed = np.float32(1), tanh(cells[after])
    down = dy[here] + (dh[k] * cont[(t + 1) * batch + n] if more else dh[k])
    cell = dc[k] + down * o * (one - squashed * squashed)
    dgates[at] = cell * g * i * (one - i)
    dgates[at + size] = cell * cells[here] * f * (one - f)
    dgates[at + 2 * size] = down * squashed * o * (one - o)
    dgates[at + 3 * size] = cell * i * (one - g * g)
    dc[k] = cell * f
