"""transform_param: crop, mirror, mean, scale, as Caffe's DataTransformer does them.

out = (pixel - mean) * scale in float32, in this order; kernels/cpu/transform.py does it in one pass. Random choices
depend on (seed, layer, number of the record) alone: they are the same whoever prepares the batch, and after a resume.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelike import device, log, rng
from caffelike.data import augment, images
from caffelike.data.paths import missing, resolve
from caffelike.data.prepared import SsdFields
from caffelike.data.random_size import RandomSize
from caffelike.errors import DataError, FileError, ModelError
from caffelike.schema import TRAIN, message_class

_WORDS = 4  # random numbers a record may use: crop row, crop column, mirror, one spare
_BLOCK = 1024  # records whose numbers are drawn at once


class Draws:
    """Random numbers of records: row r of an endless table of four uint32 columns, for (seed, name).

    Element (r, i) is a function of (seed, name, r, i). Several threads may ask at once.
    """

    def __init__(self, seed: int, name: str):
        self.seed, self.name = seed, name
        self._drawn: tuple[int, np.ndarray] = (-1, np.empty((0, _WORDS), np.uint32))

    def row(self, record: int) -> np.ndarray:
        """The four numbers of a record (from 0)."""
        block, row = divmod(record, _BLOCK)
        return self.table(block)[row]

    def table(self, block: int) -> np.ndarray:
        """The numbers of records block * 1024 .. + 1023, as (1024, 4)."""
        drawn, table = self._drawn
        if block != drawn:
            key = rng.new_key(self.seed, self.name)
            key[2] = block
            table = rng.bits(key, _BLOCK * _WORDS).reshape(_BLOCK, _WORDS)
            self._drawn = block, table
        return table

    def reseed(self, seed: int) -> None:
        """Use another seed from now on."""
        self.seed, self._drawn = seed, (-1, self._drawn[1])


def below(number: Any, limit: Any) -> Any:
    """A uint32, or an array of them, mapped to 0..limit-1."""
    wide = number.astype(np.int64) if isinstance(number, np.ndarray) else int(number)
    return wide * limit >> 32


class Placement(NamedTuple):
    """How one record is transformed: a piece of it resized (None: not), changed at random (None: not), cut out at (top,
    left), then mirrored.

    height, width: of what comes out. generator: of the random numbers that the change still needs.
    """

    change: augment.Change | None
    generator: np.random.Generator | None
    top: int
    left: int
    height: int
    width: int
    mirrored: bool
    piece: Any = None  # a Piece, or what else has its methods

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) of (x, y) in the record, (0, 0) the centre of its first pixel, as (x, y) in what comes out.

        They may come to lie outside.
        """
        moved = np.array(points, np.float64).reshape(-1, 2)
        if self.piece:
            moved = self.piece.points(moved)
        if self.change:
            moved = self.change.frame.points(moved)
        moved -= (self.left, self.top)
        if self.mirrored:
            moved[:, 0] = self.width - 1 - moved[:, 0]
        return moved

    def boxes(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) of (x1, y1, x2, y2), borders included, in what comes out; and how much of each is inside.

        A turned box becomes the upright one around it. The boxes are cut at the borders; of the second array,
        0 .. 1, those at 0 lie outside altogether and are to be dropped.
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        corners = self.points(boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]]).reshape(-1, 4, 2)
        low, high = corners.min(axis=1), corners.max(axis=1)
        last = np.array([self.width - 1, self.height - 1], np.float64)
        cut_low, cut_high = np.clip(low, 0, last), np.clip(high, 0, last)
        area = np.prod(high - low + 1, axis=1)
        kept = np.where(((high < 0) | (low > last)).any(axis=1), 0.0, np.prod(cut_high - cut_low + 1, axis=1))
        return np.hstack([cut_low, cut_high]), np.minimum(1, kept / np.maximum(area, 1e-12))

    def label_map(self, labels: np.ndarray, fill: float = 255) -> np.ndarray:
        """A map of labels (height, width) of the record as it comes out; `fill` is what lies outside of it."""
        if self.piece:
            labels = self.piece.labels(labels, fill)
        if self.change:
            labels = augment.warp_labels(labels, self.change.frame, fill)
        labels = labels[self.top : self.top + self.height, self.left : self.left + self.width]
        return labels[:, ::-1] if self.mirrored else labels


