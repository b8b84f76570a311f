"""Turning, zooming and moving a record's pixels; see data/augment.py for the definition. Same bits."""

import numpy as np

from caffelike.kernels.jit import kernel


def warp(pixels: np.ndarray, inverse: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Bilinear: out[:, y, x] = pixels at `inverse` @ (x, y, 1); what lies outside is `fill`. float32."""
    out = np.empty(pixels.shape, np.float32)
    values = pixels.view()
    values.flags.writeable = False
    _warp(values, inverse.astype(np.float32), fill, out)
    return out


@kernel
def _warp(values, a, fill, out):
    channels, height, width = out.shape
    one, low = np.float32(1), np.float32(-2)
    right, bottom = np.float32(width + 1), np.float32(height + 1)
    a00, a10 = a[0, 0], a[1, 0]
    for y in range(height):
        row = np.float32(y)
        across, down = a[0, 1] * row + a[0, 2], a[1, 1] * row + a[1, 2]
        for x in range(width):
            column = np.float32(x)
            sx, sy = a00 * column + across, a10 * column + down
            sx = low if sx < low else right if sx > right else sx
            sy = low if sy < low else bottom if sy > bottom else sy
            left, top = int(np.floor(sx)), int(np.floor(sy))
            fx, fy = sx - np.float32(left), sy - np.float32(top)
            gx, gy = one - fx, one - fy
            if 0 <= left < width - 1 and 0 <= top < height - 1:
                x0, x1, y0, y1 = np.uint64(left), np.uint64(left + 1), np.uint64(top), np.uint64(top + 1)
                for c in range(channels):
                    upper = np.float32(values[c, y0, x0]) * gx + np.float32(values[c, y0, x1]) * fx
                    lower = np.float32(values[c, y1, x0]) * gx + np.float32(values[c, y1, x1]) * fx
                    out[c, y, x] = upper * gy + lower * fy
                continue
            for c in range(channels):
                upper = lower = np.float32(0)
                for i in range(4):
                    v, h = top + i // 2, left + i % 2
                    value = fill[c]
                    if 0 <= v < height and 0 <= h < width:
                        value = np.float32(values[c, v, h])
                    part = value * (fx if i % 2 else gx)
                    if i < 2:
                        upper = part if i == 0 else upper + part
                    else:
                        lower = part if i == 2 else lower + part
                out[c, y, x] = upper * gy + lower * fy
