"""Batches of images that a text file lists."""

import os
from typing import NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data import images
from caffelike.data.paths import missing
from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.resize import resize
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError, FileError

_RESTART = ("image_data_layer.cpp:157", "Restarting data prefetching from start.")


class Line(NamedTuple):
    """An entry of the list."""

    path: str
    label: int


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


def read_list(path: str) -> list[Line]:
    """The entries of a list of lines `path label`; a path may hold spaces, empty lines are skipped.

    Raises FileError when it cannot be read, DataError when it is empty or a label is no whole number.
    """
    lines = []
    for number, text in enumerate(read_text(path, "image list").splitlines(), 1):
        name, _, label = text.rstrip().rpartition(" ")
        if not name and not label:
            continue
        try:
            lines.append(Line(name, int(label)))
        except ValueError:
            name = ""
        if not name:
            raise DataError(
                f"{path}:{number}: '{text.rstrip()}' is no entry of an image list. Expected is: path, a space, and the"
                " label, a whole number."
            )
    if not lines:
        raise DataError(f"{path} lists no images. Expected are lines: path, a space, and the label.")
    return lines


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
    shuffle: a new order in each pass. rand_skip: start at a random one of the first so many.
    position: seed, record (how many were delivered).
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
    ):
        self._lines, self._source, self._folder = lines, source, Folder(root, beside)
        self._transformer, self._batch, self._size, self._color = transformer, batch, size, color
        self._shuffle, self._rand_skip = shuffle, rand_skip
        self._epoch, self._order = -1, np.arange(len(lines))
        self.position: Position = {"seed": transformer.draws.seed, "record": 0}
        self._skip = self._first()

    def _generator(self, what: str, index: int = 0) -> np.random.Generator:
        draws = self._transformer.draws
        return rng.generator(draws.seed, f"{draws.name}/{what}", index)

    def _first(self) -> int:
        """How many images are skipped at the start."""
        if not self._rand_skip:
            return 0
        skip = int(self._generator("skip").integers(self._rand_skip))
        if skip >= len(self._lines):
            raise DataError(
                f"Not enough points to skip: rand_skip {self._rand_skip} chose {skip}, but {self._source} lists"
                f" {len(self._lines)} images. Make rand_skip smaller."
            )
        return skip

    def _line(self, record: int) -> Line:
        """The entry delivered as number `record`."""
        epoch, index = divmod(self._skip + record, len(self._lines))
        if self._shuffle and epoch != self._epoch:
            self._epoch, self._order = epoch, self._generator("order", epoch).permutation(len(self._lines))
        return self._lines[self._order[index]]

    def _pixels(self, line: Line) -> np.ndarray:
        image = self._folder.read(line.path, self._color)
        return (resize(image, *self._size) if self._size else image).transpose(2, 0, 1)

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch that begins with the first image."""
        line = self._line(0)
        return [(self._batch, *self._out_shape(line, self._pixels(line))), (self._batch,)]

    def _out_shape(self, line: Line, pixels: np.ndarray) -> tuple[int, ...]:
        try:
            return self._transformer.shape(pixels.shape)
        except DataError as error:
            raise DataError(f"{self._source}: image '{line.path}' cannot be used: {error}.") from None

    def seek(self, position: Position) -> None:
        """Go on at a position."""
        self.position = dict(position)
        self._transformer.draws.reseed(position["seed"])
        self._epoch = -1
        self._skip = self._first()

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises FileError or DataError naming the image that cannot be used."""
        record = self.position["record"]
        lines = [self._line(record + i) for i in range(self._batch)]
        shape: tuple[int, ...] = ()
        for i, line in enumerate(lines):
            pixels = self._pixels(line)
            own = self._out_shape(line, pixels)
            if not i:
                shape = own
                data = slot.array(0, (self._batch, *shape))
            elif own != shape:
                raise DataError(
                    f"{self._source}: image '{line.path}' is {_by(own)} (channels x height x width), but the first one"
                    f" of its batch, '{lines[0].path}', {_by(shape)}. Set new_height and new_width, or crop_size, or"
                    " batch_size: 1."
                )
            self._transformer.apply([pixels], data[i : i + 1], record + i)
        labels = slot.array(1, (self._batch,))
        labels[...] = [line.label for line in lines]
        end = self._skip + record + self._batch
        restarts = end // len(self._lines) - (self._skip + record) // len(self._lines)
        self.position = {"seed": self._transformer.draws.seed, "record": record + self._batch}
        return Batch([data, labels], [line.path for line in lines], self.position, [_RESTART] * restarts)

    def close(self) -> None:
        """Nothing is open between batches."""


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
