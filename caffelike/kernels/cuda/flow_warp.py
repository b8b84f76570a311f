"""FlowWarp; see layers/flow_warp.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import device, task
from caffelike.kernels.cuda.door import fill as fill_with


def forward(image: Any, flow: Any, y: Any, fill: float) -> None:
    """One thread makes one pixel, of the four around where it comes from."""
    _forward(y.size, image.reshape(-1), flow.reshape(-1), y.reshape(-1), float(fill), *_sizes(image))


def backward(dy: Any, image: Any, flow: Any, dimage: Any, dflow: Any) -> None:
    """dimage: spread in the same shares, a thread for each plane. dflow: differences between the four pixels."""
    sizes, g, way = _sizes(image), dy.reshape(-1), flow.reshape(-1)
    if dimage is not None:
        to = dimage.reshape(-1)
        fill_with(to, 0)
        _to_image(int(image.shape[0] * image.shape[1]), g, way, to, *sizes)
    if dflow is not None:
        _to_flow(int(image.shape[0]) * sizes[1] * sizes[2], g, image.reshape(-1), way, dflow.reshape(-1), *sizes)


def _sizes(image: Any) -> tuple[int, int, int]:
    """Channels, height, width."""
    return int(image.shape[1]), int(image.shape[2]), int(image.shape[3])


@device
def _place(flow, n, pixel, height, width):
    """(inside, first pixel, steps to the right and down, shares of these) of where a pixel comes from."""
    at, whole = 2 * n * height * width + pixel, height * width
    x, y = flow[at] + np.float32(pixel % width), flow[at + whole] + np.float32(pixel // width)
    if not (x >= 0 and y >= 0 and x < np.float32(width) and y < np.float32(height)):
        return False, 0, 0, 0, np.float32(0), np.float32(0)
    left, top = int(x), int(y)
    right, down = min(left + 1, width - 1) - left, (min(top + 1, height - 1) - top) * width
    return True, top * width + left, right, down, x - np.float32(left), y - np.float32(top)


@task
def _forward(i, image, flow, y, fill, channels, height, width):
    plane, pixel = i // (height * width), i % (height * width)
    inside, at, right, down, a, b = _place(flow, plane // channels, pixel, height, width)
    at += plane * height * width
    one = np.float32(1)
    above = image[at] * ((one - a) * (one - b)) + image[at + right] * (a * (one - b))
    below = image[at + down] * ((one - a) * b) + image[at + down + right] * (a * b)
    y[i] = above + below if inside else fill


@task
def _to_image(plane, dy, flow, dimage, channels, height, width):
    first, one = plane * height * width, np.float32(1)
    for pixel in range(height * width):
        inside, at, right, down, a, b = _place(flow, plane // channels, pixel, height, width)
        if inside:
            g = dy[first + pixel]
            dimage[first + at] += g * ((one - a) * (one - b))
            dimage[first + at + right] += g * (a * (one - b))
            dimage[first + at + down] += g * ((one - a) * b)
            dimage[first + at + down + right] += g * (a * b)


@task
def _to_flow(i, dy, image, flow, dflow, channels, height, width):
    n, pixel, whole = i // (height * width), i % (height * width), height * width
    inside, at, right, down, a, b = _place(flow, n, pixel, height, width)
    along, across, one = np.float32(0), np.float32(0), np.float32(1)
    if inside:
        for c in range(channels):
            first = (n * channels + c) * whole
            here, east = image[first + at], image[first + at + right]
            south, both = image[first + at + down], image[first + at + down + right]
            g = dy[first + pixel]
            along += g * ((east - here) * (one - b) + (both - south) * b)
            across += g * ((south - here) * (one - a) + (both - east) * a)
    dflow[2 * n * whole + pixel] = along
    dflow[(2 * n + 1) * whole + pixel] = across
