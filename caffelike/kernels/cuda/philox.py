"""Philox4x32-10 for kernels: bit for bit the numbers of caffelike/rng.py."""

import math

import numpy as np

from caffelike.kernels.cuda.door import device

# All words are non-negative int64 below 2^32: the GPU and the simulator then compute alike, without unsigned numbers.
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = 0xFFFFFFFF, 0xFFFF


def words(key: np.ndarray) -> tuple[int, int, int, int]:
    """What `bits` is told of a pass's key."""
    seed, name, step = (int(k) for k in key)
    return (seed ^ name) & _LOW, seed >> 32, step & _LOW, step >> 32


def least(ratio: float) -> int:
    """The least number for which bits >> 8 is at least the ratio: uniform numbers are that / 2^24."""
    return math.ceil(float(np.float32(ratio)) * 2**24)


@device
def _high(a, b):
    """The upper 32 bits of the product of two words; their product itself would not fit."""
    a0, a1, b0, b1 = a & _HALF, a >> 16, b & _HALF, b >> 16
    middle = a1 * b0 + ((a0 * b0) >> 16)
    return a1 * b1 + (middle >> 16) + ((a0 * b1 + (middle & _HALF)) >> 16)


@device
def _lower(a, b):
    """The lower 32 bits of the product of two words."""
    return ((a & _HALF) * b + ((((a >> 16) * b) & _HALF) << 16)) & _LOW


@device
def bits(i, k0, k1, low, high):
    """The 32 random bits of element i for the key's words k0, k1 and the pass's halves."""
    block = i // 4
    c0, c1, c2, c3 = block & _LOW, block >> 32, low, high
    for _ in range(10):
        h0, l0, h1, l1 = _high(_M0, c0), _lower(_M0, c0), _high(_M1, c2), _lower(_M1, c2)
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    word = i % 4
    if word == 0:
        return c0
    if word == 1:
        return c1
    return c2 if word == 2 else c3
