"""Batches of windows cut out of images, as R-CNN trains on: a list of images with boxes, objects and background."""

import math
from typing import Any, NamedTuple

import numpy as np

from caffelike import log
from caffelike.data import images
from caffelike.data.imagelist import Folder, read_text
from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.resize import resize
from caffelike.data.shard import ALL, Shard
from caffelike.data.transformer import Draws, Transformer, below
from caffelike.errors import DataError


class Window(NamedTuple):
    """A box (borders included) in image number `image` of the file, and its class; 0 is background."""

    image: int
    label: int
    x1: int
    y1: int
    x2: int
    y2: int


class WindowFile(NamedTuple):
    """What a window file says: image paths, channels of the last one, object and background windows."""

    path: str
    images: list[str]
    channels: int
    objects: list[Window]
    background: list[Window]


def read_windows(path: str, object_overlap: float, background_overlap: float) -> WindowFile:
    """Read a window file: for each image `# index`, path, channels, height, width, number of windows, and so many
    lines `class overlap x1 y1 x2 y2`, all separated by white space.

    Windows of at least `object_overlap` are objects, those below `background_overlap` background, others are left out.
    Raises FileError, and DataError naming image and word.
    """
    words = read_text(path, "window file").split()
    found = WindowFile(path, [], 0, [], [])
    if not words:
        raise DataError(f"{path}: Window file is empty.")
    at = 0
    while at < len(words):
        try:
            if words[at] != "#":
                raise ValueError(f"expected '#', found '{words[at]}'")
            int(words[at + 1])
            name = words[at + 2]
            channels, _, _, count = (int(word) for word in words[at + 3 : at + 7])
            rows = np.array(words[at + 7 : at + 7 + 6 * count], np.float64).reshape(count, 6)
        except (ValueError, IndexError) as error:
            raise DataError(f"{path}: image number {len(found.images)} cannot be read: {error}.") from None
        _sort(found, rows, object_overlap, background_overlap)
        found.images.append(name)
        found = found._replace(channels=channels)
        at += 7 + 6 * count
    return found


def _sort(found: WindowFile, rows: np.ndarray, object_overlap: float, background_overlap: float) -> None:
    number = len(found.images)
    for label, overlap, *box in rows:
        x1, y1, x2, y2 = (int(side) for side in box)
        if np.float32(overlap) >= np.float32(object_overlap):
            if label <= 0:
                raise DataError(
                    f"{found.path}: image number {number} has an object of class {label:g}; classes start at 1, 0 is"
                    " background."
                )
            found.objects.append(Window(number, int(label), x1, y1, x2, y2))
        elif np.float32(overlap) < np.float32(background_overlap):
            found.background.append(Window(number, 0, x1, y1, x2, y2))


class Warp(NamedTuple):
    """Where a window is cut from an image, and where it comes to lie in the output square.

    rows, columns: cut from the image; height, width: resized to; top, left: its corner in the square.
    """

    rows: slice
    columns: slice
    height: int
    width: int
    top: int
    left: int


def place(window: Window, shape: tuple[int, ...], crop: int, pad: int, square: bool, mirrored: bool) -> Warp:
    """How a window is warped to crop x crop pixels, with `pad` pixels of context on each side.

    square: the longer side of the window is taken for both. What lies outside the image stays empty. The arithmetic
    is float32 with halves rounded away from zero, as Caffe's. Raises DataError for a window outside the image.
    """
    x1, y1, x2, y2 = window[2:]
    rows, columns = shape[:2]
    if not (pad or square):
        if not (0 <= x1 <= x2 < columns and 0 <= y1 <= y2 < rows):
            raise DataError(f"its window ({x1}, {y1}, {x2}, {y2}) is not inside the image of {columns}x{rows} pixels")
        return Warp(slice(y1, y2 + 1), slice(x1, x2 + 1), crop, crop, 0, 0)
    grow = np.float32(crop) / np.float32(crop - 2 * pad)
    half_height, half_width = np.float32((y2 - y1 + 1) / 2), np.float32((x2 - x1 + 1) / 2)
    middle_x, middle_y = np.float32(x1) + half_width, np.float32(y1) + half_height
    if square:
        half_height = half_width = max(half_height, half_width)
    x1, x2 = _round(middle_x - half_width * grow), _round(middle_x + half_width * grow)
    y1, y2 = _round(middle_y - half_height * grow), _round(middle_y + half_height * grow)
    left, width, across = _side(x1, x2, columns, crop, mirrored)
    top, height, down = _side(y1, y2, rows, crop, False)
    return Warp(down, across, height, width, top, left)


def _side(low: int, high: int, size: int, crop: int, mirrored: bool) -> tuple[int, int, slice]:
    """(empty pixels before, pixels, part of the image) of one side of the window low..high."""
    before, after = max(0, -low), max(0, high - size + 1)
    scale = np.float32(crop) / np.float32(high - low + 1)
    cut = slice(low + before, high - after + 1)
    if cut.stop <= cut.start:
        raise DataError(f"its window, with context {low}..{high}, is outside the image, whose side has {size} pixels")
    length = _round(np.float32(cut.stop - cut.start) * scale)
    pad = _round(np.float32(after if mirrored else before) * scale)
    return pad, min(length, crop - pad), cut


