"""Batches of a data base's records, in key order, over and over."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from caffelike import log
from caffelike.data import datum, images
from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.source import Source
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError

_RESTART = ("data_layer.cpp:73", "Restarting data prefetching from start.")


class RecordProducer:
    """Makes batches of (data, label) from Datum records.

    batch: records in a batch. labels: whether a second array with the labels is made.
    The batch has the shape of its first record; a batch may go over the end of the data base to its start.
    position: seed, record (how many were delivered), key of the last one ("" at the start).
    """

    def __init__(self, source: Source, transformer: Transformer, batch: int, labels: bool):
        self._source, self._transformer = source, transformer
        self._batch, self._labels = batch, labels
        self.position: Position = {"seed": transformer.draws.seed, "record": 0, "key": ""}
        self._last: bytes | None = None
        self._walk: Iterator[tuple[Any, Any]] = iter(())
        self._ended = True
        self._plain = _Plain()
        self._told = False

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch that begins with the first record. Raises DataError when there is none."""
        key, value = self._source.first()
        pixels, _ = self._pixels(key, value)
        shape = (self._batch, *self._out_shape(key, pixels))
        return [shape, (self._batch,)] if self._labels else [shape]

    def seek(self, position: Position) -> None:
        """Go on at a position."""
        self.position = dict(position)
        self._transformer.draws.reseed(position["seed"])
        self._last = position["key"].encode("latin-1") if position["key"] else None
        self._walk, self._ended = iter(()), True

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises DataError naming the record that cannot be used."""
        keys: list[bytes] = []
        pixels: list[np.ndarray] = []
        labels: list[int] = []
        notes: list[tuple[str, str]] = []
        while len(pixels) < self._batch:
            if self._ended:
                self._walk, self._ended = self._source.records(self._last), False
            for key, value in islice(self._walk, self._batch - len(pixels)):
                values, label = self._pixels(key, value)
                keys.append(bytes(key))
                pixels.append(values)
                labels.append(label)
            if len(pixels) < self._batch:
                if not pixels and self._last is None:
                    self._source.first()  # says that there is none
                self._last, self._ended = None, True
                notes.append(_RESTART)
        shape = self._common_shape(keys, pixels)
        data = slot.array(0, (self._batch, *shape))
        record = self.position["record"]
        self._transformer.apply(pixels, data, record)
        arrays = [data]
        if self._labels:
            arrays.append(slot.array(1, (self._batch,)))
            arrays[1][...] = labels
        self._last = keys[-1]
        self.position = {
            "seed": self._transformer.draws.seed,
            "record": record + self._batch,
            "key": self._last.decode("latin-1"),
        }
        return Batch(arrays, [_text(key) for key in keys], self.position, notes)

    def _common_shape(self, keys: list[bytes], pixels: list[np.ndarray]) -> tuple[int, ...]:
        """What all records of the batch become; they may differ before cropping only."""
        first = pixels[0].shape
        shape = self._out_shape(keys[0], pixels[0])
        for key, values in zip(keys, pixels, strict=True):
            if values.shape != first and (other := self._out_shape(key, values)) != shape:
                raise DataError(
                    f"{self._source.path}: record '{_text(key)}' is {_by(other)} (channels x height x width), but the"
                    f" first one of its batch, '{_text(keys[0])}', {_by(shape)}. Resize all images to one size when"
                    " making the data set, or set crop_size."
                )
        return shape

    def _out_shape(self, key: bytes, pixels: np.ndarray) -> tuple[int, ...]:
        try:
            return self._transformer.shape(pixels.shape)
        except DataError as error:
            raise self._wrong(key, error) from None

    def _pixels(self, key: Any, value: Any) -> tuple[np.ndarray, int]:
        """(values as (channels, height, width), label) of a record."""
        found = self._plain.find(value)
        if found is not None:
            return found
        try:
            record = datum.parse(value)
            if record.encoded:
                return images.decode(record.data or b"", self._transformer.mode).transpose(2, 0, 1), record.label
            if self._transformer.force and not self._told:
                self._told = True
                log.error("data_transformer.cpp:165", "force_color and force_gray only for encoded datum")
            values = record.pixels()
            if values.dtype == np.uint8:
                self._plain.learn(value, record)
            return values, record.label
        except DataError as error:
            raise self._wrong(bytes(key), error) from None

    def _wrong(self, key: bytes, error: DataError) -> DataError:
        return DataError(f"{self._source.path}: record '{_text(key)}' cannot be used: {error}.")

    def close(self) -> None:
        """Give the data base back."""
        self._walk = iter(())
        self._source.close()


class _Plain:
    """A short cut for raw uint8 records that look like the last one parsed: same bytes before the pixels.

    What follows the pixels (the label) is looked up among the endings seen with that beginning.
    """

    def __init__(self) -> None:
        self._head = b""
        self._shape: tuple[int, int, int] = (0, 0, 0)
        self._end = 0
        self._labels: dict[bytes, int] = {}

    def learn(self, value: Any, record: datum.Record) -> None:
        """Remember how this record, just parsed and found whole, begins and ends."""
        assert record.data is not None
        view = memoryview(value)
        head = bytes(view[: record.head])
        if head != self._head:
            self._head, self._labels = head, {}
            self._shape = (record.channels, record.height, record.width)
            self._end = record.head + len(record.data)
        if len(self._labels) < 1 << 16:
            self._labels[bytes(view[self._end :])] = record.label

    def find(self, value: Any) -> tuple[np.ndarray, int] | None:
        """(values, label) of a record of the known form; None for any other."""
        head = self._head
        size = len(head)
        if not size or value[:size] != head:
            return None
        label = self._labels.get(bytes(value[self._end :]))
        if label is None or len(value) < self._end:
            return None
        count = self._end - size
        return np.frombuffer(value, np.uint8, count, size).reshape(self._shape), label


def _text(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
