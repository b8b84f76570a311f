"""The fields of SSD's fork in the transform_param of a layer without boxes.

In this order: colours (distort_param), a larger canvas (expand_param), another size (resize_param), noise
(noise_param); then crop, mirror, mean and scale. In TRAIN and TEST alike; what is random depends on (seed, layer,
number of the record) alone.
"""

from typing import Any, NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data import boxes, noise
from caffelike.data.boxes import Place
from caffelike.data.resize import resize_nearest
from caffelike.errors import DataError, ModelError


class Prepared(NamedTuple):
    """What is done to one picture; height, width: of what comes out. Has the methods of `random_size.Piece`."""

    height: int
    width: int
    param: Any
    policy: Any  # a ResizeParameter, or None
    expanded: Place | None
    source: tuple[int, int]  # the height and width that are resized
    fitted: Place | None
    mode: str
    generator: np.random.Generator

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """The picture (channels, height, width) as it comes out."""
        p, image = self.param, values.transpose(1, 2, 0)
        if image.dtype != np.uint8 and (p.HasField("distort_param") or p.noise_param):
            raise DataError("distort_param and noise_param take pixels of 8 bits; these are floats")
        if p.HasField("distort_param"):
            image = boxes.distort(image, p.distort_param, self.generator)
        if self.expanded:
            image = boxes.on_canvas(image, self.expanded, np.rint(np.array(p.mean_value or [0.0])))
        if self.fitted:
            image = boxes.resized_to(image, self.fitted, self.policy, self.mode)
        if p.noise_param:
            image = noise.noisy(image, noise.one_of(p.noise_param, self.generator), self.generator)
        return image.transpose(2, 0, 1)

    def labels(self, labels: np.ndarray, fill: float) -> np.ndarray:
        """A map of labels (height, width) moved as the pixels are, each of the nearest; `fill` comes in around it."""
        for place in (self.expanded, self.fitted):
            if place:
                canvas = np.full((place.height, place.width), fill, labels.dtype)
                inner = np.s_[place.top : place.top + place.rows, place.left : place.left + place.columns]
                canvas[inner] = resize_nearest(labels, place.rows, place.columns)
                labels = canvas
        return labels

    def points(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 2) of (x, y) come to lie; the centre of the first pixel is (0, 0)."""
        if self.expanded:
            points = points + np.array([self.expanded.left, self.expanded.top])
        if self.fitted:
            factor = np.array([self.fitted.columns, self.fitted.rows]) / (self.source[1], self.source[0])
            points = (points + 0.5) * factor - 0.5 + (self.fitted.left, self.fitted.top)
        return points


class SsdFields:
    """How a layer's pictures are prepared, by the fields of SSD's fork in its transform_param.

    resize_param: see `boxes.resized`; of several one is drawn for each batch, by their prob. distort_param: see
    `boxes.distort`. expand_param: with the probability prob on a canvas 1 .. max_expand_ratio as large on both sides,
    of the colour mean_value. noise_param: see noise.py. emit_constraint is about boxes; here it says nothing.
    Raises ModelError for options that cannot be.
    """

    def __init__(self, param: Any, name: str):
        boxes.check(param, name)
        self.param, self.name, self._policy = param, name, None
        fitted = [one.resize_mode != one.FIT_SMALL_SIZE for one in param.resize_param]
        if param.HasField("expand_param") and not param.crop_size and not (fitted and all(fitted)):
            raise ModelError(
                "expand_param makes pictures of many sizes: it needs a resize_param (WARP or FIT_LARGE_SIZE_AND_PAD) or"
                " a crop_size.",
                name,
            )

    @staticmethod
    def wanted(param: Any) -> bool:
        """Whether transform_param has any of these words that changes a picture."""
        return bool(
            param.resize_param or param.noise_param or param.HasField("distort_param") or param.HasField("expand_param")
        )

    def begin(self, seed: int, record: int) -> None:
        """A batch begins with this record: choose its resize_param."""
        self._policy = boxes.policy(self.param, rng.generator(seed, f"{self.name}/sizes", record))

    def least(self, height: int, width: int) -> tuple[int, int]:
        """The smallest (height, width) that a picture of this size gets in this batch."""
        if self._policy is None:
            return height, width
        place = boxes.fit(self._policy, height, width)
        return place.height, place.width

    def draw(self, seed: int, record: int, shape: tuple[int, ...]) -> Prepared:
        """What becomes of record number `record`, of (channels, height, width)."""
        generator = rng.generator(seed, f"{self.name}/boxes", record)
        height, width = shape[1:]
        expanded = fitted = None
        mode = "LINEAR"
        if self.param.HasField("expand_param"):
            expanded = boxes.expansion(self.param.expand_param, height, width, generator)
            height, width = expanded[:2] if expanded else (height, width)
        if self._policy is not None:
            mode = boxes.interpolation(self._policy, generator)
            fitted = boxes.fit(self._policy, height, width)
        last = fitted or Place(height, width, height, width)
        return Prepared(
            last.height, last.width, self.param, self._policy, expanded, (height, width), fitted, mode, generator
        )
