"""DenseCRF: sharper maps of classes, by a random field in which every pixel is tied to every other."""

from typing import Any

import numpy as np

from caffelike.errors import DataError, ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._loss import softmax
from caffelike.layers._permutohedral import Lattice, bilateral, spatial
from caffelike.registry import register

_FLT_MIN = float(np.finfo(np.float32).tiny)


@register("DenseCRF", param="dense_crf_param")
class DenseCRF(Layer):
    """Mean field inference: q = softmax(x); then max_iter times q = softmax(x + sum of w norm K(q)).

    bottoms: x (N, C, H, W), scores; size (N, 1, 1, 2), height and width of each image that count (ImageSegData's third
        top); image (N, 3, H, W), optional. tops: y like x, 0 beyond the size: q, or log(q), at least log(FLT_MIN), with
        output_probability (true) false.
    K: a Gaussian filter over the pixels, norm: 1 / K(1). One for each pos_w and pos_xy_std (a deviation in pixels):
        exp(-|p - q|^2 / (2 std^2)); with an image one for each bi_w, bi_xy_std and bi_rgb_std, which also counts the
        difference of colours, of this deviation. By the permutohedral lattice, which is some percent off.
    max_iter 10.
    Gradient: none. Errors: ModelError for options, ShapeError for shapes, DataError for a size of nothing.
    Source: Kraehenbuehl and Koltun, NIPS 2011; DeepLab's fork of Caffe (Chen et al., ICLR 2015), which filters all
        items by the first one's image.
    """

    bottoms = ("x", "size", "image?")
    no_gradient = ("size", "image")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the terms of the field."""
        near = list(zip(p.pos_w, p.pos_xy_std, strict=False))
        alike = list(zip(p.bi_w, p.bi_xy_std, p.bi_rgb_std, strict=False))
        if len(p.pos_w) != len(p.pos_xy_std):
            raise self.fail("pos_w and pos_xy_std must be as many.", ModelError)
        if not len(p.bi_w) == len(p.bi_xy_std) == len(p.bi_rgb_std):
            raise self.fail("bi_w, bi_xy_std and bi_rgb_std must be as many.", ModelError)
        if len(shapes) > 2 and not alike:
            raise self.fail("has an image, but no bi_w, bi_xy_std and bi_rgb_std.", ModelError)
        if any(not deviation > 0 for term in near + alike for deviation in term[1:]):
            raise self.fail("pos_xy_std, bi_xy_std and bi_rgb_std must be greater than 0.", ModelError)
        self.options = {
            "near": tuple(near),
            "alike": tuple(alike) if len(shapes) > 2 else (),
            "iterations": int(p.max_iter),
            "logarithm": not p.output_probability,
        }

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """As the scores."""
        x, size = shapes[:2]
        if len(x) != 4 or int(np.prod(size)) != 2 * x[0]:
            raise self.fail(f"needs scores (N, C, H, W) and two numbers an item, but they are {x} and {size}.")
        if len(shapes) > 2 and shapes[2] != (x[0], 3, *x[2:]):
            raise self.fail(f"the image must be {(x[0], 3, *x[2:])}, but it is {shapes[2]}.")
        return [x]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """Every pixel is tied to every other."""
        return Sees.ALL


def forward(
    x: np.ndarray,
    size: np.ndarray,
    image: np.ndarray | None,
    y: np.ndarray,
    near: tuple,
    alike: tuple,
    iterations: int,
    logarithm: bool,
) -> None:
    """Item by item."""
    y[...] = 0
    for item, (height, width) in enumerate(size.reshape(-1, 2).astype(np.int64)):
        if height < 1 or width < 1:
            raise DataError(f"The size of item {item} of the batch is {height}x{width}; it must be at least 1x1.")
        part = x[item, :, :height, :width]
        field: list[tuple[float, Lattice]] = [
            (w, spatial(part.shape[1], part.shape[2], std, x.dtype)) for w, std in near
        ]
        if image is not None:
            field += [(w, bilateral(image[item, :, :height, :width], std, color)) for w, std, color in alike]
        scores = part.reshape(len(part), -1)
        q = np.empty_like(scores)
        softmax(scores, 0, q)
        for _ in range(iterations):
            following = scores.copy()
            for weight, lattice in field:
                following += lattice.filter(q) * (lattice.norm * x.dtype.type(weight))
            softmax(following, 0, q)
        y[item, :, :height, :width] = (np.log(np.maximum(q, _FLT_MIN)) if logarithm else q).reshape(part.shape)
