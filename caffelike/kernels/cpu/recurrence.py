"""What the recurrent kernels share: a product of the state with a square weight at every step, for a block of units.

The weight is packed once for all steps. The state lies in the order in which the register tile reads its left operand,
and whoever computes a unit's new state writes it there: a step is one launch, and nothing is packed in between.
"""

import numpy as np

from caffelike.kernels.cpu import inner_product
from caffelike.kernels.cpu.gemm import lines
from caffelike.kernels.cpu.pack import SLACK, pack_left, pack_right, pack_right_transposed
from caffelike.kernels.cpu.tile import ADD, COLUMNS, ROWS, multiply
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import scratch, task
from caffelike.kernels.vector import LANES

UNITS = COLUMNS
"""Units of an item of work: the columns of a panel of the weight."""
BATCH = 8 * ROWS
"""Sequences of an item of work."""
_FEW = 2  # sequences for which a weight is rather read as it lies at every step than packed for tiles of more rows
_DEPTH = 5 * COLUMNS  # steps of k at a time: a panel then stays in the first-level cache


def items(batch: int, size: int) -> int:
    """Into how many items (blocks of units, then of sequences) a step is cut."""
    return -(-size // UNITS) * -(-batch // BATCH)


def state_size(batch: int, size: int, gates: int) -> int:
    """Floats that a state (batch, gates * size) takes."""
    return -(-batch // ROWS) * ROWS * size * gates + SLACK


def worth_packing(steps: int, batch: int) -> bool:
    """Whether a step's product is made of packed operands; else it is an inner product between two launches."""
    return steps > 1 and batch > _FEW


def pack_weight(weight: np.ndarray, size: int, back: bool) -> np.ndarray:
    """weight (gates * size, size) in panels, for state . weight^T, or with `back` for gradients . weight.

    It lies in scratch memory: one recurrent layer at a time.
    """
    rows = len(weight)
    panels = rows // size * -(-size // COLUMNS)
    packed = scratch("recurrent weight", panels * -(-size // LANES) * LANES * COLUMNS + SLACK)
    _pack_weight(panels, max(1, 16384 // (COLUMNS * size)), weight.reshape(-1), lines(rows, size), size, back, packed)
    return packed


@kernel
def _panel(panel, k, size):
    """Where step k of a panel is; packing writes LANES steps at a time, so a panel has a multiple of them."""
    return (panel * ((size + LANES - 1) // LANES * LANES) + k) * COLUMNS


@task
def _pack_weight(worker, lo, hi, weight, offsets, size, back, packed):
    blocks = (size + COLUMNS - 1) // COLUMNS
    for panel in range(lo, hi):
        gate, u = panel // blocks, panel % blocks * COLUMNS
        width = min(COLUMNS, size - u)
        for k in range(0, size, _DEPTH):
            kc, to = min(_DEPTH, size - k), _panel(panel, k, size)
            if back:
                pack_right(packed, to, weight, 0, offsets, gate * size + k, kc, u, width, size, 1, 0, 0)
            else:
                pack_right_transposed(packed, to, weight, 0, offsets, gate * size + u, width, k, kc, size, 1, 0, 0)


def pack_state(state: np.ndarray, packed: np.ndarray) -> None:
    """state (N, size) into packed[:state_size(N, size, 1)]."""
    _pack_state(1, 1, state.reshape(-1), *state.shape, packed)


@task
def _pack_state(worker, lo, hi, state, batch, size, packed):
    height = (batch + ROWS - 1) // ROWS * ROWS
    for k in range(0, size, _DEPTH):
        kc = min(_DEPTH, size - k)
        pack_left(packed, k * height, ROWS * kc, state, k, batch, size, kc, 1)


@kernel
def place(r, u, batch, size, gate):
    """Where a packed state holds sequence r, unit u of a gate; the units of u's block follow ROWS apart."""
    height = (batch + ROWS - 1) // ROWS * ROWS
    k = u // _DEPTH * _DEPTH
    return gate * height * size + k * height + r // ROWS * ROWS * min(_DEPTH, size - k) + (u - k) * ROWS + r % ROWS


@kernel
def product(state, at, gate, weight, panel, c, to, pitch, first, rows, batch, size, width, add):
    """C[rows, width] at c[to] = (add: + C) one gate's state of the sequences from `first` . a panel of its weight.

    at: where in `state` the packed state begins.
    """
    height = (batch + ROWS - 1) // ROWS * ROWS
    for k in range(0, size, _DEPTH):
        kc = min(_DEPTH, size - k)
        left = at + gate * height * size + k * height + first * kc
        right = _panel(panel, k, size)
        multiply(state, left, weight, right, c, to, weight, 0, rows, width, kc, pitch, ADD if add or k > 0 else 0)


@kernel
def spread(values, n, state, at, factor):
    """state[at + j * ROWS] = factor * values[j]"""
    for j in range(n):
        state[at + j * ROWS] = factor * values[j]


# What is done for all steps at once -------------------------------------------------------------------------------


def workspace(role: str, rows: int, columns: int) -> np.ndarray:
    """Scratch memory (rows, columns)."""
    return scratch(role, rows * columns)[: rows * columns].reshape(rows, columns)


def lines_of(array: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(steps * N, features) or (N, features), with as many features as the weight has columns."""
    features = weight.shape[1]
    return array.reshape(array.size // features, features)


def static_inputs(bias: np.ndarray, x_static: np.ndarray | None, weight_static: np.ndarray | None) -> np.ndarray:
    """What is added to the inputs at every step: bias, for all sequences, or with the static input (N, len(bias))."""
    if x_static is None:
        return bias
    static = lines_of(x_static, weight_static)
    base = workspace("recurrent base", len(static), bias.size)
    inner_product.forward(static, weight_static, bias, base, 1, False)
    return base


def static_gradients(slopes, steps, x_static, weight_static, dx_static, dweight_static, beta) -> None:
    """Gradients of the static input and its weight, where wanted; slopes: of the inputs, (steps * N, rows)."""
    if dx_static is None and dweight_static is None:
        return
    static = lines_of(x_static, weight_static)
    total = workspace("recurrent base", len(static), slopes.shape[1])
    each = slopes.reshape(steps, total.size)
    inner_product.backward(each, each, each, None, None, total.reshape(-1), 1, False, 0)  # as of a bias: the sum
    down = None if dx_static is None else lines_of(dx_static, weight_static)
    inner_product.backward(total, static, weight_static, down, dweight_static, None, 1, False, beta)


def state_weight_gradient(slopes, cont, hidden, weight, dweight, beta) -> None:
    """The gradient of the weight between steps; hidden (steps + 1, N, size): the state before each step."""
    if dweight is not None:
        carried = workspace("recurrent base", len(slopes), weight.shape[1])
        np.multiply(cont[:, :, None], hidden[:-1], out=carried.reshape(hidden[:-1].shape))
        inner_product.backward(slopes, carried, weight, None, dweight, None, 1, False, beta)


def through_state(slopes, t, weight, cont, down) -> None:
    """down (flat) = what the slopes of step t say about the state before it."""
    batch = cont.shape[1]
    down, here = down.reshape(batch, weight.shape[1]), slopes[t * batch : (t + 1) * batch]
    inner_product.backward(here, down, weight, down, None, None, 1, False, 0)
    down *= cont[t, :, None]
