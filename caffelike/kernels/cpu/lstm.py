"""LSTM; see layers/lstm.py for the definition.

The inputs of all gates are one product for all steps. A step then is one launch: for a block of units the product of
the state with the four gates' weights, the gates, cells and outputs, written where the next step reads its state.
"""

import numpy as np

from caffelike.kernels.cpu import inner_product
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
from caffelike.kernels.cpu.vector_math import sigmoid, tanh
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import scratch, task

_NONE = np.empty(0, np.float32)


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
    """All steps; hidden, cells and gates are filled where they are given, for backward."""
    steps, batch, size = y.shape
    rows, keep = 4 * size, gates is not None
    h, c = (h_state, c_state) if h_start is None else (h_start, c_start)
    last_h, last_c = (h_state, c_state) if h_start is None else (h_end, c_end)
    if gates is None:
        gates = workspace("lstm gates", steps * batch, rows)
    inputs = gates.reshape(steps * batch, rows)
    inner_product.forward(lines_of(x, weight_x), weight_x, None, inputs, 1, False)
    base = static_inputs(bias, x_static, weight_static)
    if keep:
        hidden[0], cells[0] = h[0], c[0]
        past = cells.reshape(-1)
    else:  # the cells before and after a step by turns
        past = scratch("lstm cells", 2 * batch * size)
        past[: batch * size] = c.reshape(-1)
    packing = worth_packing(steps, batch)
    room = state_size(batch, size, 1)
    state = scratch("recurrent state", 2 * room)
    packed = pack_weight(weight_h, size, False) if packing else _NONE
    if packing:
        pack_state(cont[0, :, None] * h[0], state)
    for t in range(steps):
        if not packing:
            recurrent = workspace("lstm recurrent", batch, rows)
            inner_product.forward(cont[t, :, None] * (y[t - 1] if t else h[0]), weight_h, None, recurrent, 1, False)
            inputs[t * batch : (t + 1) * batch] += recurrent
        before, after = (t, t + 1) if keep else (t % 2, (t + 1) % 2)
        _step(
            items(batch, size), 1, packing, state, t % 2 * room, (t + 1) % 2 * room, packed,
            gates.reshape(-1), t * batch * rows, base.reshape(-1), 0 if x_static is None else rows,
            cont.reshape(-1), t, steps, past, before * batch * size, after * batch * size,
            hidden.reshape(-1) if keep else _NONE, y.reshape(-1), batch, size,
        )  # fmt: skip
    end = (steps if keep else steps % 2) * batch * size
    last_h[0] = y[-1] if steps else h[0]
    last_c[0] = past[end : end + batch * size].reshape(batch, size)


@task
def _step(
    worker, lo, hi, recur, state, here, there, weight, gates, start, base, pitch, cont, t, steps, cells, before,
    after, hidden, y, batch, size,
):  # fmt: skip
    """Items lo..hi of step t. recur: the product with the state is still to be added to `gates`.

    here, there: where in `state` this step's and the next one's begin; start, before, after: where in `gates` and
    `cells` this step's values, the cells before it and those after it do.
    """
    chunks, blocks, one = (batch + BATCH - 1) // BATCH, (size + UNITS - 1) // UNITS, np.float32(1)
    for item in range(lo, hi):
        u, first = item // chunks * UNITS, item % chunks * BATCH
        n, count = min(UNITS, size - u), min(BATCH, batch - first)
        if recur:
            for gate in range(4):
                to = start + (first * 4 + gate) * size + u
                panel = gate * blocks + item // chunks
                product(state, here, 0, weight, panel, gates, to, 4 * size, first, count, batch, size, n, True)
        for r in range(first, first + count):
            at, add, s = start + r * 4 * size + u, r * pitch + u, r * size + u
            i, f = gates[at : at + n], gates[at + size : at + size + n]
            o, g = gates[at + 2 * size : at + 2 * size + n], gates[at + 3 * size : at + 3 * size + n]
            _open(i, base[add : add + n], one)
            _open(f, base[add + size : add + size + n], cont[t * batch + r])
            _open(o, base[add + 2 * size : add + 2 * size + n], one)
            _squash(g, base[add + 3 * size : add + 3 * size + n])
            c, out = cells[after + s : after + s + n], y[t * batch * size + s : t * batch * size + s + n]
            _cell(f, cells[before + s : before + s + n], i, g, c)
            _output(o, c, out)
            if hidden.size:
                copy = hidden[(t + 1) * batch * size + s : (t + 1) * batch * size + s + n]
                for j in range(n):
                    copy[j] = out[j]
            if recur and t + 1 < steps:
                spread(out, n, state, there + place(r, u, batch, size, 0), cont[(t + 1) * batch + r])


# One loop for each result: LLVM vectorises those over few arrays only, as it must see that they do not overlap.


@kernel
def _open(values, base, factor):
    """A gate: factor sigmoid(values + base), 0 for factor 0."""
    if factor == np.float32(0):
        values[:] = 0
        return
    for j in range(values.size):
        values[j] = factor * sigmoid(values[j] + base[j])


@kernel
def _squash(values, base):
    for j in range(values.size):
        values[j] = tanh(values[j] + base[j])