class Transformer:
    """The transform_param of one data layer.

    scale (1): a factor after the mean. mirror (false): half of the records are flipped left-right, in TEST too.
    crop_size (0: none): a random square while training, the centre otherwise. mean_file: a .binaryproto of the
    uncropped size; or mean_value: one, or one a channel. force_color, force_gray: of encoded records.
    augment_param: random changes while training, before all others, see `augment.Augmentation`.
    Forks' random sizes, before these: see `random_size.RandomSize`; of a mean_file the middle, of crop_size, is then
    subtracted from the crop. The fields of SSD's fork, before these: see `prepared.SsdFields`.
    sizes: what takes their place, with RandomSize's methods `least` and `draw`.
    Raises ModelError for options that exclude each other, FileError and DataError for the mean file.
    """

    def __init__(self, param: Any, phase: int, seed: int, name: str, folder: str = "", sizes: Any = None):
        self.scale = float(np.float32(param.scale))
        self.mirror, self.crop = param.mirror, param.crop_size
        self.draws = Draws(seed, name)
        self._random_crop = bool(self.crop) and phase == TRAIN
        self.mean_values = np.array(param.mean_value, np.float32)
        self.mean: np.ndarray | None = None
        if param.mean_file:
            if self.mean_values.size:
                raise ModelError("Cannot specify mean_file and mean_value at the same time. Keep one of them.", name)
            self.mean = np.ascontiguousarray(read_mean(resolve(param.mean_file, folder)))
        if param.force_color and param.force_gray:
            raise ModelError("force_color and force_gray cannot both be true. Remove one of them.", name)
        self.force = "color" if param.force_color else "gray" if param.force_gray else ""
        self.augmentation: augment.Augmentation | None = None
        if param.HasField("augment_param"):
            checked = augment.Augmentation(param.augment_param, name)
            self.augmentation = checked if phase == TRAIN else None
        self.sizes = sizes if sizes is not None else _sizes(param, name)
        self._mean_of_crop = bool(self.sizes) and not isinstance(self.sizes, SsdFields)
        if self._mean_of_crop and self.mean is not None:
            self.mean = _middle(self.mean, self.crop)
        self.begin(0)
        self._levels: dict[int, np.ndarray] = {}
        self._placed: tuple[Any, np.ndarray, np.ndarray] = (None, np.empty(0), np.empty(0))

    @property
    def mode(self) -> str:
        """How encoded records are decoded, see `images.decode`."""
        return self.force or "native"

    def begin(self, record: int) -> None:
        """A batch begins with this record: what is chosen for whole batches."""
        if isinstance(self.sizes, SsdFields):
            self.sizes.begin(self.draws.seed, record)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """(channels, height, width) of what comes out for a record of this shape. Raises DataError if it cannot be."""
        channels, height, width = shape
        least = self.sizes.least(height, width) if self.sizes else (height, width)
        if self.crop and min(least) < self.crop:
            raise DataError(
                f"crop_size {self.crop} is larger than its {height}x{width} pixels. Resize the images when making the"
                " data set (or with new_height and new_width), or crop less"
            )
        if self._mean_of_crop and self.mean is not None and self.mean.shape != (channels, self.crop, self.crop):
            raise DataError(
                f"the mean file has {_by(self.mean.shape)} (channels x height x width) values to be subtracted from a"
                f" crop of {_by((channels, self.crop, self.crop))}. The mean must not be smaller than crop_size"
            )
        if not self._mean_of_crop:
            height, width = least
        if self.mean is not None and not self._mean_of_crop and self.mean.shape != (channels, height, width):
            raise DataError(
                f"the mean file is {_by(self.mean.shape)} (channels x height x width), but the record"
                f" {_by((channels, height, width))}."
                " The mean has the size before cropping: compute it on this data set"
            )
        if self.mean_values.size not in (0, 1, channels):
            raise DataError(
                f"mean_value is given {self.mean_values.size} times for {channels} channel(s): give 1 or {channels}"
            )
        return (channels, self.crop or height, self.crop or width)

    def place(self, shape: tuple[int, ...], record: int) -> Placement:
        """How record number `record`, of (channels, height, width), is transformed."""
        piece = self.sizes.draw(self.draws.seed, record, shape) if self.sizes else None
        if piece:
            shape = (shape[0], piece.height, piece.width)
        height, width = self.crop or shape[1], self.crop or shape[2]
        top, left = shape[1] - height, shape[2] - width
        mirrored = False
        if self.mirror or self._random_crop:
            draws = self.draws.row(record)
            mirrored = bool(self.mirror and below(draws[2], 2))
        if self._random_crop:
            top, left = below(draws[0], top + 1), below(draws[1], left + 1)
        else:
            top, left = top // 2, left // 2
        change = generator = None
        if self.augmentation:
            change, generator = self.augmentation.draw(self.draws.seed, record, shape)
        return Placement(change, generator, top, left, height, width, mirrored, piece)

    def _places(self, shape: tuple[int, ...], records: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(top, left) and mirrored, as `place` gives them, of records of one shape: (n, 2) and (n,).

        records: their numbers, from the lowest on.
        """
        blocks, rows = np.divmod(records, _BLOCK)
        if blocks[0] == blocks[-1]:
            corners, mirrored = self._places_of_block(shape, int(blocks[0]))
            return corners[rows], mirrored[rows]
        parts = [self._places_of_block(shape, block) for block in np.unique(blocks).tolist()]
        corners, mirrored = (np.concatenate(some) for some in zip(*parts, strict=True))
        rows += np.unique(blocks, return_inverse=True)[1] * _BLOCK
        return corners[rows], mirrored[rows]

    def _places_of_block(self, shape: tuple[int, ...], block: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of 1024 records; those of the last block asked for are kept, for several batches."""
        asked = (self.draws.seed, shape, block)
        if self._placed[0] != asked:
            corners = np.empty((_BLOCK, 2), np.int64)
            spare = np.array(shape[1:]) - self.crop if self.crop else np.zeros(2, np.int64)
            corners[:] = spare // 2
            mirrored = np.zeros(_BLOCK, bool)
            if self.mirror or self._random_crop:
                draws = self.draws.table(block)
                if self.mirror:
                    mirrored = below(draws[:, 2], 2) > 0
                if self._random_crop:
                    corners = below(draws[:, :2], spare + 1)
            self._placed = asked, corners, mirrored
        return self._placed[1:]

    def apply(self, pixels: Sequence[np.ndarray], out: np.ndarray, record: int) -> None:
        """Fill out (n, channels, height, width), float32, from n arrays (channels, height, width), uint8 or float32.

        record: the running number of the first one. The shapes must be those that `shape` allowed for out's.
        """
        for i, values in enumerate(pixels):
            self.fill(values, self.place(values.shape, record + i), out[i])

    def fill(self, values: np.ndarray, place: Placement, out: np.ndarray) -> None:
        """Fill out (channels, height, width), float32, from one record as `place` says. Several threads may."""
        mean = self._mean(len(out))
        if place.piece:
            values = place.piece.pixels(values)
        if place.change:
            fill = mean.reshape(len(mean), -1).mean(axis=1)
            if self.augmentation and self.augmentation.param.HasField("fill"):
                fill = np.full(len(out), self.augmentation.param.fill)
            assert place.generator
            values = augment.apply(values, place.change, fill, place.generator)
        if place.piece and self._mean_of_crop:
            values, place = np.ascontiguousarray(values[_window(place)]), place._replace(top=0, left=0)
        if not place.change and values.dtype == np.uint8 and (kernel := _kernel_for(values)):
            function, array = kernel
            function(array, mean, out, place.top, place.left, place.mirrored, self.scale)
            return
        part, step = _window(place), -1 if place.mirrored else 1
        np.copyto(out, values[part][:, :, ::step])
        out -= mean[part][:, :, ::step] if self.mean is not None else mean
        if self.scale != 1:
            out *= np.float32(self.scale)

    def fill_all(self, values: Sequence[np.ndarray] | np.ndarray, records: Sequence[int], out: np.ndarray) -> None:
        """`fill` for uint8 records (channels, height, width) of one shape, numbered `records`, without random changes.

        Where `values` are one array the kernel is called once, else once a record, with nothing else between.
        """
        corners, mirrored = self._places(values[0].shape, records)
        mean = self._mean(out.shape[1])
        together = isinstance(values, np.ndarray)
        fast = device.kernel("transform", "planes_of_all" if together else "planes")
        if fast and together:
            fast(values, mean, out, corners, mirrored, self.scale)
            return
        height, width = out.shape[2:]
        for pixels, part, (top, left), turned in zip(values, out, corners.tolist(), mirrored.tolist(), strict=True):
            if fast:
                fast(pixels, mean, part, top, left, turned, self.scale)
            else:
                self.fill(pixels, Placement(None, None, top, left, height, width, turned), part)

    def _mean(self, channels: int) -> np.ndarray:
        """What is subtracted: the mean image, or (channels, 1, 1); zeros where nothing is."""
        if self.mean is not None:
            return self.mean
        if channels not in self._levels:
            level = np.zeros((channels, 1, 1), np.float32)
            if self.mean_values.size:
                level[...] = self.mean_values[:, None, None]
            self._levels[channels] = level
        return self._levels[channels]


def _kernel_for(values: np.ndarray) -> tuple[Callable, np.ndarray] | None:
    """A kernel for a record of uint8 (channels, height, width), with the array that it takes."""
    if (words := images.words_of(values)) is not None and (fast := device.kernel("transform", "words")):
        return fast, words
    pixels = values.transpose(1, 2, 0)
    for name, array in (("planes", values), ("interleaved", pixels)):
        if array.flags.c_contiguous and (fast := device.kernel("transform", name)):
            if array.flags.writeable:  # one kind of array, so that the kernel is compiled once
                array = array.view()
                array.flags.writeable = False
            return fast, array
    return None


def _window(place: Placement) -> tuple[slice, slice, slice]:
    """Where in (channels, height, width) the crop lies."""
    return np.s_[:, place.top : place.top + place.height, place.left : place.left + place.width]


def _sizes(param: Any, name: str) -> RandomSize | SsdFields | None:
    """What transform_param says about sizes, if anything. Raises ModelError."""
    if not SsdFields.wanted(param):
        return RandomSize(param, name) if RandomSize.wanted(param) else None
    if RandomSize.wanted(param):
        raise ModelError(
            "resize_param and the like, of SSD's fork, and random sizes of others exclude each other.", name
        )
    return SsdFields(param, name)


def _middle(mean: np.ndarray, crop: int) -> np.ndarray:
    """The middle of a mean image, crop x crop, or the whole where it is smaller."""
    top, left = (max(0, n - crop) // 2 for n in mean.shape[1:])
    return np.ascontiguousarray(mean[:, top : top + crop, left : left + crop])


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def read_mean(path: str) -> np.ndarray:
    """The mean image of a .binaryproto as float32 of (channels, height, width). Raises FileError or DataError."""
    values = read_volume(path)
    if values.ndim != 3:
        raise _no_mean(path, values.shape, values.size)
    return values


def read_volume(path: str) -> np.ndarray:
    """The mean of images, or that of clips (channels, frames, height, width), as `read_mean`."""
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
    if len(shape) in (4, 5) and shape[0] == 1:
        shape = shape[1:]
    if len(shape) not in (3, 4) or not values.size or values.size != np.prod(shape):
        raise _no_mean(path, shape, values.size)
    return values.reshape(shape)


def _no_mean(path: str, shape: tuple[int, ...], count: int) -> DataError:
    return DataError(
        f"{path} is no mean file: it says {_by(shape)} and holds {count} values. Expected is one image of"
        " (1, channels, height, width)."
    )
