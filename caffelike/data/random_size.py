"""Random sizes and proportions of the pictures, in the words of Intel's and NVIDIA's forks.

Both come before the crop, while training and testing alike. Numbers depend on (seed, layer, number of the record).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data.boxes import interpolation
from caffelike.data.resize import resize_nearest, resizer
from caffelike.errors import ModelError

INTEL = ("random_resize_param", "random_aspect_ratio_param")
_SIZES = ("img_rand_resize_lower", "img_rand_resize_upper")
_PROPORTIONS = (
    "rand_resize_ratio_lower",
    "rand_resize_ratio_upper",
    "vertical_stretch_lower",
    "vertical_stretch_upper",
    "horizontal_stretch_lower",
    "horizontal_stretch_upper",
)
NVIDIA = (
    *_SIZES,
    *_PROPORTIONS,
    "interpolation_algo_down",
    "interpolation_algo_up",
    "allow_upscale",
    "var_sz_img_enabled",
)


class Piece(NamedTuple):
    """A part of a picture, brought to another size.

    top, left, rows, columns: the part in pixels; height, width: what it becomes; mode: how, see `resize.resizer`.
    """

    top: int
    left: int
    rows: int
    columns: int
    height: int
    width: int
    mode: str

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """The part of pixels (channels, height, width) in its new size."""
        part = self._of(values).transpose(1, 2, 0)
        if part.shape[:2] == (self.height, self.width):
            return part.transpose(2, 0, 1)
        return resizer(self.mode)(np.ascontiguousarray(part), self.height, self.width).transpose(2, 0, 1)

    def labels(self, labels: np.ndarray, fill: float) -> np.ndarray:
        """The part of a map of labels (height, width) in its new size, each label of the nearest pixel."""
        return resize_nearest(self._of(labels), self.height, self.width)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 2) of (x, y) come to lie; the centre of the first pixel is (0, 0)."""
        factor = np.array([self.width / self.columns, self.height / self.rows])
        return (points - (self.left, self.top) + 0.5) * factor - 0.5

    def _of(self, values: np.ndarray) -> np.ndarray:
        return values[..., self.top : self.top + self.rows, self.left : self.left + self.columns]