@kernel
def _cell(f, before, i, g, after):
    for j in range(after.size):
        after[j] = f[j] * before[j] + i[j] * g[j]


@kernel
def _output(o, c, y):
    for j in range(y.size):
        y[j] = o[j] * tanh(c[j])


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
    """Back through the steps, then the weights of all steps at once."""
    steps, batch, size = dy.shape
    rows, count = 4 * size, batch * size
    slopes = workspace("lstm gates", steps * batch, rows)
    down = workspace("lstm cells", 2, count)  # gradients of h (without dy) and of c
    down[0] = 0 if dh_end is None else dh_end.reshape(-1)
    down[1] = 0 if dc_end is None else dc_end.reshape(-1)
    room = state_size(batch, size, 4)
    state = scratch("recurrent state", 2 * room)
    packing = worth_packing(steps, batch)
    packed = pack_weight(weight_h, size, True) if packing else _NONE
    for t in reversed(range(steps)):
        if not packing and t + 1 < steps:
            through_state(slopes, t + 1, weight_h, cont, down[0])
        _step_back(
            items(batch, size), 1, packing, state, (t + 1) % 2 * room, t % 2 * room, packed,
            gates.reshape(-1), slopes.reshape(-1), t, steps, cont.reshape(-1), cells.reshape(-1), dy.reshape(-1),
            down.reshape(-1), batch, size,
        )  # fmt: skip
    if dc_start is not None:
        dc_start[...] = down[1].reshape(dc_start.shape)
    if dh_start is not None:
        if steps:
            through_state(slopes, 0, weight_h, cont, down[0])
        dh_start[...] = down[0].reshape(dh_start.shape)
    down_x = None if dx is None else lines_of(dx, weight_x)
    inner_product.backward(slopes, lines_of(x, weight_x), weight_x, down_x, dweight_x, dbias, 1, False, beta)
    state_weight_gradient(slopes, cont, hidden, weight_h, dweight_h, beta)
    static_gradients(slopes, steps, x_static, weight_static, dx_static, dweight_static, beta)


@task
def _step_back(
    worker, lo, hi, recur, state, here, there, weight, gates, slopes, t, steps, cont, cells, dy, down, batch, size
):
    """Items lo..hi of step t. recur: the slopes of the step after it, if there is one, are still to be brought down.

    here, there: where in `state` the slopes of the step after it and its own begin.
    """
    chunks, blocks, one = (batch + BATCH - 1) // BATCH, (size + UNITS - 1) // UNITS, np.float32(1)
    follows = recur and t + 1 < steps
    for item in range(lo, hi):
        u, first = item // chunks * UNITS, item % chunks * BATCH
        n, count = min(UNITS, size - u), min(BATCH, batch - first)
        if follows:
            for gate in range(4):
                to, panel = first * size + u, gate * blocks + item // chunks
                product(state, here, gate, weight, panel, down, to, size, first, count, batch, size, n, gate > 0)
        for r in range(first, first + count):
            at, s = (t * batch + r) * 4 * size + u, r * size + u
            i, f = gates[at : at + n], gates[at + size : at + size + n]
            o, g = gates[at + 2 * size : at + 2 * size + n], gates[at + 3 * size : at + 3 * size + n]
            di, df = slopes[at : at + n], slopes[at + size : at + size + n]
            do, dg = slopes[at + 2 * size : at + 2 * size + n], slopes[at + 3 * size : at + 3 * size + n]
            now = t * batch * size + s
            c, after = cells[now : now + n], cells[now + batch * size : now + batch * size + n]
            dh, dc = down[s : s + n], down[batch * size + s : batch * size + s + n]
            _join(dh, cont[(t + 1) * batch + r] if follows else one, dy[now : now + n])
            for j in range(n):
                do[j] = tanh(after[j])
            _cell_slope(dc, dh, o, do)
            _output_slope(do, dh, o)
            _gate_slope(di, dc, g, i)
            _gate_slope(df, dc, c, f)
            for j in range(n):
                dg[j] = dc[j] * i[j] * (one - g[j] * g[j])
            for j in range(n):
                dc[j] *= f[j]
            if recur and t > 0:
                spread(di, n, state, there + place(r, u, batch, size, 0), one)
                spread(df, n, state, there + place(r, u, batch, size, 1), one)
                spread(do, n, state, there + place(r, u, batch, size, 2), one)
                spread(dg, n, state, there + place(r, u, batch, size, 3), one)


@kernel
def _join(dh, factor, dy):
    for j in range(dh.size):
        dh[j] = factor * dh[j] + dy[j]


@kernel
def _cell_slope(dc, dh, o, squashed):
    for j in range(dc.size):
        dc[j] += dh[j] * o[j] * (np.float32(1) - squashed[j] * squashed[j])


@kernel
def _output_slope(squashed, dh, o):
    for j in range(dh.size):
        squashed[j] = dh[j] * squashed[j] * o[j] * (np.float32(1) - o[j])


@kernel
def _gate_slope(slope, dc, other, gate):
    for j in range(dc.size):
        slope[j] = dc[j] * other[j] * gate[j] * (np.float32(1) - gate[j])
