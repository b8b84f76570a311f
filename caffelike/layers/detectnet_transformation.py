"""DetectNetTransformation: DetectNet's augmentation of images and boxes, and the grids of its ground truth."""

import math
from typing import Any, NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data.paths import resolve
from caffelike.data.resize import resize_cubic
from caffelike.data.transformer import read_mean
from caffelike.errors import DataError, ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.registry import register

_ROW = 16  # numbers of a box
_FIRST = 8  # the first channel of coverages
_TINY = float(np.finfo(np.float32).eps)
_DRAWS = 12  # random numbers of an image


class Change(NamedTuple):
    """What is done to one image: degrees added to the hue, factor of the saturation, mirrored, new (height, width),
    degrees it is turned, and the (row, column) at which the part that is kept begins, which may lie outside."""

    hue: float
    saturation: float
    flip: bool
    size: tuple[int, int]
    turn: float
    begin: tuple[int, int]


@register("DetectNetTransformation", param="detectnet_groundtruth_param")
class DetectNetTransformation(Layer):
    """Changes images at random while training, and says for each cell of a grid which object it belongs to.

    bottoms: data (N, 3, H, W), blue, green, red, 0 .. 255; label (N, 1, R, 16): a row with the number of boxes and 16,
        then a row for each box: x, y, width, height in pixels, [5] the class, [8] the share that was cut off already.
    image_size_x 1248, image_size_y 384, stride 4; coverage_type RECTANGULAR, the only one.
    tops: y (N, 3, image_size_y, image_size_x); truth (N, 8 + classes, image_size_y / stride, image_size_x / stride).
    Fields of detectnet_augmentation_param and detectnet_groundtruth_param:
    Images, in this order: hue turned by up to hue_rotation degrees either way, with probability hue_rotation_prob;
        saturation times 1 - desaturation_max .. 1 (desaturation_prob); less transform_param's mean_value or mean_file
        (resized to the image); mirrored (flip_prob); resized by scale_min .. scale_max (scale_prob), bicubic; turned by
        up to max_rotate_degree either way (rotation_prob) into a larger frame, bilinear; the part of the size of y at a
        random place, up to shift_x / 2 and shift_y / 2 beyond the borders (crop_prob), else the middle. What lies
        outside is 0. Defaults: 15 at 0.33; 0.5 at 0.33; flip 0.33; 0.7 .. 1 at 0.33; 1 degree at 0.33; shifts 0 at 1.
        In TEST: resized to the size of y.
    Boxes move with them; with crop_bboxes (true) they are cut at the borders. Each covers the cells that its middle
        part touches, scale_cvg (0.5) of its sides: with gridbox_type GRIDBOX_MAX (the default) at most max_cvg_len
        (50) pixels long, with GRIDBOX_MIN at least min_cvg_len (50), if the box is. Of several the last one counts.
        Channels: 0, 1; 1 .. 4, the box's x1, y1, x2, y2 counted from the cell's corner; 5, 6, 1 / width, 1 / height;
        7, stride^2 / the middle part's area, at least 1 unless obj_norm (false) is true; 8 on, 1 in the class's
        channel. object_class { src, dst }: which channel a class has (1: the first); boxes of others do not count.
    Gradient: none. Errors: DataError for labels that are none; ModelError for options; ShapeError.
    Source: NVIDIA's fork of Caffe (DetectNet, 2016), whose random numbers and interpolation of turned images differ.
    """

    bottoms = ("data", "label")
    tops = ("y", "truth")
    messages = ("detectnet_augmentation_param", "transform_param")
    no_gradient = ("data", "label")
    random = True
    honours = ("detectnet_augmentation_param",)
    folder = ""

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options."""
        if p.stride < 1 or min(p.image_size_x, p.image_size_y) < p.stride:
            raise self.fail(f"has no grid: the stride is {p.stride}, y {p.image_size_x}x{p.image_size_y}.", ModelError)
        changes = self.message.detectnet_augmentation_param
        for word in ("resize_param", "noise_param", "distort_param", "expand_param", "emit_constraint"):
            if changes.HasField(word):
                raise self.fail(f"detectnet_augmentation_param {{ {word} }} is not supported.", ModelError)
        if not 0 < changes.scale_min <= changes.scale_max:
            raise self.fail("scale_min must be greater than 0 and not above scale_max.", ModelError)
        classes = {int(pair.src): int(pair.dst) for pair in p.object_class} or {1: 0}
        self.options = {
            "classes": classes, "grid": p, "changes": changes if self.phase == 0 else None, "mean": self._mean(),
        }  # fmt: skip

    def _mean(self) -> np.ndarray:
        t = self.message.transform_param
        if t.mean_file:
            return read_mean(resolve(t.mean_file, self.folder))
        if len(t.mean_value) not in (0, 1, 3):
            raise self.fail(f"takes 1 or 3 mean_values, not {len(t.mean_value)}.", ModelError)
        return np.broadcast_to(np.array(t.mean_value or [0], np.float32), 3)[:, None, None]

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """Images of the fixed size, and the grids."""
        data, label = shapes
        if len(data) != 4 or data[1] != 3 or len(label) < 2 or label[0] != data[0] or label[-1] != _ROW:
            raise self.fail(f"needs images (N, 3, H, W) and labels (N, 1, R, {_ROW}), but they are {data} and {label}.")
        p = self.options["grid"]
        rows, columns = _grid(p)
        depth = _FIRST + max(self.options["classes"].values()) + 1
        return [(data[0], 3, p.image_size_y, p.image_size_x), (data[0], depth, rows, columns)]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """It depends on the random numbers."""
        return Sees.UNKNOWN


def forward(
    data: np.ndarray,
    label: np.ndarray,
    y: np.ndarray,
    truth: np.ndarray,
    key: np.ndarray,
    classes: dict[int, int],
    grid: Any,
    changes: Any | None,
    mean: np.ndarray,
) -> None:
    """Image by image."""
    truth[...] = 0
    if not len(data):
        return
    draws = rng.uniform(key, _DRAWS * len(data)).reshape(len(data), _DRAWS)
    size, target = data.shape[2:], y.shape[2:]
    if mean.shape[1:] not in ((1, 1), size):
        mean = resize_cubic(mean.transpose(1, 2, 0), *size).transpose(2, 0, 1)
    for item, u in enumerate(draws):
        change = choose(u, changes, size, target)
        y[item] = changed(data[item], change, mean, target)
        boxes, kinds, cut = read_boxes(label[item], item)
        cover(truth[item], moved(boxes, change, size), kinds, cut, classes, grid)


def choose(u: np.ndarray, p: Any | None, size: Shape, target: Shape) -> Change:
    """The change that the random numbers u (12,) mean; p: None where only the size is fitted."""
    if p is None:
        return Change(0, 1, False, (target[0], target[1]), 0, (0, 0))
    hue = (2 * u[1] - 1) * p.hue_rotation if u[0] < p.hue_rotation_prob else 0.0
    saturation = 1 - u[3] * p.desaturation_max if u[2] < p.desaturation_prob else 1.0
    new = (size[0], size[1])
    if u[5] < p.scale_prob:
        factor = p.scale_min + (p.scale_max - p.scale_min) * u[6]
        new = (_round(size[0] * factor), _round(size[1] * factor))
    turn = (2 * u[8] - 1) * p.max_rotate_degree if u[7] < p.rotation_prob else 0.0
    frame = _frame(new, turn) if turn else new
    shifts, places = ((p.shift_y, p.shift_x), (u[11], u[10])) if u[9] < p.crop_prob else ((0, 0), (0.5, 0.5))
    begin = [_round(place * (n - t + s) - s // 2) for n, t, s, place in zip(frame, target, shifts, places, strict=True)]
    hue = max(-180.0, min(180.0, float(hue)))
    return Change(hue, float(saturation), bool(u[4] < p.flip_prob), new, float(turn), (begin[0], begin[1]))


def changed(image: np.ndarray, change: Change, mean: np.ndarray, target: Shape) -> np.ndarray:
    """The image (3, H, W) as it comes out."""
    if abs(change.hue) > _TINY or change.saturation < 1 - 1 / 255:
        image = _recoloured(image / 255, change.hue, change.saturation) * 255
    image = (image - mean).astype(np.float32)
    if change.flip:
        image = image[:, :, ::-1]
    if image.shape[1:] != change.size:
        image = resize_cubic(np.ascontiguousarray(image.transpose(1, 2, 0)), *change.size).transpose(2, 0, 1)
    if change.turn:
        image = _turned(image, change.turn)
    (top, left), out = change.begin, np.zeros((3, target[0], target[1]), np.float32)
    part = image[:, max(0, top) : max(0, top + target[0]), max(0, left) : max(0, left + target[1])]
    out[:, max(0, -top) : max(0, -top) + part.shape[1], max(0, -left) : max(0, -left) + part.shape[2]] = part
    return out


def read_boxes(label: np.ndarray, item: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(boxes (n, 4) of x, y, width, height, their classes, the shares of them that are cut off) of an image's label."""
    rows = label.reshape(-1, _ROW).astype(np.float64)
    count = float(rows[0, 0])
    if not 0 <= count < len(rows) or rows[0, 1] != _ROW:
        raise DataError(
            f"The label of item {item} is no list of boxes: its first row says {count:g} boxes of {rows[0, 1]:g}"
            f" numbers, but it must be 0 .. {len(rows) - 1} of {_ROW}."
        )
    found = rows[1 : int(count) + 1]
    return found[:, :4], found[:, 5].astype(np.int64), found[:, 8]


