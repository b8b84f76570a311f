"""Random numbers that depend on nothing but a key and a position: Philox4x32-10.

The same seed gives the same numbers for any thread count, device or number of workers, and after
a resume. Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
Caffe's own random stream is not reproduced.
"""

import os
import threading
import zlib

import numpy as np

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_ROUNDS = 10

_state = threading.local()


def set_random_seed(seed: int | None) -> None:
    """Seed this thread's random numbers, as Caffe's function of that name; None or negative: from the system."""
    _state.seed = int(seed) if seed is not None and seed >= 0 else _entropy()
    _state.nets = 0


def _entropy() -> int:
    return int.from_bytes(os.urandom(7), "little")


def next_seed() -> int:
    """A seed for the next net built in this thread: the thread's seed and how many nets came before."""
    if not hasattr(_state, "seed"):
        set_random_seed(None)
    _state.nets += 1
    return (_state.seed * 1_000_003 + _state.nets - 1) & 0xFFFFFFFFFFFFFFFF


def new_key(seed: int, name: str) -> np.ndarray:
    """The uint64[3] key (seed, hash of a layer's or source's name, pass 0)."""
    return np.array([seed & 0xFFFFFFFFFFFFFFFF, zlib.crc32(name.encode()), 0], np.uint64)


def generator(seed: int, name: str, index: int = 0) -> np.random.Generator:
    """NumPy's generator keyed likewise, for work outside kernels (fillers, shuffles)."""
    # As an array: NumPy would make float64 of a list with a number above 2**63, and lose the index.
    key = np.array([seed & 0xFFFFFFFFFFFFFFFF, zlib.crc32(name.encode()) << 32 | index], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def bits(key: np.ndarray, count: int) -> np.ndarray:
    """`count` uint32 of random bits for `key`; element i depends on (key, i) alone.

    Counter word 0 and 1 hold i // 4 (low, high), words 2 and 3 the pass (key[2]); the Philox key
    words are the two halves of key[0] mixed with key[1].
    """
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    seed, name, step = (np.uint64(k) for k in key)
    k0 = (seed ^ name) & _LOW
    k1 = (seed >> np.uint64(32)) & _LOW
    c = [blocks & _LOW, blocks >> np.uint64(32)]
    c += [np.full_like(blocks, step & _LOW), np.full_like(blocks, step >> np.uint64(32))]
    for _ in range(_ROUNDS):
        p0, p1 = _M0 * c[0], _M1 * c[2]
        c = [
            (p1 >> np.uint64(32)) ^ c[1] ^ k0,
            p1 & _LOW,
            (p0 >> np.uint64(32)) ^ c[3] ^ k1,
            p0 & _LOW,
        ]
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return np.stack(c, axis=1).astype(np.uint32).ravel()[:count]


def uniform(key: np.ndarray, count: int) -> np.ndarray:
    """`count` float32 in [0, 1): the top 24 bits of `bits`."""
    return (bits(key, count) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
