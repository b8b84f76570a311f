"""Batches of clips: some frames of a video each, from folders of images or from video files.

Every random choice depends on (seed, layer, number of the record) alone.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data.imagelist import Folder, read_text
from caffelike.data.order import Shuffle
from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.resize import resize
from caffelike.data.shard import ALL, Shard
from caffelike.errors import DataError

_CORNERS = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]  # in quarters of the room, rows and columns
_MORE = [(2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3)]


class Clip(NamedTuple):
    """An entry of a list: the video, a number (its first frame, or how many frames it has), and its label."""

    path: str
    number: int
    label: float


class Frames(NamedTuple):
    """Which frames of a video are taken, and what they are called.

    segments: into how many parts a video is cut; 0: the entry's number is the first frame of the clip. length: frames
    from each part, `every` frames apart. pattern: of the file names, with %c for x and y where flow is true; "": the
    path is a video file. random: at random within each part, else from its middle.
    """

    segments: int
    length: int
    every: int
    pattern: str
    flow: bool
    random: bool

    @property
    def channels(self) -> int:
        """Of one frame: blue, green and red, or the flow's x and y."""
        return 2 if self.flow else 3

    def numbers(self, clip: Clip, draws: np.ndarray) -> list[int]:
        """The frames' numbers, from 1. draws: uniform random numbers, one for each part."""
        steps = self.every * np.arange(self.length)
        if not self.segments:
            return [int(clip.number + step) for step in steps]
        part = clip.number // self.segments
        room = max(0, part - self.every * (self.length - 1) - 1)
        found = []
        for segment in range(self.segments):
            begin = int(draws[segment] * (room + 1)) if self.random else room // 2
            found += [min(segment * part + begin + int(step) + 1, max(1, clip.number)) for step in steps]
        return found