class RandomSize:
    """Sizes of the pictures of a layer, by its transform_param.

    Intel's random_resize_param: the shorter side is drawn from min_size .. max_size (0: the shorter, the longer side it
        has). random_aspect_ratio_param: of the picture a part with a share of min_area_ratio .. max_area_ratio of its
        area, its height times and its width through a number of aspect_ratio_change .. 1 / aspect_ratio_change, the two
        swapped in every second, comes to crop_size x crop_size; after max_attempt parts that do not fit in, the
        picture's shorter side becomes crop_size. resize_param's interp_mode says how (LINEAR; one of several).
    NVIDIA's img_rand_resize_lower .. img_rand_resize_upper (both or none): the shorter side. rand_resize_ratio_lower
        .. rand_resize_ratio_upper (from 1 up): the longer one is as many times that. vertical_stretch_lower .. _upper,
        horizontal_stretch_lower .. _upper: factors of height and width. Neither side gets shorter than crop_size, nor
        longer than it was but with allow_upscale. interpolation_algo_down INTER_NEAREST: how pictures are made smaller;
        interpolation_algo_up INTER_CUBIC: larger. var_sz_img_enabled says nothing: sizes may always differ.
    Raises ModelError for options that cannot be.
    """

    def __init__(self, param: Any, name: str):
        self.param, self.name, self.crop = param, name, int(param.crop_size)
        self._aspect = param.HasField("random_aspect_ratio_param") and not param.HasField("random_resize_param")
        self._nvidia = not any(param.HasField(word) for word in INTEL)
        if not self.crop:
            raise ModelError("random sizes need a crop_size: the pictures of a batch have one size.", name)
        self._check()

    @staticmethod
    def wanted(param: Any) -> bool:
        """Whether transform_param has any of these words that changes a size."""
        given = any(param.HasField(word) for word in (*INTEL, *_PROPORTIONS))
        return given or any(getattr(param, word) for word in _SIZES)

    def _check(self) -> None:
        p, name = self.param, self.name
        if self._nvidia:
            if p.img_rand_resize_lower > p.img_rand_resize_upper or bool(p.img_rand_resize_lower) != bool(
                p.img_rand_resize_upper
            ):
                raise ModelError(
                    f"img_rand_resize_lower ({p.img_rand_resize_lower}) and img_rand_resize_upper"
                    f" ({p.img_rand_resize_upper}) go together, the first at most the second.",
                    name,
                )
            for word in ("rand_resize_ratio", "vertical_stretch", "horizontal_stretch"):
                low, high = getattr(p, f"{word}_lower"), getattr(p, f"{word}_upper")
                if not 0 <= low <= high:
                    raise ModelError(f"{word}_lower ({low:g}) must be 0 .. {word}_upper ({high:g}).", name)
            return
        one = p.random_aspect_ratio_param if self._aspect else p.random_resize_param
        if one.resize_param.HasField("resize_mode") and one.resize_param.resize_mode != one.resize_param.WARP:
            raise ModelError("resize_param { resize_mode } must be WARP in a random size.", name)
        if self._aspect:
            if not 0 < one.min_area_ratio <= one.max_area_ratio or one.aspect_ratio_change <= 0:
                raise ModelError(
                    "random_aspect_ratio_param: 0 < min_area_ratio <= max_area_ratio and aspect_ratio_change > 0 must"
                    f" hold, but they are {one.min_area_ratio:g}, {one.max_area_ratio:g} and"
                    f" {one.aspect_ratio_change:g}.",
                    name,
                )
        elif one.max_size and one.min_size > one.max_size:
            raise ModelError(
                f"random_resize_param: min_size {one.min_size} is larger than max_size {one.max_size}.", name
            )
        elif 0 < one.min_size < self.crop:
            raise ModelError(
                f"random_resize_param {{ min_size: {one.min_size} }} is less than crop_size {self.crop}: some pictures"
                " would be too small. Make it at least that.",
                name,
            )

    def least(self, height: int, width: int) -> tuple[int, int]:
        """The smallest (height, width) a picture of this size may get."""
        if self._nvidia:
            grown = (self.crop, self.crop)
            return grown if self.param.allow_upscale else (min(height, self.crop), min(width, self.crop))
        if self._aspect or self.param.random_resize_param.min_size:
            return (self.crop, self.crop)
        return height, width

    def draw(self, seed: int, record: int, shape: tuple[int, ...]) -> Piece:
        """What becomes of record number `record`, of (channels, height, width)."""
        generator = rng.generator(seed, f"{self.name}/size", record)
        height, width = shape[1:]
        if self._nvidia:
            return self._stretched(generator, height, width)
        if self._aspect:
            return self._part(generator, height, width)
        p = self.param.random_resize_param
        low = p.min_size or min(height, width)
        high = max(low, p.max_size or max(height, width))
        size = int(generator.integers(low, high + 1))
        return Piece(0, 0, height, width, *_shorter(height, width, size), interpolation(p.resize_param, generator))

    def _part(self, generator: np.random.Generator, height: int, width: int) -> Piece:
        p = self.param.random_aspect_ratio_param
        low, high = sorted((p.aspect_ratio_change, 1 / p.aspect_ratio_change))
        for _ in range(p.max_attempt):
            u = generator.random(5)
            side = math.sqrt(height * width * (p.min_area_ratio + u[0] * (p.max_area_ratio - p.min_area_ratio)))
            change = low + u[1] * (high - low)
            rows, columns = max(1, int(side * change)), max(1, int(side / change))
            if u[2] < 0.5:
                rows, columns = columns, rows
            if rows <= height and columns <= width:
                top, left = int(u[3] * (height - rows + 1)), int(u[4] * (width - columns + 1))
                return Piece(top, left, rows, columns, self.crop, self.crop, interpolation(p.resize_param, generator))
        return Piece(0, 0, height, width, *_shorter(height, width, self.crop), interpolation(p.resize_param, generator))

    def _stretched(self, generator: np.random.Generator, height: int, width: int) -> Piece:
        p, u = self.param, generator.random(5)
        size = min(height, width)
        if p.img_rand_resize_lower:
            size = p.img_rand_resize_lower + int(u[0] * (p.img_rand_resize_upper - p.img_rand_resize_lower + 1))
        sides = np.array([height, width]) * (size / min(height, width))
        if p.rand_resize_ratio_lower >= 1 and p.rand_resize_ratio_upper > 1:
            longer = int(sides[1] > sides[0]) if height != width else int(u[1] < 0.5)
            sides[longer] = sides[1 - longer] * _between(
                p.rand_resize_ratio_lower, p.rand_resize_ratio_upper, float(u[2])
            )
        for axis, word in ((0, "vertical_stretch"), (1, "horizontal_stretch")):
            if getattr(p, f"{word}_lower") > 0:
                low, high = getattr(p, f"{word}_lower"), getattr(p, f"{word}_upper")
                sides[axis] *= _between(low, high, float(u[3 + axis]))
        new = [max(self.crop, int(side + 0.5)) for side in sides]
        if not p.allow_upscale:
            new = [min(new[0], height), min(new[1], width)]
        smaller = new[0] <= height and new[1] <= width
        algorithm = p.interpolation_algo_down if smaller else p.interpolation_algo_up
        mode = type(p).InterpolationAlgo.Name(algorithm).removeprefix("INTER_")
        return Piece(0, 0, height, width, new[0], new[1], mode)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _shorter(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) with the shorter side `size`, in the same proportion, cut to whole numbers."""
    if height < width:
        return size, int(np.float32(width) / np.float32(height) * np.float32(size))
    return int(np.float32(height) / np.float32(width) * np.float32(size)), size
