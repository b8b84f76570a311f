"""RNN; see layers/rnn.py for the definition. A step is one launch, as in the LSTM's kernel (lstm.py)."""

import numpy as np

from caffelike.kernels.cpu import inner_product
from caffelike.kernels.cpu import tanh as tanh_layer
from caffelike.kernels.cpu.recurrence import (
    BATCH,
    UNITS,
    items,
    lines_of,
    pack_state,
    pack_weight,
    place,
    product,
    spread,
    state_size,
    state_weight_gradient,
    static_gradients,
    static_inputs,
    through_state,
    workspace,
    worth_packing,
)
from caffelike.kernels.cpu.vector_math import tanh
from caffelike.kernels.launch import scratch, task

_NONE = np.empty(0, np.float32)


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
    """The inputs of all steps, the steps, the outputs of all steps."""
    steps, batch, size = y.shape
    if hidden is None:
        hidden = workspace("rnn hidden", (steps + 1) * batch, size).reshape(steps + 1, batch, size)
    hidden[0] = (h_state if h_start is None else h_start)[0]
    states = hidden[1:].reshape(steps * batch, size)
    inner_product.forward(lines_of(x, weight_x), weight_x, None, states, 1, False)
    base = static_inputs(bias_h, x_static, weight_static)
    packing, room = worth_packing(steps, batch), state_size(batch, size, 1)
    state = scratch("recurrent state", 2 * room)
    packed = pack_weight(weight_h, size, False) if packing else _NONE
    if packing:
        pack_state(cont[0, :, None] * hidden[0], state)
    for t in range(steps):
        if not packing:
            recurrent = workspace("rnn recurrent", batch, size)
            inner_product.forward(cont[t, :, None] * hidden[t], weight_h, None, recurrent, 1, False)
            hidden[t + 1] += recurrent
        _step(
            items(batch, size), 1, packing, state, t % 2 * room, (t + 1) % 2 * room, packed,
            hidden.reshape(-1), base.reshape(-1), 0 if x_static is None else size, cont.reshape(-1), t, steps,
            batch, size,
        )  # fmt: skip
    inner_product.forward(states, weight_y, bias_y, y.reshape(steps * batch, size), 1, False)
    tanh_layer.forward(y, y)
    (h_state if h_start is None else h_end)[0] = hidden[-1]


@task
def _step(worker, lo, hi, recur, state, here, there, weight, hidden, base, pitch, cont, t, steps, batch, size):
    """Items lo..hi of step t: hidden[t + 1] holds the inputs, and afterwards the state.

    recur: the product with the state before is still to be added. here, there: where in `state` this step's and the
    next one's begin.
    """
    chunks, now = (batch + BATCH - 1) // BATCH, (t + 1) * batch * size
    for item in range(lo, hi):
        u, first = item // chunks * UNITS, item % chunks * BATCH
        n, count = min(UNITS, size - u), min(BATCH, batch - first)
        if recur:
            to = now + first * size + u
            product(state, here, 0, weight, item // chunks, hidden, to, size, first, count, batch, size, n, True)
        for r in range(first, first + count):
            h = hidden[now + r * size + u : now + r * size + u + n]
            add = base[r * pitch + u : r * pitch + u + n]
            for j in range(n):
                h[j] = tanh(h[j] + add[j])
            if recur and t + 1 < steps:
                spread(h, n, state, there + place(r, u, batch, size, 0), cont[(t + 1) * batch + r])


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
    """Through the outputs of all steps, back through the steps, then the weights of all steps at once."""
    steps, batch, size = dy.shape
    outer, slopes = (workspace(role, steps * batch, size) for role in ("rnn outer", "rnn slopes"))
    tanh_layer.backward(dy.reshape(outer.shape), y.reshape(outer.shape), outer)
    states = hidden[1:].reshape(steps * batch, size)
    inner_product.backward(outer, states, weight_y, slopes, dweight_y, dbias_y, 1, False, beta)
    down = workspace("rnn down", batch, size).reshape(-1)  # what the steps behind say about the state
    down[:] = 0 if dh_end is None else dh_end.reshape(-1)
    packing, room = worth_packing(steps, batch), state_size(batch, size, 1)
    state = scratch("recurrent state", 2 * room)
    packed = pack_weight(weight_h, size, True) if packing else _NONE
    for t in reversed(range(steps)):
        if not packing and t + 1 < steps:
            through_state(slopes, t + 1, weight_h, cont, down)
        _step_back(
            items(batch, size), 1, packing, state, (t + 1) % 2 * room, t % 2 * room, packed,
            hidden.reshape(-1), slopes.reshape(-1), t, steps, cont.reshape(-1), down, batch, size,
        )  # fmt: skip
    if dh_start is not None:
        if steps:
            through_state(slopes, 0, weight_h, cont, down)
        dh_start[...] = down.reshape(dh_start.shape)
    down_x = None if dx is None else lines_of(dx, weight_x)
    inner_product.backward(slopes, lines_of(x, weight_x), weight_x, down_x, dweight_x, dbias_h, 1, False, beta)
    state_weight_gradient(slopes, cont, hidden, weight_h, dweight_h, beta)
    static_gradients(slopes, steps, x_static, weight_static, dx_static, dweight_static, beta)


@task
def _step_back(worker, lo, hi, recur, state, here, there, weight, hidden, slopes, t, steps, cont, down, batch, size):
    """Items lo..hi of step t: slopes holds what the outputs say about the states, and afterwards those of the inputs.

    recur: the slopes of the step after it, if there is one, are still to be brought down. here, there: where in
    `state` the slopes of the step after it and its own begin.
    """
    chunks, now, one = (batch + BATCH - 1) // BATCH, t * batch * size, np.float32(1)
    follows = recur and t + 1 < steps
    for item in range(lo, hi):
        u, first = item // chunks * UNITS, item % chunks * BATCH
        n, count = min(UNITS, size - u), min(BATCH, batch - first)
        if follows:
            to = first * size + u
            product(state, here, 0, weight, item // chunks, down, to, size, first, count, batch, size, n, False)
        for r in range(first, first + count):
            s = r * size + u
            slope, below = slopes[now + s : now + s + n], down[s : s + n]
            h = hidden[now + batch * size + s : now + batch * size + s + n]
            factor = cont[(t + 1) * batch + r] if follows else one
            for j in range(n):
                slope[j] = (factor * below[j] + slope[j]) * (one - h[j] * h[j])
            if recur and t > 0:
                spread(slope, n, state, there + place(r, u, batch, size, 0), one)