def moved(boxes: np.ndarray, change: Change, size: Shape) -> np.ndarray:
    """Where the boxes lie in what comes out."""
    boxes = boxes.copy()
    if change.flip:
        boxes[:, 0] = size[1] - boxes[:, 0] - boxes[:, 2] - 1
    boxes *= np.tile(np.array(change.size[::-1]) / np.array(size[::-1]), 2)
    if change.turn:
        matrix, shift = _turning(change.size, change.turn)
        boxes[:, :2] = (boxes[:, :2] + boxes[:, 2:] / 2) @ matrix.T + shift - boxes[:, 2:] / 2
    boxes[:, :2] -= change.begin[::-1]
    return boxes


def cover(
    truth: np.ndarray, boxes: np.ndarray, kinds: np.ndarray, cut: np.ndarray, classes: dict[int, int], p: Any
) -> None:
    """Write boxes (n, 4) of x, y, width, height into truth (8 + classes, rows, columns), which is 0."""
    rows, columns = truth.shape[1:]
    stride = p.stride
    for (x, y, width, height), kind in zip(boxes, kinds, strict=True):
        x2, y2 = x + width, y + height
        if p.crop_bboxes:
            x, y, x2, y2 = max(x, 0.0), max(y, 0.0), min(x2, p.image_size_x), min(y2, p.image_size_y)
            width, height = max(0.0, x2 - x), max(0.0, y2 - y)
        if int(kind) not in classes or width * height < _TINY:
            continue
        wide, high = (_covered(side, p) for side in (width, height))
        left, top = (x + x2 - wide) / 2, (y + y2 - high) / 2
        first = max(0, math.floor(left / stride)), max(0, math.floor(top / stride))
        last = min(columns, math.ceil((left + wide) / stride)), min(rows, math.ceil((top + high) / stride))
        for row in range(first[1], last[1]):
            for column in range(first[0], last[0]):
                at_x, at_y = column * stride, row * stride
                common = (min(left + wide, at_x + stride) - max(left, at_x)) * (
                    min(top + high, at_y + stride) - max(top, at_y)
                )
                if common / stride**2 <= _TINY:
                    continue
                cell = truth[:, row, column]
                cell[0], cell[_FIRST:] = 1, 0
                cell[1:5] = x - at_x, y - at_y, x2 - at_x, y2 - at_y
                cell[5:8] = 1 / width, 1 / height, max(0 if p.obj_norm else 1, stride**2 / (wide * high))
                cell[_FIRST + classes[int(kind)]] = 1


