import numpy as np

from caffelike import rng as definition
from caffelike.kernels.cpu.philox import philox


def test_same_bits_from_any_block():
    key = np.array([0xFEDCBA9876543210, 0x9ABCDEF0, 2**40 + 7], np.uint64)
    wanted = definition.bits(key, 4 * 37)
    for block in (0, 1, 36):
        got = np.zeros(4 * (37 - block), np.uint32)
        philox(key, block, 37 - block, got)
        np.testing.assert_array_equal(got, wanted[4 * block :])
