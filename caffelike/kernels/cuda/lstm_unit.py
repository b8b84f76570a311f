"""LSTMUnit; see layers/lstm_unit.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task
from caffelike.kernels.cuda.scalar import tanh


def forward(c_prev: Any, gates: Any, cont: Any, c: Any, h: Any) -> None:
    """One step."""
    arrays = (c_prev.reshape(-1), gates.reshape(-1), cont.reshape(-1), c.reshape(-1), h.reshape(-1))
    _forward(c.size, *arrays, int(c.shape[2]))


def backward(dc: Any, dh: Any, c_prev: Any, gates: Any, cont: Any, c: Any, dc_prev: Any, dgates: Any) -> None:
    """One step back."""
    arrays = [a.reshape(-1) for a in (dc, dh, c_prev, gates, cont, c)]
    to = [arrays[0] if a is None else a.reshape(-1) for a in (dc_prev, dgates)]
    _backward(c.size, *arrays, *to, dc_prev is not None, dgates is not None, int(c.shape[2]))


@device
def gate(v):
    """The logistic function, as 0.5 tanh(0.5 v) + 0.5."""
    return np.float32(0.5) * tanh(np.float32(0.5) * v) + np.float32(0.5)


@device
def _open(k, gates, cont, size):
    """The activated gates i, f (times cont), o, g of cell k."""
    at, kept = k // size * 4 * size + k % size, cont[k // size]
    f = np.float32(0) if kept == 0 else kept * gate(gates[at + size])
    return gate(gates[at]), f, gate(gates[at + 2 * size]), tanh(gates[at + 3 * size])


@task
def _forward(k, c_prev, gates, cont, c, h, size):
    i, f, o, g = _open(k, gates, cont, size)
    v = f * c_prev[k] + i * g
    c[k] = v
    h[k] = o * tanh(v)


@task
def _backward(k, dc, dh, c_prev, gates, cont, c, dc_prev, dgates, to_cell, to_gates, size):
    i, f, o, g = _open(k, gates, cont, size)
    one, squashed = np.float32(1), tanh(c[k])
    cell = dc[k] + dh[k] * o * (one - squashed * squashed)
    if to_cell:
        dc_prev[k] = cell * f
    if to_gates:
        at = k // size * 4 * size + k % size
        dgates[at] = cell * g * i * (one - i)
        dgates[at + size] = cell * c_prev[k] * f * (one - f)
        dgates[at + 2 * size] = dh[k] * squashed * o * (one - o)
        dgates[at + 3 * size] = cell * i * (one - g * g)
