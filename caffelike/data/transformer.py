"""transform_param: crop, mirror, mean, scale, as Caffe's DataTransformer does them.

out = (pixel - mean) * scale in float32, in this order. Random choices depend on (seed, layer, number of the record)
alone, so they are the same whoever prepares the batch, and after a resume.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike import log, rng
from caffelike.data.paths import missing, resolve
from caffelike.errors import DataError, FileError, ModelError
from caffelike.schema import TRAIN, message_class

_WORDS = 4  # random numbers a record may use: crop row, crop column, mirror, one spare
_BLOCK = 1024  # records whose numbers are drawn at once
_CHUNK = 1 << 16  # floats that stay in a processor's cache from one operation to the next


class Draws:
    """Random numbers of records: row r of an endless table of four uint32 columns, for (seed, name).

    Element (r, i) is a function of (seed, name, r, i).
    """

    def __init__(self, seed: int, name: str):
        self.seed, self.name = seed, name
        self._block, self._table = -1, np.empty((0, _WORDS), np.uint32)

    def row(self, record: int) -> np.ndarray:
        """The four numbers of a record (from 0)."""
        block, row = divmod(record, _BLOCK)
        if block != self._block:
            key = rng.new_key(self.seed, self.name)
            key[2] = block
            self._block, self._table = block, rng.bits(key, _BLOCK * _WORDS).reshape(_BLOCK, _WORDS)
        return self._table[row]

    def reseed(self, seed: int) -> None:
        """Use another seed from now on."""
        self.seed, self._block = seed, -1


def below(number: Any, limit: int) -> int:
    """A uint32 mapped to 0..limit-1."""
    return int(number) * limit >> 32


class Transformer:
    """The transform_param of one data layer.

    scale (1): a factor after the mean. mirror (false): half of the records are flipped left-right, in TEST too.
    crop_size (0: none): a random square while training, the centre otherwise. mean_file: a .binaryproto of the
    uncropped size; or mean_value: one, or one a channel. force_color, force_gray: of encoded records.
    Raises ModelError for options that exclude each other, FileError and DataError for the mean file.
    """

    def __init__(self, param: Any, phase: int, seed: int, name: str, folder: str = ""):
        self.scale = np.float32(param.scale)
        self.mirror, self.crop = param.mirror, param.crop_size
        self.draws = Draws(seed, name)
        self._random_crop = bool(self.crop) and phase == TRAIN
        self.mean_values = np.array(param.mean_value, np.float32)
        self.mean: np.ndarray | None = None
        if param.mean_file:
            if self.mean_values.size:
                raise ModelError("Cannot specify mean_file and mean_value at the same time. Keep one of them.", name)
            self.mean = read_mean(resolve(param.mean_file, folder))
        if param.force_color and param.force_gray:
            raise ModelError("force_color and force_gray cannot both be true. Remove one of them.", name)
        self.force = "color" if param.force_color else "gray" if param.force_gray else ""

    @property
    def mode(self) -> str:
        """How encoded records are decoded, see `images.decode`."""
        return self.force or "native"

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """(channels, height, width) of what comes out for a record of this shape. Raises DataError if it cannot be."""
        channels, height, width = shape
        if self.crop and (height < self.crop or width < self.crop):
            raise DataError(
                f"crop_size {self.crop} is larger than its {height}x{width} pixels. Resize the images when making the"
                " data set (or with new_height and new_width), or crop less"
            )
        if self.mean is not None and self.mean.shape != (channels, height, width):
            raise DataError(
                f"the mean file is {_by(self.mean.shape)} (channels x height x width), but the record {_by(shape)}."
                " The mean has the size before cropping: compute it on this data set"
            )
        if self.mean_values.size not in (0, 1, channels):
            raise DataError(
                f"mean_value is given {self.mean_values.size} times for {channels} channel(s): give 1 or {channels}"
            )
        return (channels, self.crop or height, self.crop or width)

    def apply(self, pixels: Sequence[np.ndarray], out: np.ndarray, record: int) -> None:
        """Fill out (n, channels, height, width), float32, from n arrays (channels, height, width), uint8 or float32.

        record: the running number of the first one. The shapes must be those that `shape` allowed for out's.
        """
        if self.mirror or self._random_crop:
            for i, values in enumerate(pixels):
                self._one(values, out[i], record + i)
            return
        step = max(1, _CHUNK // max(1, out[0].size))
        mean = None
        for low in range(0, len(pixels), step):
            part = out[low : low + step]
            for values, place in zip(pixels[low : low + step], part, strict=True):
                top, left = (values.shape[1] - out.shape[2]) // 2, (values.shape[2] - out.shape[3]) // 2
                np.copyto(place, values[:, top : top + out.shape[2], left : left + out.shape[3]])
            if mean is None:
                mean = self._mean(out.shape[1:], top, left)
            self._level(part, mean)

    def _one(self, values: np.ndarray, out: np.ndarray, record: int) -> None:
        draws = self.draws.row(record)
        height, width = out.shape[1:]
        top, left = values.shape[1] - height, values.shape[2] - width
        if self._random_crop:
            top, left = below(draws[0], top + 1), below(draws[1], left + 1)
        else:
            top, left = top // 2, left // 2
        step = -1 if self.mirror and below(draws[2], 2) else 1
        np.copyto(out, values[:, top : top + height, left : left + width][:, :, ::step])
        mean = self._mean(out.shape, top, left)
        self._level(out, mean if mean is None else mean[:, :, ::step])

    def _mean(self, shape: tuple[int, ...], top: int, left: int) -> np.ndarray | None:
        """What is subtracted from a record of `shape` cut out at (top, left)."""
        if self.mean is not None:
            return self.mean[:, top : top + shape[1], left : left + shape[2]]
        return self.mean_values[:, None, None] if self.mean_values.size else None

    def _level(self, out: np.ndarray, mean: np.ndarray | None) -> None:
        if mean is not None:
            out -= mean
        if self.scale != 1:
            out *= self.scale


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def read_mean(path: str) -> np.ndarray:
    """The mean image of a .binaryproto as float32 of (channels, height, width). Raises FileError or DataError."""
    from google.protobuf.message import DecodeError

    log.info("data_transformer.cpp:25", f"Loading mean file from: {path}")
    try:
        with open(path, "rb") as file:
            blob = message_class("BlobProto").FromString(file.read())
    except FileNotFoundError:
        raise FileError(missing(path, "mean file")) from None
    except OSError as error:
        raise FileError(f"Could not read the mean file {path}: {error.strerror}.") from error
    except DecodeError:
        raise DataError(
            f"{path} is no mean file: it does not hold a BlobProto, as compute_image_mean writes it. (A NumPy .npy file"
            " has to be converted: see caffelike.io.array_to_blobproto.)"
        ) from None
    values = np.array(blob.data or blob.double_data, np.float32)
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim)
    else:
        shape = (blob.num, blob.channels, blob.height, blob.width)
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 3 or not values.size or values.size != np.prod(shape):
        raise DataError(
            f"{path} is no mean file: it says {_by(shape)} and holds {values.size} values. Expected is one image of"
            " (1, channels, height, width)."
        )
    return values.reshape(shape)
