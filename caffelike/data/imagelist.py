"""Batches of images that a text file lists."""

import math
import os
from typing import Any, NamedTuple

import numpy as np

from caffelike.data import images
from caffelike.data.order import Shuffle, first_record
from caffelike.data.paths import missing
from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.resize import resize, resize_nearest
from caffelike.data.shard import ALL, Shard
from caffelike.data.tolerance import Tolerance
from caffelike.data.transformer import Transformer
from caffelike.data.workers import Workers
from caffelike.errors import DataError, FileError

_RESTART = ("image_data_layer.cpp:157", "Restarting data prefetching from start.")


class Line(NamedTuple):
    """An entry of the list: a number, several, the path of a label image, or nothing stands behind the path."""

    path: str
    label: int | float | tuple[float, ...] | str | None


def read_text(path: str, what: str) -> str:
    """The text of a list, in UTF-8 or else Latin-1. Raises FileError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise FileError(missing(path, what)) from None
    except OSError as error:
        raise FileError(f"Could not read the {what} {path}: {error.strerror}.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_list(path: str, labels: int = 1, kind: str = "number") -> list[Line]:
    """The entries of a list of lines `path label`; a path may hold spaces, empty lines are skipped.

    kind: "number": `labels` numbers stand behind the path, after spaces; the last may be several, joined by commas,
    as the converters take them. "numbers": all words behind the first are. "image": the path of a label image. "none":
    a line is a path.
    Raises FileError when it cannot be read, DataError when it is empty or a line is no such entry.
    """
    lines: list[Line] = []
    for number, text in enumerate(read_text(path, "image list").splitlines(), 1):
        if not text.strip(" "):
            continue
        line = _entry(text.rstrip(), labels, kind)
        if line is None or not line.path:
            wanted = {"image": "the path of its label image", "numbers": "its labels, numbers", "none": ""}.get(
                kind, "the label, a number" if labels == 1 else f"{labels} labels, numbers"
            )
            raise DataError(
                f"{path}:{number}: '{text.rstrip()}' is no entry of an image list. Expected is: path"
                f"{f', a space, and {wanted}' if wanted else ''}."
            )
        if lines and _count(line) != _count(lines[0]):
            raise DataError(
                f"{path}:{number}: '{line.path}' has {_count(line)} label(s), but the first line {_count(lines[0])}."
            )
        lines.append(line)
    if not lines:
        raise DataError(f"{path} lists no images. Expected are lines: path, a space, and the label.")
    return lines


def _entry(text: str, labels: int, kind: str) -> Line | None:
    if kind == "none":
        return Line(text, None)
    if kind == "image":
        name, _, label = text.rpartition(" ")
        return Line(name, label)
    name, *words = text.split() if kind == "numbers" else text.rsplit(" ", labels)
    if len(words) != labels and (kind != "numbers" or not words):
        return None
    parts = [part for word in words for part in word.split(",")]
    try:
        if len(parts) == 1:
            return Line(name, int(parts[0]))
    except ValueError:
        pass  # it may be a fraction
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        return None
    if not all(math.isfinite(value) for value in values):
        return None
    return Line(name, values[0] if len(values) == 1 else values)


def _count(line: Line) -> int:
    return len(line.label) if isinstance(line.label, tuple) else 1


class Folder:
    """Where the images of a list are: `root`, put before each path as it is, else that beside the definition."""

    def __init__(self, root: str, beside: str):
        self._root, self._beside = root, beside
        self._decided = not beside or os.path.isabs(root)

    def path(self, name: str) -> str:
        """The path to open for an entry; the first one that is found decides for all."""
        path = self._root + name
        if self._decided or os.path.isabs(path):
            return path
        other = os.path.join(self._beside, path)
        if os.path.exists(path):
            self._decided = True
        elif os.path.exists(other):
            self._root, self._decided = os.path.join(self._beside, self._root), True
            return other
        return path

    def read(self, name: str, color: bool) -> np.ndarray:
        """The image of an entry. Raises FileError or DataError."""
        path = self.path(name)
        try:
            return images.read(path, color)
        except FileError as error:
            if self._root and not self._root.endswith("/") and os.path.exists(os.path.join(self._root, name)):
                raise FileError(
                    f"Could not open image {path}, but {os.path.join(self._root, name)} is there: root_folder is put"
                    " before the paths as it is, so let it end with '/'."
                ) from None
            raise error


class ImageProducer:
    """Makes batches of (data, label) from listed images.

    source: the list's name for messages. root, beside: see `Folder`. size: (height, width) to resize to, or None.
    shuffle: a new order in each pass. rand_skip: start at a random one of the first so many. shard: which images are
    ours. threads: that decode and transform (0: as many as are good). outside: the label of pixels that come in from
    outside of a label image.
    The second array follows the lines: (batch,) numbers, (batch, k) of several, (batch, 1, height, width) of label
    images, or there is none.
    position: seed, record (how many of our own were delivered or skipped), shards (of how many workers).
    How many bad images may be skipped: see data/tolerance.py.
    """

    def __init__(
        self,
        lines: list[Line],
        source: str,
        root: str,
        beside: str,
        transformer: Transformer,
        batch: int,
        size: tuple[int, int] | None,
        color: bool,
        shuffle: bool,
        rand_skip: int,
        shard: Shard = ALL,
        threads: int = 0,
        outside: float = 255,
    ):
        self._lines, self._source, self._folder = lines, source, Folder(root, beside)
        self._transformer, self._batch, self._size, self._color = transformer, batch, size, color
        self._rand_skip, self._shard, self._outside = rand_skip, shard, outside
        self._order = Shuffle(len(lines), transformer.draws.seed, shuffle)
        self._workers = Workers(threads)
        self._tolerance = Tolerance("image_data_layer.cpp:157")
        self.position: Position = {"seed": transformer.draws.seed, "record": 0, "shards": shard.size}
        self._skip = self._first()

    def _first(self) -> int:
        """How many images are skipped at the start."""
        if not self._rand_skip:
            return 0
        skip = first_record(self._rand_skip, self._transformer.draws.seed)
        if skip >= len(self._lines):
            raise DataError(
                f"Not enough points to skip: rand_skip {self._rand_skip} chose {skip}, but {self._source} lists"
                f" {len(self._lines)} images. Make rand_skip smaller."
            )
        return skip

    def _line(self, number: int) -> Line:
        """The entry at place `number` of the stream."""
        return self._lines[self._order.at(self._skip + number)]

    def _pixels(self, line: Line) -> np.ndarray:
        image = self._folder.read(line.path, self._color)
        return (resize(image, *self._size) if self._size else image).transpose(2, 0, 1)

    def _usable(self, count: int) -> tuple[list[int], list[np.ndarray]]:
        """The numbers of the next records that can be read, and their pixels."""
        records: list[int] = []
        loaded: list[np.ndarray] = []
        record = begin = self.position["record"]
        while len(records) < count:
            lines = [self._line(self._shard.number(record + i)) for i in range(count - len(records))]
            found: list[Any] = [None] * len(lines)

            def load(i: int, lines: list[Line] = lines, found: list[Any] = found) -> None:
                try:
                    found[i] = self._pixels(lines[i])
                except (DataError, FileError) as error:
                    found[i] = error

            self._workers.run(load, 0, len(lines))
            for line, result in zip(lines, found, strict=True):
                if isinstance(result, np.ndarray):
                    records.append(record)
                    loaded.append(result)
                elif record - begin > len(self._lines) and not records:
                    raise result  # there is none that can be used
                else:
                    self._tolerance.skip(line.path, result)
                record += 1
        return records, loaded

    def _label_map(self, line: Line, shape: tuple[int, ...]) -> np.ndarray:
        """The label image of an entry, in the size of its pixels."""
        assert isinstance(line.label, str)
        labels = images.read_label_map(self._folder.path(line.label))
        if self._size:
            labels = resize_nearest(labels, *self._size)
        if labels.shape != shape[1:]:
            raise DataError(
                f"{self._source}: the label image '{line.label}' has {_by(labels.shape)} pixels (height x width),"
                f" but '{line.path}' {_by(shape[1:])}. They must be equal."
            )
        return labels

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch that begins with the first image."""
        if self._tolerance.allowed:
            (number,), (pixels,) = self._usable(1)
            line = self._line(self._shard.number(number))
        else:
            line = self._line(self._shard.rank)
            pixels = self._pixels(line)
        shape = self._out_shape(line, pixels)
        return [(self._batch, *shape), *self._label_shapes(line, shape)]

    def _label_shapes(self, line: Line, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        if line.label is None:
            return []
        if isinstance(line.label, tuple):
            return [(self._batch, len(line.label))]
        return [(self._batch, 1, *shape[1:])] if isinstance(line.label, str) else [(self._batch,)]

    def _out_shape(self, line: Line, pixels: np.ndarray) -> tuple[int, ...]:
        try:
            return self._transformer.shape(pixels.shape)
        except DataError as error:
            raise DataError(f"{self._source}: image '{line.path}' cannot be used: {error}.") from None

    def seek(self, position: Position) -> None:
        """Go on at a position."""
        record = self._shard.begin(position["record"] * position.get("shards", self._shard.size))
        self.position = {**position, "record": record, "shards": self._shard.size}
        self._transformer.draws.reseed(position["seed"])
        self._order.reseed(position["seed"])
        self._skip = self._first()

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises FileError or DataError naming the image that cannot be used."""
        record = self.position["record"]
        loaded: list[np.ndarray] = []
        records = list(range(record, record + self._batch))
        if self._tolerance.allowed:
            records, loaded = self._usable(self._batch)
        numbers = [self._shard.number(one) for one in records]
        lines = [self._line(number) for number in numbers]
        self._transformer.begin(numbers[0])
        pixels = loaded[0] if loaded else self._pixels(lines[0])
        shape = self._out_shape(lines[0], pixels)
        arrays = [slot.array(0, (self._batch, *shape))]
        arrays += [slot.array(n, wanted) for n, wanted in enumerate(self._label_shapes(lines[0], shape), 1)]

        def prepare(i: int) -> None:
            pixels = loaded[i] if loaded else self._pixels(lines[i])
            if (own := self._out_shape(lines[i], pixels)) != shape:
                raise DataError(
                    f"{self._source}: image '{lines[i].path}' is {_by(own)} (channels x height x width), but the first"
                    f" one of its batch, '{lines[0].path}', {_by(shape)}. Set new_height and new_width, or crop_size,"
                    " or batch_size: 1."
                )
            self._fill(lines[i], numbers[i], pixels, [array[i : i + 1] for array in arrays])

        self._fill(lines[0], numbers[0], pixels, [array[:1] for array in arrays])
        self._workers.run(prepare, 1, self._batch)
        count = len(self._lines)
        begin, end = (self._skip + self._shard.number(one) for one in (record, records[-1] + 1))
        restarts = end // count - begin // count
        self.position = {**self.position, "seed": self._transformer.draws.seed, "record": records[-1] + 1}
        return Batch(arrays, [line.path for line in lines], self.position, [_RESTART] * restarts)

    def _fill(self, line: Line, number: int, pixels: np.ndarray, out: list[np.ndarray]) -> None:
        """Fill arrays of one item from an entry, its number in the stream, its pixels (channels, height, width)."""
        place = self._transformer.place(pixels.shape, number)
        self._transformer.fill(pixels, place, out[0][0])
        if isinstance(line.label, str):
            out[1][0, 0] = place.label_map(self._label_map(line, pixels.shape), self._outside)
        elif line.label is not None:
            out[1][...] = line.label

    def close(self) -> None:
        """End the threads; no file is open between batches."""
        self._workers.close()


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
