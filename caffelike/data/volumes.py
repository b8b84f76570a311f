"""Batches of clips with a truth for each voxel, from C3D's binary files.

A file is five whole numbers of 4 bytes, the shape (1, channels, frames, height, width), and as many numbers: 4 bytes
each, single precision, or one byte each.
"""

import os
from typing import NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data.imagelist import Folder
from caffelike.data.order import Shuffle, first_record
from caffelike.data.paths import missing
from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.shard import ALL, Shard
from caffelike.errors import DataError, FileError

_HEAD = 5 * 4


class VoxelCut(NamedTuple):
    """How a volume is cut and changed; see VideoWithVoxelTruthData.

    truths: how many of its channels, the last ones, are the truth. size: the side of the cut, 0: none. clip: (low,
    high), which become 0 and 1, or None.
    """

    truths: int
    size: int
    mirror: bool
    random: bool
    flow: bool
    scale: float
    truth_scale: float
    clip: tuple[float, float] | None


def read_volume_file(path: str) -> np.ndarray:
    """The numbers (channels, frames, height, width) of a file, float32. Raises FileError and DataError."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            shape = np.fromfile(file, "<i4", 5)
            count = int(np.prod(shape.astype(np.int64))) if len(shape) == 5 and (shape > 0).all() else 0
            kinds = {4 * count: "<f4", count: "u1"}
            if not count or shape[0] != 1 or size - _HEAD not in kinds:
                raise DataError(
                    f"{path} is no volume: its {size} bytes must be five whole numbers, 1, channels, frames, height and"
                    f" width, and as many numbers of 1 or 4 bytes; they begin with {shape.tolist()}."
                )
            return np.fromfile(file, kinds[size - _HEAD]).astype(np.float32).reshape(shape[1:])
    except FileNotFoundError:
        raise FileError(missing(path, "volume")) from None
    except OSError as error:
        raise FileError(f"Could not read the volume {path}: {error.strerror}.") from error


class VolumeProducer:
    """Makes batches of (data, truth) from listed volumes.

    source: the list's name for messages. root, beside: see `Folder`. mean: what is subtracted from the data: a number,
    or an array (channels, frames, height, width). position: seed, record (how many were delivered).
    """

    def __init__(
        self,
        paths: list[str],
        source: str,
        root: str,
        beside: str,
        batch: int,
        cut: VoxelCut,
        mean: np.ndarray | float,
        shuffle: bool,
        rand_skip: int,
        seed: int,
        name: str,
        shard: Shard = ALL,
    ):
        self._paths, self._source, self._folder = paths, source, Folder(root, beside)
        self._batch, self._cut, self._mean, self._name, self._shard = batch, cut, mean, name, shard
        self._order, self._rand_skip = Shuffle(len(paths), seed, shuffle), rand_skip
        self.position: Position = {"seed": seed, "record": 0}

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch that begins with the first volume."""
        return [(self._batch, *part.shape) for part in self._load(0)[1:]]

    def seek(self, position: Position) -> None:
        """Go on at a position."""
        self.position = dict(position)
        self._order.reseed(position["seed"])

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises FileError or DataError naming the volume that cannot be used."""
        record = self.position["record"]
        loaded = [self._load(record + i) for i in range(self._batch)]
        _, data, truth = loaded[0]
        arrays = [slot.array(i, (self._batch, *part.shape)) for i, part in enumerate((data, truth))]
        for i, (path, *parts) in enumerate(loaded):
            for array, part in zip(arrays, parts, strict=True):
                if part.shape != array.shape[1:]:
                    raise DataError(
                        f"{self._source}: '{path}' gives {part.shape}, but the first volume of its batch"
                        f" {array.shape[1:]}."
                    )
                array[i] = part
        self.position = {"seed": self.position["seed"], "record": record + self._batch}
        return Batch(arrays, [path for path, *_ in loaded], self.position)

    def close(self) -> None:
        """Nothing is open between batches."""

    def _load(self, record: int) -> tuple[str, np.ndarray, np.ndarray]:
        """(path, data, truth) of a volume as they are delivered."""
        number, seed, cut = self._shard.number(record), self.position["seed"], self._cut
        path = self._paths[self._order.at(first_record(self._rand_skip, seed) + number)]
        values = read_volume_file(self._folder.path(path))
        channels = len(values) - cut.truths
        if channels < 1:
            raise DataError(
                f"{self._source}: '{path}' has {len(values)} channels, of which {cut.truths} are the truth."
            )
        data, truth = values[:channels], values[channels:]
        if isinstance(self._mean, np.ndarray) and self._mean.shape != data.shape:
            raise DataError(f"The mean file is {self._mean.shape}, but the data of the volume '{path}' {data.shape}.")
        data = data - self._mean
        if not cut.size:
            return path, data * np.float32(cut.scale), truth
        room = [n - cut.size for n in values.shape[2:]]
        if min(room) < 0:
            raise DataError(
                f"{self._source}: crop_size {cut.size} is larger than the {values.shape[2]}x{values.shape[3]} pixels of"
                f" '{path}'."
            )
        draws = rng.generator(seed, f"{self._name}/volume", number).random(3)
        top, left = (int(u * (n + 1)) if cut.random else n // 2 for u, n in zip(draws, room, strict=False))
        place = np.s_[:, :, top : top + cut.size, left : left + cut.size]
        data, truth = data[place] * np.float32(cut.scale), truth[place].copy()
        if cut.mirror and draws[2] < 0.5:
            data, truth = data[..., ::-1], truth[..., ::-1]
            if cut.flow:
                truth[0] *= -1  # what moved to the right moves to the left
        if cut.clip:
            low, high = cut.clip
            return path, data, np.clip((truth - np.float32(low)) / np.float32(high - low), 0, 1)
        return path, data, truth * np.float32(cut.truth_scale)