class Crop(NamedTuple):
    """How all frames of a clip are cut: size (0: not), mirror, and TSN's scales and corners while training.

    ratios: sides of the cut as shares of the shorter side, two of them at most `distort` places apart; () : `size`.
    corners: cut at corners and in the middle only; more: at eight other places, too.
    """

    size: int
    mirror: bool
    train: bool
    ratios: tuple[float, ...] = ()
    distort: int = 1
    corners: bool = False
    more: bool = False

    def place(self, height: int, width: int, draws: np.ndarray) -> tuple[int, int, int, int]:
        """(top, left, rows, columns) of what is kept. draws: three uniform random numbers."""
        if not self.size:
            return 0, 0, height, width
        rows = columns = self.size
        if self.train and self.ratios:
            sides = [min(self.size if abs(s - self.size) < 3 else s, height, width) for s in self._sides(height, width)]
            pairs = [(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= self.distort]
            rows, columns = pairs[int(draws[0] * len(pairs))]
        room = height - rows, width - columns
        if min(room) < 0:
            raise DataError(f"crop_size {self.size} is larger than its {height}x{width} pixels")
        if not self.train:
            return room[0] // 2, room[1] // 2, rows, columns
        if self.corners:
            places = _CORNERS + (_MORE if self.more else [])
            down, right = places[int(draws[1] * len(places))]
            return down * (room[0] // 4), right * (room[1] // 4), rows, columns
        return int(draws[1] * (room[0] + 1)), int(draws[2] * (room[1] + 1)), rows, columns

    def _sides(self, height: int, width: int) -> list[int]:
        return [int(min(height, width) * ratio) for ratio in self.ratios]


def read_clips(path: str) -> list[Clip]:
    """The entries of a list of lines `path number label`. Raises FileError, and DataError for a line that is none."""
    found = []
    for number, text in enumerate(read_text(path, "video list").splitlines(), 1):
        if not text.strip():
            continue
        try:
            name, count, label = text.rsplit(None, 2)
            found.append(Clip(name, int(count), float(label)))
        except ValueError:
            raise DataError(
                f"{path}:{number}: '{text}' is no entry of a video list. Expected is: path, a whole number (the first"
                " frame, or how many there are), and the label."
            ) from None
    if not found:
        raise DataError(f"{path} lists no videos.")
    return found


def read_video(path: str, numbers: Sequence[int]) -> list[np.ndarray]:
    """Frames (height, width, 3), BGR, of a video file, numbered from 1. Needs OpenCV; raises DataError."""
    try:
        import cv2
    except ImportError:
        raise DataError(
            f"Reading the video {path} needs OpenCV: pip install opencv-python-headless. Or cut it into images, and"
            " write use_image: true."
        ) from None
    capture = cv2.VideoCapture(path)
    try:
        frames = {}
        for number in range(1, max(numbers) + 1):
            there, frame = capture.read()
            if not there:
                raise DataError(f"{path} ends, or cannot be read, before frame {number}.")
            if number in numbers:
                frames[number] = frame
        return [frames[number] for number in numbers]
    finally:
        capture.release()


class ClipProducer:
    """Makes batches of (data, label) from listed videos.

    source: the list's name for messages. root, beside: see `Folder`. size: (height, width) to resize frames to, or
    None. mean: None, (k,) numbers dealt out to the channels in turn, or an array (3, length, height, width).
    volume: the data are (batch, channels, frames, height, width), else (batch, frames * channels, height, width).
    position: seed, record (how many were delivered).
    """

    def __init__(
        self,
        clips: list[Clip],
        source: str,
        root: str,
        beside: str,
        batch: int,
        frames: Frames,
        crop: Crop,
        size: tuple[int, int] | None,
        mean: np.ndarray | None,
        scale: float,
        volume: bool,
        shuffle: bool,
        seed: int,
        name: str,
        shard: Shard = ALL,
    ):
        self._clips, self._source, self._folder = clips, source, Folder(root, beside)
        self._batch, self._frames, self._crop, self._size = batch, frames, crop, size
        self._mean, self._scale, self._volume, self._name, self._shard = mean, np.float32(scale), volume, name, shard
        self._order = Shuffle(len(clips), seed, shuffle)
        self.position: Position = {"seed": seed, "record": 0}

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch that begins with the first clip."""
        return [(self._batch, *self._load(0)[0].shape), (self._batch,)]

    def seek(self, position: Position) -> None:
        """Go on at a position."""
        self.position = dict(position)
        self._order.reseed(position["seed"])

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises FileError or DataError naming the frame that cannot be used."""
        record = self.position["record"]
        loaded = [self._load(record + i) for i in range(self._batch)]
        first = loaded[0][0].shape
        data, labels = slot.array(0, (self._batch, *first)), slot.array(1, (self._batch,))
        for i, (values, clip) in enumerate(loaded):
            if values.shape != first:
                raise DataError(
                    f"{self._source}: '{clip.path}' gives {values.shape}, but the first clip of its batch {first}. Set"
                    " new_height and new_width, or crop_size."
                )
            data[i], labels[i] = values, clip.label
        self.position = {"seed": self.position["seed"], "record": record + self._batch}
        return Batch([data, labels], [clip.path for _, clip in loaded], self.position)

    def close(self) -> None:
        """Nothing is open between batches."""

    def _load(self, record: int) -> tuple[np.ndarray, Clip]:
        """A clip's values as they are delivered, and its entry."""
        number = self._shard.number(record)
        clip = self._clips[self._order.at(number)]
        generator = rng.generator(self.position["seed"], f"{self._name}/clip", number)
        draws = generator.random(4 + max(1, self._frames.segments))
        pixels = self._read(clip, self._frames.numbers(clip, draws[4:]))
        mean = self._mean
        if mean is not None and mean.ndim == 4:
            mean = mean.transpose(1, 0, 2, 3)
            if mean.shape != pixels.shape:
                raise DataError(
                    f"The mean file is {mean.shape} (frames, channels, height, width), but the clip '{clip.path}'"
                    f" {pixels.shape}."
                )
        try:
            top, left, rows, columns = self._crop.place(pixels.shape[2], pixels.shape[3], draws[:3])
        except DataError as error:
            raise DataError(f"{self._source}: '{clip.path}' cannot be used: {error}.") from None
        place = np.s_[:, :, top : top + rows, left : left + columns]
        mirrored = self._crop.mirror and draws[3] < 0.5
        pixels = pixels[place]
        if mirrored and self._frames.flow:
            pixels[:, 0] = 255 - pixels[:, 0]  # what moved to the right moves to the left
        side = self._crop.size
        if side and (rows, columns) != (side, side):
            pixels = np.stack([resize(frame.transpose(1, 2, 0), side, side).transpose(2, 0, 1) for frame in pixels])
        values = pixels.astype(np.float32, order="C")
        if mean is not None and mean.ndim == 4:
            values -= mean[place]
        elif mean is not None:
            flat = values.reshape(-1, *values.shape[2:])
            flat -= np.resize(mean, len(flat))[:, None, None]
        values = (values[..., ::-1] if mirrored else values) * self._scale
        return (values.transpose(1, 0, 2, 3) if self._volume else values.reshape(-1, *values.shape[2:])), clip

    def _read(self, clip: Clip, numbers: list[int]) -> np.ndarray:
        """(frames, channels, height, width)."""
        if not self._frames.pattern:
            images: list[Any] = read_video(self._folder.path(clip.path), numbers)
        elif self._frames.flow:
            pairs = [[self._image(clip, number, axis) for axis in "xy"] for number in numbers]
            images = [np.concatenate(pair, axis=2) for pair in pairs]
        else:
            images = [self._image(clip, number) for number in numbers]
        if self._size:
            images = [resize(np.ascontiguousarray(image), *self._size) for image in images]
        if len({image.shape for image in images}) > 1:
            raise DataError(f"{self._source}: the frames of '{clip.path}' are not of one size.")
        return np.stack(images).transpose(0, 3, 1, 2)

    def _image(self, clip: Clip, number: int, axis: str = "") -> np.ndarray:
        name = self._frames.pattern.replace("%c", axis) % number
        image = self._folder.read(f"{clip.path.rstrip('/')}/{name}", not axis)
        return image if image.ndim == 3 else image[:, :, None]
