"""Bilinear resizing of uint8 images; see data/resize.py for the definition. Same bits, and no GIL."""

import numpy as np

from caffelike.kernels.jit import kernel


def mix(pixels: np.ndarray, horizontal: tuple[np.ndarray, ...], vertical: tuple[np.ndarray, ...]) -> np.ndarray:
    """Rows of (rows, columns * channels) mixed as the taps of both sides say: (height, width * channels)."""
    out = np.empty((len(vertical[0]), len(horizontal[0])), np.uint8)
    source = pixels.view()
    source.flags.writeable = False
    _mix(source, *horizontal, *vertical, out)
    return out


@kernel
def _mix(pixels, left, right, w0, w1, top, bottom, h0, h1, out):
    height, width = out.shape
    lines = np.empty((2, width), np.int32)  # two rows of the source, mixed along the columns
    held0 = held1 = -1
    for y in range(height):
        upper, lower = top[y], bottom[y]
        if upper != held0 and upper == held1:  # the next row begins where the last one ended
            for x in range(width):
                lines[0, x] = lines[1, x]
            held0 = upper
        if upper != held0:
            _along(pixels[upper], left, right, w0, w1, lines[0])
            held0 = upper
        if lower != held1:
            _along(pixels[lower], left, right, w0, w1, lines[1])
            held1 = lower
        a, b, there, above, below = np.int32(h0[y]), np.int32(h1[y]), out[y], lines[0], lines[1]
        for x in range(width):
            whole = np.int32((above[x] * a) >> 16) + np.int32((below[x] * b) >> 16)
            there[x] = np.uint8(np.int32(whole + 2) >> 2)


@kernel
def _along(row, left, right, w0, w1, line):
    for x in range(line.size):
        first, second = np.int32(row[np.uint64(left[x])]), np.int32(row[np.uint64(right[x])])
        line[x] = np.int32(first * w0[x] + second * w1[x]) >> 4
