"""Crop, mirror, mean and scale of one record in one pass; see data/transformer.py for the definition.

They run in the calling thread and without the GIL, so that several threads may prepare a batch. Each pixel is
(value - mean) * scale in float32, in this order. mean: (channels, 1, 1), or (channels, height, width) as the record.

A mirrored row is turned round in a pass of its own, over a line that stays in the cache: in one loop with the
arithmetic, LLVM's code for the way back is two and a half times slower.
"""

import numpy as np

from caffelike.kernels.jit import kernel


def planes(values, mean, out, top, left, mirrored, scale):
    """out (channels, h, w) from the uint8 `values` of (channels, height, width), cut out at (top, left)."""
    # Both in one function vectorise three times worse.
    (_planes_less_image if mean[0].size > 1 else _planes)(values, mean, out, top, left, mirrored, scale)


@kernel
def _turn(line, there):
    """there = line, right to left; of 32 bits, for bytes take longer."""
    width = len(there)
    for x in range(width):
        there[x] = line[np.uint64(width - 1 - x)]


@kernel
def _planes(values, mean, out, top, left, mirrored, scale):
    channels, height, width = out.shape
    scale = np.float32(scale)
    line = np.empty(width, np.float32)
    for c in range(channels):
        flat = mean[c, 0, 0]
        for y in range(height):
            row, there = values[c, top + y, left : left + width], out[c, y]
            if mirrored:
                for x in range(width):
                    line[x] = (np.float32(np.int32(row[x])) - flat) * scale
                _turn(line, there)
            else:
                for x in range(width):
                    there[x] = (np.float32(np.int32(row[x])) - flat) * scale


@kernel
def _planes_less_image(values, mean, out, top, left, mirrored, scale):
    channels, height, width = out.shape
    scale = np.float32(scale)
    line = np.empty(width, np.float32)
    for c in range(channels):
        for y in range(height):
            row, there = values[c, top + y, left : left + width], out[c, y]
            level = mean[c, top + y, left : left + width]
            if mirrored:
                for x in range(width):
                    line[x] = (np.float32(np.int32(row[x])) - level[x]) * scale
                _turn(line, there)
            else:
                for x in range(width):
                    there[x] = (np.float32(np.int32(row[x])) - level[x]) * scale


def planes_of_all(values, mean, out, corners, mirrored, scale):
    """`planes` for values (n, channels, height, width), corners (n, 2) of (top, left) and mirrored (n,)."""
    (_all_less_image if mean[0].size > 1 else _all)(values, mean, out, corners, mirrored, scale)


@kernel
def _all(values, mean, out, corners, mirrored, scale):
    for i in range(len(values)):
        _planes(values[i], mean, out[i], corners[i, 0], corners[i, 1], mirrored[i], scale)


@kernel
def _all_less_image(values, mean, out, corners, mirrored, scale):
    for i in range(len(values)):
        _planes_less_image(values[i], mean, out[i], corners[i, 0], corners[i, 1], mirrored[i], scale)


@kernel
def words(values, mean, out, top, left, mirrored, scale):
    """out (3, h, w) = blue, green, red from the uint32 `values` of (height, width), red in the lowest byte."""
    _, height, width = out.shape
    scale, whole = np.float32(scale), mean[0].size > 1
    line, turned = np.empty(width, np.float32), np.empty(width, np.uint32)
    for y in range(height):
        row = values[top + y, left : left + width]
        if mirrored:
            _turn(row, turned)
        for c in range(3):
            shift, there = np.uint32(16 - 8 * c), out[c, y]
            if whole:
                level = mean[c, top + y, left : left + width]
                if mirrored:
                    for x in range(width):
                        line[x] = (np.float32(np.uint8(row[x] >> shift)) - level[x]) * scale
                    _turn(line, there)
                else:
                    for x in range(width):
                        there[x] = (np.float32(np.uint8(row[x] >> shift)) - level[x]) * scale
            else:
                flat = mean[c, 0, 0]
                if mirrored:
                    for x in range(width):
                        there[x] = (np.float32(np.uint8(turned[x] >> shift)) - flat) * scale
                else:
                    for x in range(width):
                        there[x] = (np.float32(np.uint8(row[x] >> shift)) - flat) * scale


@kernel
def interleaved(values, mean, out, top, left, mirrored, scale):
    """out (channels, h, w) from the uint8 `values` of (height, width, channels), cut out at (top, left)."""
    channels, height, width = out.shape
    scale, whole = np.float32(scale), mean[0].size > 1
    for y in range(height):
        row = values[top + y, left : left + width]
        for c in range(channels):
            there, flat = out[c, y], mean[c, 0, 0]
            for x in range(width):
                at = np.uint64(width - 1 - x if mirrored else x)
                level = mean[c, top + y, np.uint64(left) + at] if whole else flat
                there[x] = (np.float32(np.int32(row[at, c])) - level) * scale
