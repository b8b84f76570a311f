"""Philox4x32-10 for kernels: bit for bit the numbers of caffelike/rng.py."""

import numpy as np

from caffelike.kernels.jit import kernel

UNITS = np.float32(2**-24)
"""A number in [0, 1) is the top 24 bits times this."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_32 = np.uint64(32)


@kernel
def philox(key, block, blocks, out):
    """out[:4 * blocks] (uint32) = the random bits of elements 4 * block onwards; key: uint64[3]."""
    k0, k1 = np.uint32(key[0] ^ key[1]), np.uint32(key[0] >> _32)
    low, high = np.uint32(key[2]), np.uint32(key[2] >> _32)
    for i in range(blocks):
        at = np.uint64(block + i)
        c0, c1, c2, c3 = np.uint32(at), np.uint32(at >> _32), low, high
        a, b = k0, k1
        for _ in range(10):
            p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
            c0, c1 = np.uint32(p1 >> _32) ^ c1 ^ a, np.uint32(p1)
            c2, c3 = np.uint32(p0 >> _32) ^ c3 ^ b, np.uint32(p0)
            a, b = np.uint32(a + _W0), np.uint32(b + _W1)
        out[4 * i], out[4 * i + 1], out[4 * i + 2], out[4 * i + 3] = c0, c1, c2, c3