def _covered(side: float, p: Any) -> float:
    """How much of a box's side counts as covered."""
    if p.gridbox_type == p.GRIDBOX_MIN:
        return min(side, max(float(p.min_cvg_len), side * p.scale_cvg))
    return min(float(p.max_cvg_len), side * p.scale_cvg)


def _grid(p: Any) -> tuple[int, int]:
    return round(p.image_size_y / p.stride), round(p.image_size_x / p.stride)


def _round(value: float) -> int:
    """The nearest whole number; halves away from 0."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _rotation(turn: float) -> np.ndarray:
    """By so many degrees clockwise, where y points down."""
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return np.array([[cos, -sin], [sin, cos]])


def _bounds(size: Shape, turn: float, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(first, last) whole x, y of a turned rectangle of (height, width) about its centre."""
    half = np.array([size[1], size[0]]) / 2
    corners = np.array([[-1, 1], [-1, -1], [1, -1], [1, 1]]) * half @ _rotation(turn).T + centre
    return np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))


def _frame(size: Shape, turn: float) -> tuple[int, int]:
    """(height, width) of what holds the turned image."""
    low, high = _bounds(size, turn, np.array([size[1] // 2, size[0] // 2]))
    width, height = (high - low + 1).astype(int).tolist()
    return height, width


def _turning(size: Shape, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """(matrix, shift): a point (x, y) of the image comes to matrix (x, y) + shift of the frame."""
    centre, matrix = np.array([size[1], size[0]]) / 2, _rotation(turn)
    return matrix, centre - _bounds(size, turn, centre)[0] - matrix @ centre


def _turned(image: np.ndarray, turn: float) -> np.ndarray:
    """The image in its frame, bilinear; 0 in front of it, and a pixel or more behind."""
    matrix, shift = _turning(image.shape[1:], turn)
    rows, columns = _frame(image.shape[1:], turn)
    points = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1) - shift
    x, y = np.moveaxis(points @ matrix, -1, 0)  # the inverse is the transpose
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    inside = (left >= 0) & (top >= 0) & (left < image.shape[2]) & (top < image.shape[1])
    left, top = np.where(inside, left, 0), np.where(inside, top, 0)
    fx, fy = (np.where(inside, part - np.floor(part), 0).astype(np.float32) for part in (x, y))
    right, below = np.minimum(left + 1, image.shape[2] - 1), np.minimum(top + 1, image.shape[1] - 1)
    upper = image[:, top, left] * (1 - fx) + image[:, top, right] * fx
    lower = image[:, below, left] * (1 - fx) + image[:, below, right] * fx
    return (upper * (1 - fy) + lower * fy) * inside


def _recoloured(image: np.ndarray, hue: float, saturation: float) -> np.ndarray:
    """Blue, green and red of 0 .. 1 with another hue (degrees added) and saturation (a factor), by way of HSV."""
    blue, green, red = image
    value = image.max(axis=0)
    spread = value - image.min(axis=0)
    unit = 60 / (spread + _TINY)
    angle = np.where(
        value == red,
        (green - blue) * unit,
        np.where(value == green, (blue - red) * unit + 120, (red - green) * unit + 240),
    )
    sixth = (angle + hue) / 60 % 6
    strength = spread / (np.abs(value) + _TINY) * saturation
    # the part of a colour falls and rises again along the circle: 5, 3 and 1 sixths away from its full strength
    parts = [(n + sixth) % 6 for n in (1, 3, 5)]
    return np.stack([value * (1 - strength * np.clip(np.minimum(part, 4 - part), 0, 1)) for part in parts])
