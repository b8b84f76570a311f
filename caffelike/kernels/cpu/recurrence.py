"""What the recurrent kernels share: a product of the state with a square weight at every step, for a block of units.

The weight is packed once for all steps. The state lies in the order in which the register tile reads its left operand,
and whoever computes a unit's new state writes it there: a step is one launch, and nothing is packed in between.
"""

import numpy as np

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
_DEPTH = 5 * COLUMNS  # steps of k at a time: a panel then stays in the first-level cache


def items(batch: int, size: int) -> int:
    """Into how many items (blocks of units, then of sequences) a step is cut."""
    return -(-size // UNITS) * -(-batch // BATCH)


def state_size(batch: int, size: int, gates: int) -> int:
    """Floats that a state (batch, gates * size) takes."""
    return -(-batch // ROWS) * ROWS * size * gates + SLACK


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
