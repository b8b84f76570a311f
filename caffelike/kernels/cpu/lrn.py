"""LRN; see layers/lrn.py for the definition."""

import numpy as np

from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.replay import replayable
from caffelike.kernels.vector import ask

_PIXELS = 512  # of all channels at a time: what the next channels read again is still in the first-level cache


@replayable
def forward(x: np.ndarray, y: np.ndarray, region: str, size: int, alpha: float, beta: float, k: float) -> None:
    """y = x * scale^-beta, all (N, C, H, W)."""
    images, channels, height, width = x.shape
    x1, y1 = x.reshape(-1), y.reshape(-1)
    if region == "ACROSS_CHANNELS":
        pixels = height * width
        blocks = -(-pixels // _PIXELS)
        lines = scratch("lrn", get_num_threads() * _PIXELS)
        _across(images * blocks, 1, x1, y1, channels, pixels, size, alpha / size, beta, k, lines)
    else:
        lines = scratch("lrn", get_num_threads() * (2 * width + size))
        grain = max(1, 4096 // max(1, height * width))
        factor = alpha / (size * size)
        _within(images * channels, grain, x1, y1, height, width, size, factor, beta, lines)


@replayable
def backward(
    dy: np.ndarray, x: np.ndarray, dx: np.ndarray, region: str, size: int, alpha: float, beta: float, k: float
) -> None:
    """dx = dy scale^-beta - 2 alpha beta x mean(dy y / scale) over the window; dx may be dy.

    The scale is worked out once more.
    """
    images, channels, height, width = x.shape
    arrays = (dy.reshape(-1), x.reshape(-1), dx.reshape(-1))
    if region == "ACROSS_CHANNELS":
        pixels = height * width
        blocks = -(-pixels // _PIXELS)
        ring = scratch("lrn", get_num_threads() * (2 * size + 1) * _PIXELS)
        factors = (alpha / size, 2 * alpha * beta / size, beta, k)
        _across_back(images * blocks, 1, *arrays, channels, pixels, size, factors, ring)
    else:
        lines = scratch("lrn", get_num_threads() * (2 * height * width + 2 * width + size))
        grain = max(1, 4096 // max(1, height * width))
        factors = (alpha / (size * size), 2 * alpha * beta / (size * size), beta)
        _within_back(images * channels, grain, *arrays, height, width, size, factors, lines)


# A choice inside a loop over pixels would keep it from becoming vector code: `beta` 0.75 has loops of its own.


@kernel
def _apply(x, scale, beta, y):
    """y = x scale^-beta."""
    if beta == np.float32(0.75):  # two square roots are much faster than a power
        for i in range(y.size):
            root = np.sqrt(scale[i])
            y[i] = x[i] / (root * np.sqrt(root))
    else:
        for i in range(y.size):
            y[i] = x[i] * scale[i] ** -beta


@kernel
def _ratios(dy, x, scale, beta, ratio):
    """ratio = dy y / scale, then scale = scale^-beta."""
    if beta == np.float32(0.75):
        for i in range(ratio.size):
            s = scale[i]
            root = np.sqrt(s)
            power = np.float32(1) / (root * np.sqrt(root))
            ratio[i] = dy[i] * x[i] * power / s
            scale[i] = power
    else:
        for i in range(ratio.size):
            power = scale[i] ** -beta
            ratio[i] = dy[i] * x[i] * power / scale[i]
            scale[i] = power


@kernel
def _squares(x, at, image, c, channels, pixels, half, n, sums):
    """sums = the squares of x in the channels around c, for the n pixels from `at` (channel c) on."""
    if half == 2 and c >= 2 and c + 2 < channels:  # the usual size, in registers
        a, b, d = x[at - 2 * pixels : at - 2 * pixels + n], x[at - pixels : at - pixels + n], x[at : at + n]
        e, f = x[at + pixels : at + pixels + n], x[at + 2 * pixels : at + 2 * pixels + n]
        for i in range(n):
            sums[i] = a[i] * a[i] + b[i] * b[i] + d[i] * d[i] + e[i] * e[i] + f[i] * f[i]
    else:
        sums[:n] = 0
        for j in range(max(0, c - half), min(channels, c + half + 1)):
            near = x[image + j * pixels : image + j * pixels + n]
            for i in range(n):
                sums[i] += near[i] * near[i]


@task
def _across(worker, lo, hi, x, y, channels, pixels, size, factor, beta, k, lines):
    """The blocks lo..hi of _PIXELS pixels."""
    factor, beta, k, half = np.float32(factor), np.float32(beta), np.float32(k), size // 2
    blocks = (pixels + _PIXELS - 1) // _PIXELS
    sums = lines[worker * _PIXELS : (worker + 1) * _PIXELS]
    for q in range(lo, hi):
        begin = q % blocks * _PIXELS
        n = min(_PIXELS, pixels - begin)
        image = q // blocks * channels * pixels + begin
        for c in range(channels):
            at = image + c * pixels
            _squares(x, at, image, c, channels, pixels, half, n, sums)
            ask(x, at + (half + 2) * pixels, n)
            ask(y, at + 2 * pixels, n)
            for i in range(n):
                sums[i] = sums[i] * factor + k
            _apply(x[at : at + n], sums[:n], beta, y[at : at + n])


@task
def _across_back(worker, lo, hi, dy, x, dx, channels, pixels, size, factors, ring):
    """The blocks lo..hi of _PIXELS pixels.

    ring: of each worker, `size` channels of dy y / scale, as many of scale^-beta, and the sum of the first.
    """
    factor, crossed = np.float32(factors[0]), np.float32(factors[1])
    beta, k, half = np.float32(factors[2]), np.float32(factors[3]), size // 2
    blocks = (pixels + _PIXELS - 1) // _PIXELS
    ring = ring[worker * (2 * size + 1) * _PIXELS : (worker + 1) * (2 * size + 1) * _PIXELS]
    powers, sums = ring[size * _PIXELS : 2 * size * _PIXELS], ring[2 * size * _PIXELS :]
    for q in range(lo, hi):
        begin = q % blocks * _PIXELS
        n = min(_PIXELS, pixels - begin)
        image = q // blocks * channels * pixels + begin
        for c in range(-half, channels):
            ahead = c + half  # the channel that enters the window
            if ahead < channels:
                at, slot = image + ahead * pixels, ahead % size * _PIXELS
                scale = powers[slot : slot + n]
                ask(dy, at + 2 * pixels, n)
                ask(x, at + (half + 2) * pixels, n)
                _squares(x, at, image, ahead, channels, pixels, half, n, scale)
                for i in range(n):
                    scale[i] = scale[i] * factor + k
                _ratios(dy[at : at + n], x[at : at + n], scale, beta, ring[slot : slot + n])
            if c < 0:
                continue
            sums[:n] = 0
            for j in range(max(0, c - half), min(channels, c + half + 1)):
                slot = j % size * _PIXELS
                ratio = ring[slot : slot + n]
                for i in range(n):
                    sums[i] += ratio[i]
            at, slot = image + c * pixels, c % size * _PIXELS
            ask(dx, at + 2 * pixels, n)
            _apply_back(dy[at : at + n], x[at : at + n], powers[slot : slot + n], sums[:n], crossed, dx[at : at + n])


@kernel
def _apply_back(dy, x, power, sums, factor, dx):
    """dx = dy power - factor x sums; dx may be dy."""
    if dx.ctypes.data == dy.ctypes.data:  # a loop that names one array only, or LLVM does not vectorise
        for i in range(dx.size):
            dx[i] = dx[i] * power[i] - factor * x[i] * sums[i]
    else:
        for i in range(dx.size):
            dx[i] = dy[i] * power[i] - factor * x[i] * sums[i]


@kernel
def _spread(line, width, size, h, height, plane, square, out):
    """out[w] = the sum over size x size pixels of the plane (squared) around row h; line: width + size numbers."""
    half = size // 2
    line[: width + size] = 0
    middle = line[half : half + width]
    for r in range(max(0, h - half), min(height, h + half + 1)):
        row = plane[r * width : (r + 1) * width]
        if square:
            for w in range(width):
                middle[w] += row[w] * row[w]
        else:
            for w in range(width):
                middle[w] += row[w]
    out[:width] = 0
    for j in range(size):
        shifted = line[j : j + width]
        for w in range(width):
            out[w] += shifted[w]


@task
def _within(worker, lo, hi, x, y, height, width, size, factor, beta, lines):
    """The planes lo..hi."""
    factor, beta, one = np.float32(factor), np.float32(beta), np.float32(1)
    own = lines[worker * (2 * width + size) : (worker + 1) * (2 * width + size)]
    line, sums = own[width:], own[:width]
    for p in range(lo, hi):
        plane = x[p * height * width : (p + 1) * height * width]
        for h in range(height):
            at = (p * height + h) * width
            _spread(line, width, size, h, height, plane, True, sums)
            for w in range(width):
                sums[w] = sums[w] * factor + one
            _apply(x[at : at + width], sums, beta, y[at : at + width])


@task
def _within_back(worker, lo, hi, dy, x, dx, height, width, size, factors, lines):
    """The planes lo..hi."""
    factor, crossed, beta = np.float32(factors[0]), np.float32(factors[1]), np.float32(factors[2])
    pixels, one = height * width, np.float32(1)
    room = 2 * pixels + 2 * width + size
    own = lines[worker * room : (worker + 1) * room]
    ratio, powers, sums, line = own[:pixels], own[pixels : 2 * pixels], own[2 * pixels :], own[2 * pixels + width :]
    for p in range(lo, hi):
        at = p * pixels
        for h in range(height):
            _spread(line, width, size, h, height, x[at : at + pixels], True, powers[h * width : (h + 1) * width])
        for i in range(pixels):
            powers[i] = powers[i] * factor + one
        _ratios(dy[at : at + pixels], x[at : at + pixels], powers, beta, ratio)
        for h in range(height):
            row = at + h * width
            here, power = slice(row, row + width), powers[h * width : (h + 1) * width]
            _spread(line, width, size, h, height, ratio, False, sums)
            _apply_back(dy[here], x[here], power, sums, crossed, dx[here])
