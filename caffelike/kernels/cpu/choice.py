"""Which algorithm a convolution runs by: chosen by counting cycles, never by timing, so that bits do not change."""

import os
from functools import lru_cache

from caffelike.kernels.cpu.correlate import Window
from caffelike.kernels.launch import changed
from caffelike.kernels.vector import LANES

# Few channels gain little, and nets so small are trained to see whether they follow Caffe's loss curve digit by digit.
_FEWEST = 32

_FORMS = {3: (4, 2), 5: (2,)}  # m of the F(m, r) for each r

_direct = os.environ.get("CAFFELIKE_CONV", "") == "direct"


def set_direct(direct: bool) -> None:
    """True: plain products only, as with CAFFELIKE_CONV=direct in the environment.

    Winograd's results are off by up to 5e-6 of the largest output (plain products: 1e-6).
    """
    global _direct
    _direct = direct
    changed()


def best_form(window: Window, maps: tuple[int, ...], out: tuple[int, ...], groups: int) -> int:
    """The m of Winograd's F(m, r) for maps (N, C, H, W) and out (N, O, OH, OW), or 0: direct products."""
    square = window.kernel in ((3, 3), (5, 5)) and window.stride == (1, 1) and window.dilation == (1, 1)
    if _direct or not square or 0 in out or min(maps[1], out[1]) < _FEWEST * groups:
        return 0
    return _cheapest(maps[0], groups, maps[1] // groups, out[1] // groups, out[2], out[3], window.kernel[0])


def best_form_of_weights(window: Window, maps: tuple[int, ...], out: tuple[int, ...], groups: int) -> int:
    """The same for the gradient of the weights, whose tiles follow one another from map to map without gaps."""
    if not best_form(window, maps, out, groups):
        return 0
    return _cheapest_of_weights(maps[0], maps[1] // groups, out[1] // groups, out[2], out[3], window.kernel[0])


@lru_cache(maxsize=512)
def _cheapest_of_weights(maps: int, channels: int, rows: int, height: int, width: int, r: int) -> int:
    """Cycles as in `_cheapest`."""

    def cycles(m: int) -> float:
        points, tiles = (m + r - 1) ** 2, maps * -(-height // m) * -(-width // m)
        products = channels * rows * (tiles + 8) / (0.85 * 2 * LANES)  # storing sums takes as long as 8 tiles
        return points * (products + (tiles * (channels + rows) * 0.8 + channels * rows * 0.2) * 16 / LANES)

    return min(_FORMS[r], key=cycles)


@lru_cache(maxsize=512)
def _cheapest(maps: int, groups: int, channels: int, rows: int, height: int, width: int, r: int) -> int:
    """Cycles on one core, per group; rates from measurements on AVX-512, scaled with the vectors' width."""
    products_a_cycle = 2 * LANES
    direct = maps * height * width * channels * rows * r * r / (0.78 * products_a_cycle)
    best = (0.95 * direct, 0)
    for m in _FORMS[r]:
        points = (m + r - 1) ** 2
        tiles = -(-height // m) * -(-width // m)
        tiles = maps * (tiles if LANES % tiles == 0 else -(-tiles // LANES) * LANES)
        tiles = -(-tiles // LANES) * LANES
        weights = points * channels * rows
        products = weights * tiles / (0.8 * products_a_cycle)
        passes = (tiles * (channels + rows) * points * 0.8 + weights * 0.3) * 16 / LANES
        stream = weights * 4 / 6 if weights > 2_000_000 else 0  # those that the cache does not hold: 6 bytes a cycle
        best = min(best, (max(products, stream) + passes, m))
    return best[1]
