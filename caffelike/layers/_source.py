"""What the data layers that read ahead have in common."""

import weakref
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.prefetch import Prefetcher, Producer
from caffelike.errors import DataError, ModelError
from caffelike.layer import HostLayer, Shape


class SourceLayer(HostLayer):
    """A layer whose tops are filled from batches that a thread makes ahead.

    batch_keys: names of the records in the batch delivered last. folder: of the definition's file (the net sets it);
    files that are not in the working folder are looked for there.
    """

    bottoms = ()
    tops: ClassVar[tuple[str, ...]] = ("data", "label?")
    messages: ClassVar[tuple[str, ...]] = ("transform_param",)
    folder: str = ""
    batch_keys: list[str]

    def feed(self, producer: Producer, shapes: Sequence[tuple[int, ...]], top: Sequence[Blob]) -> None:
        """Deliver the producer's batches; `shapes` are the tops' until the first one is there."""
        self.batch_keys = []
        for blob, shape in zip(top, shapes, strict=True):
            blob.reshape(*shape)
        self._prefetcher = Prefetcher(producer, self.message.data_param.prefetch)
        # A net that nobody closes gives its files and its thread back when it is collected.
        self._finish = weakref.finalize(self, self._prefetcher.close)

    def batch_size(self, size: int) -> int:
        """`size` if it is possible. Raises ModelError."""
        if size < 1:
            raise self.fail("needs a batch_size of 1 or more.", ModelError)
        return size

    def declared_image(self, batch: int, channels: int, height: int, width: int) -> list[Shape | None]:
        """Shapes of `declared`: images of this size (0: unknown) unless they are cropped, and one label each."""
        crop = self.message.transform_param.crop_size
        height, width = (crop, crop) if crop else (height, width)
        return [(batch, channels, height, width) if height and width else None, (batch,)]

    def declared_size(self, height: int = 0, width: int = 0) -> tuple[int, int]:
        """(height, width) of `declared` where resize_param says so, else these; 0: unknown."""
        several = self.message.transform_param.resize_param
        fixed = [one for one in several if one.resize_mode != one.FIT_SMALL_SIZE]
        if several:
            return (fixed[0].height, fixed[0].width) if fixed else (0, 0)
        return height, width

    def named(self, error: DataError) -> DataError:
        """The error with this layer's name."""
        return DataError(f"Layer '{self.name}' ({self.type}): {error}")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Copy the next batch into the tops, reshaped to it. Raises DataError or FileError naming the record."""
        batch = self._prefetcher.next()
        for note in batch.notes:
            log.info(*note)
        self.batch_keys = batch.keys
        for blob, values in zip(top, batch.arrays, strict=True):
            blob.reshape(*values.shape)
            np.copyto(blob.raw_data, values)

    def state(self) -> dict[str, Any]:
        """Where the layer stands after the last batch it delivered: plain numbers and strings."""
        return dict(self._prefetcher.position)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on after the batch at which `state` was taken."""
        self._prefetcher.seek(state)

    def close(self) -> None:
        """Stop reading ahead and close the files."""
        if hasattr(self, "_finish"):
            self._finish()


def log_size(source: str, shape: Sequence[int]) -> None:
    """Caffe's line about the size of the data."""
    log.info(source, f"output data size: {','.join(map(str, shape))}")
