"""Sums of many terms, each output by one block of threads whose partial sums are added in a fixed order.

No atomics: the same input gives the same bits. Terms are added in double precision, as the definitions do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import SIMULATED, cuda, device, kernel, named, task

_THREADS = 2 if SIMULATED else 256  # in a block; a power of 2
_FEW = 64  # terms up to which one thread does an output by itself
_MOST_BLOCKS = 65535


def summed(function: Callable) -> Callable[..., None]:
    """f(outputs, terms, out, beta, *args): out[o] = the sum of function(o, k, *args) over k < terms, + beta out[o].

    beta: 0 (whatever out holds) or 1. out: 1-D, of `outputs` numbers.
    """
    term = device(function)

    def alone(o, terms, out, beta, arguments):
        result = 0.0
        for k in range(terms):
            result += term(o, k, *arguments)
        out[o] = result + out[o] if beta else result

    def together(outputs, terms, out, beta, arguments):
        part = cuda.shared.array(_THREADS, np.float64)
        me, o = cuda.threadIdx.x, cuda.blockIdx.x
        while o < outputs:
            result = 0.0
            for k in range(me, terms, _THREADS):
                result += term(o, k, *arguments)
            part[me] = result
            cuda.syncthreads()
            half = _THREADS // 2
            while half > 0:
                if me < half:
                    part[me] += part[me + half]
                cuda.syncthreads()
                half //= 2
            if me == 0:
                out[o] = part[0] + out[o] if beta else part[0]
            cuda.syncthreads()
            o += cuda.gridDim.x

    by_threads, by_blocks = task(named(alone, function)), kernel(named(together, function))

    def call(outputs: int, terms: int, out: Any, beta: float, *args: Any) -> None:
        if terms <= _FEW:
            by_threads(outputs, terms, out, bool(beta), args)
        elif outputs:
            by_blocks(min(outputs, _MOST_BLOCKS), _THREADS, outputs, terms, out, bool(beta), args)

    return call
