"""RNN; see layers/rnn.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda import recurrence
from caffelike.kernels.cuda.door import copy, empty, task, zeros
from caffelike.kernels.cuda.matrix import multiply
from caffelike.kernels.cuda.recurrence import carry
from caffelike.kernels.cuda.scalar import tanh


def forward(
    x: Any,
    cont: Any,
    x_static: Any,
    h_start: Any,
    weight_x: Any,
    bias_h: Any,
    weight_static: Any,
    weight_h: Any,
    weight_y: Any,
    bias_y: Any,
    y: Any,
    h_end: Any,
    h_state: Any,
    hidden: Any,
) -> None:
    """The inputs' products for all steps at once, step by step, then all outputs at once."""
    steps, batch, size = (int(n) for n in y.shape)
    each, lines = batch * size, steps * batch
    hidden = empty((steps + 1) * each) if hidden is None else hidden.reshape(-1)
    h = (h_state if h_start is None else h_start).reshape(-1)
    copy(hidden[:each], h)
    inputs, carried, flat = empty(lines * size), empty(each), cont.reshape(-1)
    recurrence.project(x, weight_x, bias_h, x_static, weight_static, inputs, lines, batch)
    if steps:
        carry(each, h, flat, carried, size)
    for t in range(steps):
        recurrence.through_state(carried, weight_h, inputs, batch, t * each)
        _step(each, inputs, hidden, carried, flat, t, t + 1 < steps, batch, size)
    to = y.reshape(-1)
    multiply(hidden[each:], weight_y.reshape(-1), to, (lines, size, size), (size, 1, 1, size), bias_y)
    _tanh(y.size, to)
    copy((h_state if h_start is None else h_end).reshape(-1), hidden[steps * each :])


def backward(
    dy: Any,
    dh_end: Any,
    x: Any,
    cont: Any,
    x_static: Any,
    y: Any,
    weight_x: Any,
    weight_static: Any,
    weight_h: Any,
    weight_y: Any,
    hidden: Any,
    dx: Any,
    dx_static: Any,
    dh_start: Any,
    dweight_x: Any,
    dbias_h: Any,
    dweight_static: Any,
    dweight_h: Any,
    dweight_y: Any,
    dbias_y: Any,
    beta: float,
) -> None:
    """Through the output, back through the steps, then all weights at once."""
    steps, batch, size = (int(n) for n in dy.shape)
    each, lines = batch * size, steps * batch
    states, flat = hidden.reshape(-1), cont.reshape(-1)
    outer, inner, dh = empty(lines * size), empty(lines * size), zeros(each)
    if dh_end is not None:
        copy(dh, dh_end.reshape(-1))
    _through_tanh(lines * size, dy.reshape(-1), y.reshape(-1), outer)
    multiply(outer, weight_y.reshape(-1), inner, (lines, size, size), (size, 1, size, 1))
    for t in reversed(range(steps)):
        _step_back(each, inner, states, flat, dh, t, t + 1 < steps, batch, size)
        recurrence.back_through_state(inner, weight_h, dh, batch, t * each)
    if dh_start is not None and steps:
        carry(each, dh, flat, dh_start.reshape(-1), size)
    elif dh_start is not None:
        copy(dh_start.reshape(-1), dh)
    static = (x_static, weight_static, dx_static, dweight_static)
    recurrence.project_back(inner, x, weight_x, dx, dweight_x, *static, beta, lines, batch)
    if dweight_h is not None:
        carried = empty(lines * size)
        carry(lines * size, states, flat, carried, size)
        recurrence.weight_gradient(inner, carried, dweight_h, beta, lines)
    if dweight_y is not None:
        recurrence.weight_gradient(outer, states[each:], dweight_y, beta, lines)
    for dbias, grad in ((dbias_h, inner), (dbias_y, outer)):
        if dbias is not None:
            recurrence.bias_gradient(grad, dbias, beta, lines)


@task
def _step(k, inputs, hidden, carried, cont, t, more, batch, size):
    """Value k of step t; the state that the next step sees is carried on."""
    h = tanh(inputs[t * batch * size + k])
    hidden[(t + 1) * batch * size + k] = h
    if more:
        carried[k] = h * cont[(t + 1) * batch + k // size]


@task
def _step_back(k, inner, hidden, cont, dh, t, more, batch, size):
    """Value k of step t; inner holds what comes through the output, dh what the next step carried on."""
    at, h = t * batch * size + k, hidden[(t + 1) * batch * size + k]
    down = inner[at] + (dh[k] * cont[(t + 1) * batch + k // size] if more else dh[k])
    inner[at] = down * (np.float32(1) - h * h)


@task
def _tanh(i, y):
    y[i] = tanh(y[i])


@task
def _through_tanh(i, dy, y, to):
    to[i] = dy[i] * (np.float32(1) - y[i] * y[i])