def _round(value: Any) -> int:
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))


class WindowProducer:
    """Makes batches of (data, label) from random windows: background first, then objects.

    transformer: its crop_size is the output square; its mean is cut from its centre. batch, object_share: of the
    objects in a batch. pad, square: see `place`. scale: after the mean. cache: keep image files in memory. shard: which
    of the random windows are ours.
    position: seed, record (how many of our own were delivered), shards (of how many workers).
    """

    def __init__(
        self,
        file: WindowFile,
        folder: Folder,
        transformer: Transformer,
        batch: int,
        object_share: float,
        pad: int,
        square: bool,
        scale: float,
        cache: bool,
        shard: Shard = ALL,
    ):
        self._shard = shard
        self._file, self._folder, self._transformer, self._batch = file, folder, transformer, batch
        self._objects = int(np.float32(batch) * np.float32(object_share))
        self._pad, self._square, self._scale = pad, square, np.float32(scale)
        self._cache: dict[int, bytes] | None = {} if cache else None
        self._draws = Draws(transformer.draws.seed, f"{transformer.draws.name}/windows")
        self.position: Position = {"seed": self._draws.seed, "record": 0, "shards": shard.size}
        for wanted, windows, what in (
            (self._objects, file.objects, "object (foreground)"),
            (batch - self._objects, file.background, "background"),
        ):
            if wanted and not windows:
                raise DataError(
                    f"{file.path} has no {what} window, but a batch needs {wanted}. Look at fg_fraction, fg_threshold"
                    " and bg_threshold."
                )

    def seek(self, position: Position) -> None:
        """Go on at a position."""
        record = self._shard.begin(position["record"] * position.get("shards", self._shard.size))
        self.position = {**position, "record": record, "shards": self._shard.size}
        self._draws.reseed(position["seed"])

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises FileError or DataError naming the image."""
        crop = self._transformer.crop
        record = self.position["record"]
        data = slot.array(0, (self._batch, self._file.channels, crop, crop))
        labels = slot.array(1, (self._batch,))
        data[...] = 0
        keys = []
        for i in range(self._batch):
            draws = self._draws.row(self._shard.number(record + i))
            windows = self._file.background if i < self._batch - self._objects else self._file.objects
            window = windows[below(draws[0], len(windows))]
            name = self._file.images[window.image]
            keys.append(f"{name} {window.x1} {window.y1} {window.x2} {window.y2}")
            labels[i] = window.label
            try:
                self._cut(window, bool(self._transformer.mirror and below(draws[1], 2)), data[i])
            except DataError as error:
                raise DataError(f"{self._file.path}: image '{name}' cannot be used: {error}.") from None
        self.position = {**self.position, "seed": self._draws.seed, "record": record + self._batch}
        return Batch([data, labels], keys, self.position)

    def _image(self, number: int) -> np.ndarray:
        name = self._file.images[number]
        if self._cache is None:
            return self._folder.read(name, True)
        if number not in self._cache:
            self._folder.read(name, True)  # says what is wrong with it
            with open(self._folder.path(name), "rb") as file:
                self._cache[number] = file.read()
        return images.decode(self._cache[number])

    def _cut(self, window: Window, mirrored: bool, out: np.ndarray) -> None:
        image = self._image(window.image)
        if image.shape[2] != len(out):
            raise DataError(f"it has {image.shape[2]} channels, {len(out)} are expected from the window file")
        warp = place(window, image.shape, self._transformer.crop, self._pad, self._square, mirrored)
        if warp.height < 1 or warp.width < 1:
            return  # nothing of it is left after rounding
        pixels = resize(np.ascontiguousarray(image[warp.rows, warp.columns]), warp.height, warp.width)
        if mirrored:
            pixels = pixels[:, ::-1]
        part = out[:, warp.top : warp.top + warp.height, warp.left : warp.left + warp.width]
        np.copyto(part, pixels.transpose(2, 0, 1))
        mean = self._transformer.mean
        if mean is not None:
            # Caffe takes the offset of both sides from the width.
            offset = (mean.shape[2] - self._transformer.crop) // 2
            top, left = offset + warp.top, offset + warp.left
            part -= mean[:, top : top + warp.height, left : left + warp.width]
        elif self._transformer.mean_values.size:
            part -= self._transformer.mean_values[:, None, None]
        if self._scale != 1:
            part *= self._scale

    def close(self) -> None:
        """Nothing is open between batches."""


def log_windows(file: WindowFile) -> None:
    """Caffe's lines about how many windows of each class there are."""
    log.info("window_data_layer.cpp:151", f"Number of images: {len(file.images)}")
    labels, counts = np.unique([w.label for w in file.objects], return_counts=True)
    for label, count in [(0, len(file.background)), *zip(labels, counts, strict=True)]:
        log.info("window_data_layer.cpp:156", f"class {label} has {count} samples")
