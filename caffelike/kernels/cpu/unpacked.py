"""Sliding windows over few channels with few outputs, as the first layers of nets: nothing of the map is packed.

Where a pixel serves few rows of weights, bringing it into a panel takes as long as the products. Here the register
tile reads lines of the padded planes (see pack_planes) where they are, one row of the output after the other.
"""

from caffelike.kernels.cpu.pack import pack_planes
from caffelike.kernels.cpu.tile import ROWS, flags_of_block, multiply_lines
from caffelike.kernels.launch import task
from caffelike.kernels.vector import LANES

_MOST_ROWS = 128
_LEAST_WIDTH = 2 * LANES


def fits(rows: int, width: int, channels: int) -> bool:
    """Whether it pays for `rows` outputs of this width from so many channels."""
    vectors = -(-width // LANES)
    return rows <= _MOST_ROWS and channels <= 16 and width >= _LEAST_WIDTH and width >= 0.87 * vectors * LANES


@task
def rows_of_output(worker, lo, hi, maps, packed, bias, out, places, sizes, stride, pad, phases, plane, more, high,
                   block, flags, planes, planes_slot):  # fmt: skip
    """Items (map, band of `high` rows) of out[n, m, p], as `_correlate` in correlate.py has them; one group."""
    channels, height, width, rows, out_height, out_width, depth = sizes
    bands, own = (out_height + high - 1) // high, worker * planes_slot + LANES
    panels = (rows + ROWS - 1) // ROWS
    for item in range(lo, hi):
        n, first = item // bands, item % bands * high
        last = min(out_height, first + high)
        pack_planes(
            planes, own, maps, n * channels * height * width, channels, height, width, stride[0], stride[1],
            pad[0] - first * stride[0], pad[1], phases[0], phases[1], plane[0], plane[1], 0, last - first + more,
        )  # fmt: skip
        for y in range(first, last):
            for k in range(0, depth, block):
                kc = min(block, depth - k)
                todo = flags_of_block(flags, k == 0, k + kc == depth)
                multiply_lines(
                    packed, k * panels * ROWS, planes, own + (y - first) * plane[1], places, k, out,
                    (n * rows * out_height + y) * out_width, bias, 0, rows, out_width, kc, out_height * out_width, todo,
                )  # fmt: skip
