"""Batches of frames, one after the other, of a video file or a camera. Needs OpenCV."""

from typing import Any

import numpy as np

from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError, FileError


def open_video(source: str | int) -> Any:
    """OpenCV's VideoCapture of a file, or of the camera of that number. Raises FileError; DataError without OpenCV."""
    name = f"camera {source}" if isinstance(source, int) else source
    try:
        import cv2
    except ImportError:
        raise DataError(f"Reading {name} needs OpenCV: pip install opencv-python-headless") from None
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        raise FileError(f"Could not open {name}: it is not there, or OpenCV cannot read it.")
    return capture


class FrameProducer:
    """Makes batches of (data, label) from frames; labels are 0, where `labels` asks for some.

    source: a file's path or a camera's number. Every frame is `transformer`'s record of its number. position: seed,
    record (how many frames were delivered). A file that has ended raises DataError, and so does a frame that cannot be
    read.
    """

    def __init__(self, source: str | int, transformer: Transformer, batch: int, labels: bool):
        self._source, self._transformer, self._batch, self._labels = source, transformer, batch, labels
        self.position: Position = {"seed": transformer.draws.seed, "record": 0}
        self._capture = open_video(source)
        self._first: np.ndarray | None = None

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch, by the first frame."""
        self._first = self._read(0)
        return [(self._batch, *self._transformer.shape(self._first.shape)), (self._batch,)][: 1 + self._labels]

    def _read(self, number: int) -> np.ndarray:
        """The next frame (3, height, width), BGR."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        there, image = self._capture.read()
        if not there:
            what = "it has ended" if number else "it has no frames, or they cannot be read"
            raise DataError(f"{self._source}: no frame {number + 1}: {what}")
        return image.transpose(2, 0, 1)

    def seek(self, position: Position) -> None:
        """Go on at a position: a file is opened again and its first frames are passed over; a camera goes on."""
        self.position = dict(position)
        self._transformer.draws.reseed(position["seed"])
        if isinstance(self._source, str):
            self._capture.release()
            self._capture, self._first = open_video(self._source), None
            for number in range(position["record"]):
                self._read(number)

    def produce(self, slot: Slot) -> Batch:
        """The next batch."""
        begin, data = self.position["record"], None
        self._transformer.begin(begin)
        for i in range(self._batch):
            frame = self._read(begin + i)
            shape = self._transformer.shape(frame.shape)
            if data is None:
                data = slot.array(0, (self._batch, *shape))
            self._transformer.fill(frame, self._transformer.place(frame.shape, begin + i), data[i])
        assert data is not None
        arrays = [data]
        if self._labels:
            arrays.append(slot.array(1, (self._batch,)))
            arrays[1][:] = 0
        self.position = {"seed": self._transformer.draws.seed, "record": begin + self._batch}
        return Batch(arrays, [f"frame {begin + i + 1}" for i in range(self._batch)], self.position)

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()
