"""Products of matrices in tiles, whose operands are read through functions: they need not lie in memory as matrices.

A convolution is such a product (Chetlur et al., cuDNN, 2014): its right operand is the unfolded image, which never
exists; each block of threads gathers the tile it needs into shared memory.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import SIMULATED, cuda, device, kernel, named, task

_SIDE = 2 if SIMULATED else 16  # threads along each side of a block, and terms in a step
_EACH = 4  # outputs of a thread in each direction: 16 products for 8 numbers read from shared memory
_TILE = _SIDE * _EACH
_FEW = 16 if SIMULATED else 8  # rows below which tiles are mostly empty, or slow: one thread works out one output


def product(left: Callable, right: Callable, store: Callable) -> Callable[..., None]:
    """f(batches, rows, columns, terms, *args): the sums over k of left(b, m, k, *args) right(b, k, n, *args).

    store(b, m, n, value, *args) gets each of them once. All terms of an output are added by one thread, in order.
    """
    first, second, put = device(left), device(right), device(store)

    def alone(i, rows, columns, terms, arguments):
        b, m, n = i // (rows * columns), i // columns % rows, i % columns
        value = np.float32(0)
        for k in range(terms):
            value += first(b, m, k, *arguments) * second(b, k, n, *arguments)
        put(b, m, n, value, *arguments)

    def tiles(rows, columns, terms, arguments):
        a = cuda.shared.array((_TILE, _SIDE), np.float32)
        c = cuda.shared.array((_SIDE, _TILE), np.float32)
        sums = cuda.local.array((_EACH, _EACH), np.float32)
        across, down, b = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockIdx.z
        row, column = cuda.blockIdx.y * _TILE + down, cuda.blockIdx.x * _TILE + across
        for i in range(_EACH):
            for j in range(_EACH):
                sums[i, j] = np.float32(0)
        for start in range(0, terms, _SIDE):
            for i in range(_EACH):
                m, n = row + i * _SIDE, column + i * _SIDE
                inside = m < rows and start + across < terms
                a[down + i * _SIDE, across] = first(b, m, start + across, *arguments) if inside else np.float32(0)
                inside = n < columns and start + down < terms
                c[down, across + i * _SIDE] = second(b, start + down, n, *arguments) if inside else np.float32(0)
            cuda.syncthreads()
            for k in range(_SIDE):
                for i in range(_EACH):
                    value = a[down + i * _SIDE, k]
                    for j in range(_EACH):
                        sums[i, j] += value * c[k, across + j * _SIDE]
            cuda.syncthreads()
        for i in range(_EACH):
            for j in range(_EACH):
                m, n = row + i * _SIDE, column + j * _SIDE
                if m < rows and n < columns:
                    put(b, m, n, sums[i, j], *arguments)

    by_threads, by_tiles = task(named(alone, store)), kernel(named(tiles, store))

    def call(batches: int, rows: int, columns: int, terms: int, *args: Any) -> None:
        if rows < _FEW:
            by_threads(batches * rows * columns, rows, columns, terms, args)
        elif batches * columns:
            blocks = (-(-columns // _TILE), -(-rows // _TILE), batches)
            by_tiles(blocks, (_SIDE, _SIDE), rows, columns, terms, args)

    return call
