"""FlowWarp: moves an image along an optical flow."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Sees, Shape
from caffelike.registry import register


@register("FlowWarp", param="flow_warp_param")
class FlowWarp(Layer):
    """y[n, c, h, w] = image n, c at the place (h + v, w + u), between pixels by bilinear interpolation.

    bottoms: image (N, C, H, W); flow (N, 2, H, W), u (to the right) and v (down) in pixels.
    tops: y (N, C, H, W).
    A place counts as inside up to but without H and W; beyond the last row and column the last ones go on.
    fill_value ZERO: what y is where the place lies outside the image; NOT_A_NUMBER.
    Gradient: to the image in the shares that were taken, to the flow the slopes of the image; none where the place lies
        outside. Errors: ShapeError for bottoms that do not fit.
    Source: Ilg et al., "FlowNet 2.0", CVPR 2017.
    """

    bottoms = ("image", "flow")
    backward_reads = ("image", "flow")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read what fills the outside."""
        self.options = {"fill": float("nan") if p.fill_value == p.NOT_A_NUMBER else 0.0}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The image's shape."""
        image, flow = shapes
        if len(image) != 4 or flow != (image[0], 2, *image[2:]):
            raise self.fail(f"needs an image (N, C, H, W) and a flow (N, 2, H, W), but they are {image} and {flow}.")
        return [image]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """What the flow says."""
        return Sees.UNKNOWN


def forward(image: np.ndarray, flow: np.ndarray, y: np.ndarray, fill: float) -> None:
    """Four pixels and their shares for every place."""
    inside, corners, shares = _places(flow)
    for n, picture in enumerate(_flat(image)):
        total = sum(picture[:, corner[n]] * share[n] for corner, share in zip(corners, shares, strict=True))
        y[n] = np.where(inside[n], total, fill).reshape(y[n].shape)


def backward(
    dy: np.ndarray,
    image: np.ndarray,
    flow: np.ndarray,
    dimage: np.ndarray | None,
    dflow: np.ndarray | None,
) -> None:
    """dimage: spread in the same shares. dflow: differences between the four pixels."""
    inside, corners, shares = _places(flow)
    grads = np.where(inside[:, None], _flat(dy), 0)
    if dimage is not None:
        dimage[...] = 0
        for to, grad, *parts in zip(dimage.reshape(grads.shape), grads, *corners, *shares, strict=True):
            for corner, share in zip(parts[:4], parts[4:], strict=True):
                np.add.at(to.T, corner, (grad * share).T)
    if dflow is not None:
        right, down = shares[1] + shares[3], shares[2] + shares[3]  # how far beyond the pixel to the left and above
        for n, picture in enumerate(_flat(image)):
            here, east, south, both = (picture[:, corner[n]] for corner in corners)
            along = (east - here) * (1 - down[n]) + (both - south) * down[n]
            across = (south - here) * (1 - right[n]) + (both - east) * right[n]
            slopes = np.stack([(grads[n] * along).sum(axis=0), (grads[n] * across).sum(axis=0)])
            dflow[n] = slopes.reshape(dflow[n].shape)


def _flat(images: np.ndarray) -> np.ndarray:
    """(N, C, H W)."""
    return images.reshape(*images.shape[:2], images.shape[2] * images.shape[3])


def _places(flow: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Of every place, flat: whether it is inside, the indices of the four pixels around it, and their shares."""
    height, width = flow.shape[2:]
    x = flow[:, 0] + np.arange(width, dtype=flow.dtype)
    y = flow[:, 1] + np.arange(height, dtype=flow.dtype)[:, None]
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    x, y = (np.where(inside, a, 0).reshape(flow.shape[0], height * width) for a in (x, y))
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, down = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    a, b = x - left, y - top
    corners = [top * width + left, top * width + right, down * width + left, down * width + right]
    shares = [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b]
    return inside.reshape(flow.shape[0], height * width), corners, shares
