"""LRN; see layers/lrn.py for the definition."""

import numpy as np

from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import get_num_threads, scratch, task
from caffelike.kernels.vector import ask

_PIXELS = 512  # of all channels at a time: what the next channels read again is still in the first-level cache
_NONE = np.empty(0, np.float32)


def forward(
    x: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray | None,
    region: str,
    size: int,
    alpha: float,
    beta: float,
    k: float,
) -> None:
    """y = x * scale^-beta, all (N, C, H, W)."""
    images, channels, height, width = x.shape
    x1, y1, scale = x.reshape(-1), y.reshape(-1), _NONE if scale is None else scale.reshape(-1)
    if region == "ACROSS_CHANNELS":
        pixels = height * width
        blocks = -(-pixels // _PIXELS)
        lines = scratch("lrn", get_num_threads() * _PIXELS)
        factor = alpha / size
        _across(images * blocks, 1, x1, y1, scale, channels, pixels, size, factor, beta, k, lines)
    else:
        lines = scratch("lrn", get_num_threads() * (2 * width + size))
        grain = max(1, 4096 // max(1, height * width))
        factor = alpha / (size * size)
        _within(images * channels, grain, x1, y1, scale, height, width, size, factor, beta, lines)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray,
    dx: np.ndarray,
    region: str,
    size: int,
    alpha: float,
    beta: float,
    k: float,
) -> None:
    """dx = dy scale^-beta - 2 alpha beta x mean(dy y / scale) over the window."""
    images, channels, height, width = x.shape
    arrays = (dy.reshape(-1), x.reshape(-1), y.reshape(-1), scale.reshape(-1), dx.reshape(-1))
    if region == "ACROSS_CHANNELS":
        pixels = height * width
        blocks = -(-pixels // _PIXELS)
        ring = scratch("lrn", get_num_threads() * (size + 1) * _PIXELS)
        factor = 2 * alpha * beta / size
        _across_back(images * blocks, 1, *arrays, channels, pixels, size, factor, beta, ring)
    else:
        lines = scratch("lrn", get_num_threads() * (height * width + 2 * width + size))
        grain = max(1, 4096 // max(1, height * width))
        factor = 2 * alpha * beta / (size * size)
        _within_back(images * channels, grain, *arrays, height, width, size, factor, beta, lines)


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
def _apply_back(dy, x, scale, beta, sums, factor, dx):
    """dx = dy scale^-beta - factor x sums."""
    if beta == np.float32(0.75):
        for i in range(dx.size):
            root = np.sqrt(scale[i])
            dx[i] = dy[i] / (root * np.sqrt(root)) - factor * x[i] * sums[i]
    else:
        for i in range(dx.size):
            dx[i] = dy[i] * scale[i] ** -beta - factor * x[i] * sums[i]


@task
def _across(worker, lo, hi, x, y, scale, channels, pixels, size, factor, beta, k, lines):
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
            ask(x, at + (half + 2) * pixels, n)
            ask(y, at + 2 * pixels, n)
            for i in range(n):
                sums[i] = sums[i] * factor + k
            if scale.size:
                ask(scale, at + 2 * pixels, n)
                kept = scale[at : at + n]
                for i in range(n):
                    kept[i] = sums[i]
            _apply(x[at : at + n], sums[:n], beta, y[at : at + n])


@task
def _across_back(worker, lo, hi, dy, x, y, scale, dx, channels, pixels, size, factor, beta, ring):
    """The blocks lo..hi of _PIXELS pixels. ring: of each worker, `size` channels of dy y / scale and their sum."""
    factor, beta, half = np.float32(factor), np.float32(beta), size // 2
    blocks = (pixels + _PIXELS - 1) // _PIXELS
    ring = ring[worker * (size + 1) * _PIXELS : (worker + 1) * (size + 1) * _PIXELS]
    sums = ring[size * _PIXELS :]
    for q in range(lo, hi):
        begin = q % blocks * _PIXELS
        n = min(_PIXELS, pixels - begin)
        image = q // blocks * channels * pixels + begin
        for c in range(-half, channels):
            ahead = c + half  # the channel that enters the window
            if ahead < channels:
                at, slot = image + ahead * pixels, ahead % size * _PIXELS
                g, v, s = dy[at : at + n], y[at : at + n], scale[at : at + n]
                ratio = ring[slot : slot + n]
                for following in (dy, y, scale):
                    ask(following, at + 2 * pixels, n)
                for i in range(n):
                    ratio[i] = g[i] * v[i] / s[i]
            if c < 0:
                continue
            sums[:n] = 0
            for j in range(max(0, c - half), min(channels, c + half + 1)):
                slot = j % size * _PIXELS
                ratio = ring[slot : slot + n]
                for i in range(n):
                    sums[i] += ratio[i]
            at = image + c * pixels
            ask(x, at + 2 * pixels, n)
            ask(dx, at + 2 * pixels, n)
            here = slice(at, at + n)
            _apply_back(dy[here], x[here], scale[here], beta, sums[:n], factor, dx[here])


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
def _within(worker, lo, hi, x, y, scale, height, width, size, factor, beta, lines):
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
            if scale.size:
                kept = scale[at : at + width]
                for w in range(width):
                    kept[w] = sums[w]
            _apply(x[at : at + width], sums, beta, y[at : at + width])


@task
def _within_back(worker, lo, hi, dy, x, y, scale, dx, height, width, size, factor, beta, lines):
    """The planes lo..hi."""
    factor, beta, pixels = np.float32(factor), np.float32(beta), height * width
    room = pixels + 2 * width + size
    own = lines[worker * room : (worker + 1) * room]
    ratio, sums, line = own[:pixels], own[pixels : pixels + width], own[pixels + width :]
    for p in range(lo, hi):
        at = p * pixels
        g, v, s = dy[at : at + pixels], y[at : at + pixels], scale[at : at + pixels]
        for i in range(pixels):
            ratio[i] = g[i] * v[i] / s[i]
        for h in range(height):
            row = at + h * width
            here = slice(row, row + width)
            _spread(line, width, size, h, height, ratio, False, sums)
            _apply_back(dy[here], x[here], scale[here], beta, sums, factor, dx[here])
