"""Batches of a data base's records, over and over."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelike import log
from caffelike.data import datum, images
from caffelike.data.order import Entry, KeyOrder, Order, ShuffledOrder, first_record
from caffelike.data.pillow import Canvas
from caffelike.data.prefetch import Batch, Position, Slot
from caffelike.data.shard import ALL, Shard
from caffelike.data.source import Source
from caffelike.data.tolerance import Tolerance
from caffelike.data.transformer import Transformer
from caffelike.data.workers import Workers
from caffelike.errors import DataError

_SHORT = 16384  # bytes: shorter records are copied side by side, for a kernel that takes them in one call
_RESTART = ("data_layer.cpp:73", "Restarting data prefetching from start.")


class RecordProducer:
    """Makes batches of (data, label) from Datum records.

    batch: records in a batch. labels: how many each has: 1: the Datum's label, as (batch,); k > 1 or `vector`: the
    numbers in float_data beside the pixels, as (batch, k); 0: none are made. shuffle: a new order in each pass.
    rand_skip: start at a random one of the first so many. shard: which records are ours. threads: that decode and
    transform (0: as many as are good).
    The batch has the shape of its first record; a batch may go over the end of the data base to its start.
    position: seed, record (how many of our own were delivered or skipped), key of the last one ("" at the start), and
        shard, the [rank, size] that both are of: another worker, or one of another number of them, can go on there.
    How many bad records may be skipped: see data/tolerance.py.
    """

    def __init__(
        self,
        source: Source,
        transformer: Transformer,
        batch: int,
        labels: int,
        shuffle: bool = False,
        shard: Shard = ALL,
        threads: int = 0,
        vector: bool = False,
        rand_skip: int = 0,
    ):
        self._source, self._transformer, self._shard = source, transformer, shard
        self._batch, self._labels, self._vector = batch, int(labels), vector or labels > 1
        seed = transformer.draws.seed
        self._order: Order = ShuffledOrder(source, shard, seed) if shuffle else KeyOrder(source, shard)
        self.position: Position = {"seed": seed, "record": 0, "key": "", "shard": list(shard)}
        self._record = 0  # the next of our own
        self._workers = Workers(threads)
        self._tolerance = Tolerance("data_layer.cpp:73")
        self._plain = _Plain()
        self._canvas = Canvas()
        self._rand_skip = rand_skip
        if rand_skip:
            log.info("data_layer.cpp:38", f"Skipping first {first_record(rand_skip, seed)} data points.")
            self.seek(self.position)
        self._told = False
        self._encoded = False

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch that begins with the first record. Raises DataError when there is none."""
        key, value = self._source.first()
        if self._tolerance.allowed:
            entries, _, loaded, _ = self._usable(1)
            key, pixels = bytes(entries[0][0]), loaded[0][0]
            self.seek(self.position)
        else:
            pixels, _ = self._pixels(key, value)
        shape = (self._batch, *self._out_shape(key, pixels))
        return [shape, self._label_shape()] if self._labels else [shape]

    def _label_shape(self) -> tuple[int, ...]:
        return (self._batch, self._labels) if self._vector else (self._batch,)

    def seek(self, position: Position) -> None:
        """Go on at a position."""
        written = Shard(*position.get("shard", self._shard))
        self.position = dict(position)
        self._record = self._shard.begin(position["record"] * written.size)
        self._transformer.draws.reseed(position["seed"])
        key = position["key"].encode("latin-1") if position["key"] else None
        before = written.number(position["record"] - 1) if key else -1  # the key's number in the whole stream
        skip = self._shard.number(self._record) - before - 1
        self._order.seek(position["seed"], self._record, key, skip, first_record(self._rand_skip, position["seed"]))

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises DataError naming the record that cannot be used."""
        record = self._record
        loaded: list[tuple[np.ndarray, Any]] = []
        if self._tolerance.allowed:
            entries, numbers, loaded, passes = self._usable(self._batch)
        else:
            entries, passes = self._order.take(self._batch)
            numbers = list(range(record, record + self._batch))
        keys = [bytes(key) for key, _ in entries]
        transformer, shard = self._transformer, self._shard
        labels = slot.array(1, self._label_shape()) if self._labels else None
        transformer.begin(shard.number(numbers[0]))

        pixels, label = loaded[0] if loaded else self._pixels(*entries[0], self._canvas)
        first, shape = pixels.shape, self._out_shape(keys[0], pixels)
        data = slot.array(0, (self._batch, *shape))
        alone = loaded or self._vector or transformer.augmentation or transformer.sizes
        together = None if alone else self._plain.find_all([value for _, value in entries])

        def finish(i: int, pixels: np.ndarray, label: Any) -> None:
            transformer.fill(pixels, transformer.place(pixels.shape, shard.number(numbers[i])), data[i])
            if labels is not None:
                labels[i] = label

        def prepare(i: int) -> None:
            pixels, label = loaded[i] if loaded else self._pixels(*entries[i], self._canvas)
            if pixels.shape != first and (other := self._out_shape(keys[i], pixels)) != shape:
                raise DataError(
                    f"{self._source.path}: record '{_text(keys[i])}' is {_by(other)} (channels x height x width), but"
                    f" the first one of its batch, '{_text(keys[0])}', {_by(shape)}. Resize all images to one size when"
                    " making the data set, or set crop_size."
                )
            finish(i, pixels, label)

        if together is not None:
            transformer.fill_all(together[0], shard.number(np.array(numbers)), data)
            if labels is not None:
                labels[:] = together[1]
        elif transformer.augmentation or transformer.sizes or self._encoded:
            finish(0, pixels, label)
            self._workers.run(prepare, 1, self._batch)
        else:  # copying raw pixels is no work for several threads
            finish(0, pixels, label)
            for i in range(1, self._batch):
                prepare(i)
        self._record = numbers[-1] + 1
        self.position = {
            "seed": transformer.draws.seed,
            "record": self._record,
            "key": keys[-1].decode("latin-1"),
            "shard": list(self._shard),
        }
        arrays = [data] if labels is None else [data, labels]
        return Batch(arrays, [_text(key) for key in keys], self.position, [_RESTART] * passes)

    def _usable(self, count: int) -> tuple[list[Entry], list[int], list[tuple[np.ndarray, Any]], int]:
        """The next records that can be read, their numbers, what `_pixels` makes of them, and passes over the end."""
        entries: list[Entry] = []
        numbers: list[int] = []
        loaded: list[tuple[np.ndarray, Any]] = []
        number, passes = self._record, 0
        while len(entries) < count:
            more, turns = self._order.take(count - len(entries))
            passes += turns
            found: list[Any] = [None] * len(more)

            def load(i: int, more: list[Entry] = more, found: list[Any] = found) -> None:
                try:
                    found[i] = self._pixels(*more[i])
                except DataError as error:
                    found[i] = error

            self._workers.run(load, 0, len(more))
            for entry, result in zip(more, found, strict=True):
                if not isinstance(result, DataError):
                    entries.append(entry)
                    numbers.append(number)
                    loaded.append(result)
                elif passes > 1 and not entries:
                    raise result  # there is none that can be used
                else:
                    self._tolerance.skip(_text(bytes(entry[0])), result)
                number += 1
        return entries, numbers, loaded, passes

    def _out_shape(self, key: bytes, pixels: np.ndarray) -> tuple[int, ...]:
        try:
            return self._transformer.shape(pixels.shape)
        except DataError as error:
            raise self._wrong(key, error) from None

    def _pixels(self, key: Any, value: Any, canvas: Canvas | None = None) -> tuple[np.ndarray, Any]:
        """(values as (channels, height, width), label or labels) of a record; canvas: see `images.decode`."""
        found = None if self._vector else self._plain.find(value)
        if found is not None:
            return found
        try:
            record = datum.parse(value)
            label = self._label_of(record)
            if record.encoded:
                self._encoded = True
                pixels = images.decode(record.data or b"", self._transformer.mode, canvas)
                return pixels.transpose(2, 0, 1), label
            if self._transformer.force and not self._told:
                self._told = True
                log.error("data_transformer.cpp:165", "force_color and force_gray only for encoded datum")
            values = record.pixels()
            if values.dtype == np.uint8 and not self._vector:
                self._plain.learn(value, record)
            return values, label
        except DataError as error:
            raise self._wrong(bytes(key), error) from None

    def _label_of(self, record: datum.Record) -> Any:
        if not self._vector:
            return record.label
        found = 0 if record.floats is None or not record.data else len(record.floats)
        if found != self._labels:
            raise DataError(f"it has {found} labels in float_data beside its pixels, {self._labels} are wanted")
        return record.floats

    def _wrong(self, key: bytes, error: DataError) -> DataError:
        return DataError(f"{self._source.path}: record '{_text(key)}' cannot be used: {error}.")

    def close(self) -> None:
        """End the threads and give the data base back."""
        self._workers.close()
        self._order = KeyOrder(self._source, self._shard)  # lets go of the walk
        self._source.close()


class _Form(NamedTuple):
    """How the last record that was parsed began, its shape and length, and the endings seen with that beginning."""

    head: bytes
    shape: tuple[int, int, int]
    end: int
    labels: dict[bytes, int]


class _Plain:
    """A short cut for raw uint8 records that look like the last one parsed: same bytes before the pixels.

    What follows the pixels (the label) is looked up among the endings seen with that beginning. Several threads may
    use it: the form is replaced as a whole.
    """

    def __init__(self) -> None:
        self._form = _Form(b"", (0, 0, 0), 0, {})

    def learn(self, value: Any, record: datum.Record) -> None:
        """Remember how this record, just parsed and found whole, begins and ends."""
        assert record.data is not None
        view = memoryview(value)
        head = bytes(view[: record.head])
        form = self._form
        if head != form.head:
            shape = (record.channels, record.height, record.width)
            form = self._form = _Form(head, shape, record.head + len(record.data), {})
        if len(form.labels) < 1 << 16:
            form.labels[bytes(view[form.end :])] = record.label

    def find(self, value: Any) -> tuple[np.ndarray, int] | None:
        """(values, label) of a record of the known form; None for any other."""
        head, shape, end, labels = self._form
        size = len(head)
        if not size or value[:size] != head:
            return None
        label = labels.get(bytes(value[end:]))
        if label is None or len(value) < end:
            return None
        return np.frombuffer(value, np.uint8, end - size, size).reshape(shape), label

    def find_all(self, values: list[Any]) -> tuple[Sequence[np.ndarray] | np.ndarray, list[int]] | None:
        """(values (channels, height, width), labels) of records that are all of the known form; None for others.

        The values are one array where the records are short and equally long (one by one, digits of 28x28 would take
        ten times longer in Python than in the kernel), else views of where they lie.
        """
        head, shape, end, labels = self._form
        size, length = len(head), len(values[0])
        if not size:
            return None
        found: list[Any] = []
        if end <= _SHORT and end <= length and set(map(len, values)) == {length}:
            table = np.frombuffer(b"".join(values), np.uint8).reshape(-1, length)
            endings, width = table[:, end:].tobytes(), length - end
            found = [labels.get(endings[i * width : (i + 1) * width]) for i in range(len(values))]
            if None in found or (table[:, :size] != np.frombuffer(head, np.uint8)).any():
                return None
            return np.ascontiguousarray(table[:, size:end]).reshape(-1, *shape), found
        for value in values:
            label = labels.get(bytes(value[end:]))
            if label is None or len(value) < end or bytes(value[:size]) != head:
                return None
            found.append(label)
        return [np.frombuffer(value, np.uint8, end - size, size).reshape(shape) for value in values], found


def _text(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
