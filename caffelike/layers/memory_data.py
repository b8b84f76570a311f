"""MemoryData, RemoteData: arrays that a program hands over, or what its iterators yield."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.errors import DataError, ModelError
from caffelike.layer import HostLayer
from caffelike.registry import register

Record = tuple[np.ndarray, np.ndarray]
Feed = Iterable[Any] | Callable[[], Iterable[Any]]


@register("MemoryData", param="memory_data_param")
class MemoryData(HostLayer):
    """Delivers arrays, or what a Python iterable yields, batch after batch, over and over.

    They are given with `reset` (pycaffe's net.set_input_arrays) or `feed` (net.set_input_source).
    tops: data (batch_size, channels, height, width); label (batch_size).
    It does not transform what it is given, as in Caffe. source: what CaffeOnSpark would feed it with; not read.
    Raises DataError when nothing was given. Source: BVLC Caffe's MemoryData layer; `feed`: our own.
    """

    bottoms = ()
    tops = ("data", "label")
    honours: ClassVar[tuple[str, ...]] = ("source",)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Shape the tops."""
        self._shape = self._batch_shape()
        self._data = self._labels = np.empty(0, np.float32)
        self._feed: Feed | None = None
        self._walk: Iterator[Any] | None = None
        self._ready: list[Record] = []  # parts of what was yielded that no batch has taken yet
        self._record, self._restored = 0, False
        top[0].reshape(*self._shape)
        top[1].reshape(self._shape[0])

    def _batch_shape(self) -> tuple[int, int, int, int]:
        """The shape of data. Raises ModelError."""
        p = self.message.memory_data_param
        if not (p.batch_size and p.channels and p.height and p.width):
            raise self.fail(
                "batch_size, channels, height, and width must be specified and positive in memory_data_param.",
                ModelError,
            )
        return p.batch_size, p.channels, p.height, p.width

    def reset(self, data: np.ndarray, labels: np.ndarray, n: int | None = None) -> None:
        """Deliver these records from the next forward pass on; float32 arrays are not copied and may be changed.

        data: (n, channels, height, width), labels: n values, n a multiple of batch_size. Raises DataError.
        """
        data, labels = np.ascontiguousarray(data, np.float32), np.ascontiguousarray(labels, np.float32)
        count = len(data) if n is None else n
        batch = self._shape[0]
        if data.shape[1:] != self._shape[1:]:
            raise self._wrong(f"takes data of (n, {', '.join(map(str, self._shape[1:]))}), not of {data.shape}")
        uneven = n is None and len(labels) != len(data)
        if labels.size != len(labels) or uneven or len(labels) < count or len(data) < count:
            raise self._wrong(
                f"takes one label for each record; given are {len(data)} records and {labels.shape} labels"
            )
        if not count or count % batch:
            raise self._wrong(
                f"takes a multiple of batch_size {batch} records, not {count}. Repeat some, or cut some off"
            )
        if self.message.HasField("transform_param"):
            log.warning("memory_data_layer.cpp:91", f"{self.type} does not transform array data on Reset()")
        self._begin()
        self._feed, self._data, self._labels = None, data[:count], labels.reshape(-1)[:count]

    def feed(self, source: Feed) -> None:
        """Deliver what `source` yields from the next forward pass on.

        source: an iterable, or a function that returns one; it is gone through anew when it ends, but for an iterator
        (a generator that was called, for instance), whose end is an error. It yields (data, label): one record,
        (channels, height, width) and a number, or several, (n, channels, height, width) and n numbers. Batches are made
        of them whatever their n; they are read when needed, in the thread that runs the net.
        """
        self._begin()
        self._feed = source

    def _begin(self) -> None:
        """New data: from their start, or where a state says that was restored before they came."""
        self._record = self._record if self._restored else 0
        self._walk, self._ready, self._restored = None, [], False

    def _wrong(self, text: str) -> DataError:
        return DataError(f"Layer '{self.name}' ({self.type}) {text}.")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Copy the next batch into the tops."""
        batch = self._shape[0]
        top[0].reshape(*self._shape)
        top[1].reshape(batch)
        if self._feed is not None:
            if self._walk is None:
                self._skip(self._record)
            done = 0
            for data, labels in self._take(batch):
                top[0].raw_data[done : done + len(data)] = data
                top[1].raw_data[done : done + len(data)] = labels
                done += len(data)
        elif len(self._data):
            part = slice(self._record % len(self._data), self._record % len(self._data) + batch)
            np.copyto(top[0].raw_data, self._data[part])
            np.copyto(top[1].raw_data, self._labels[part])
        else:
            raise self._wrong(f"has no data yet: {self._cure()} before forward()")
        self._record += batch

    def _cure(self) -> str:
        return "call net.set_input_arrays(data, labels), or net.set_input_source(iterable),"

    def _skip(self, count: int) -> None:
        """Start the feed and pass over its first records."""
        for _ in self._take(count):
            pass

    def _take(self, count: int) -> Iterator[Record]:
        """Parts that hold `count` records together."""
        while count:
            if not self._ready:
                self._ready.append(self._next())
            data, labels = self._ready.pop()
            if len(data) > count:
                self._ready.append((data[count:], labels[count:]))
            yield data[:count], labels[:count]
            count -= min(count, len(data))

    def _next(self) -> Record:
        """What the feed yields next, as arrays of one or more records."""
        for _ in range(2):
            fresh = self._walk is None
            if self._walk is None:
                assert self._feed is not None
                source = self._feed() if callable(self._feed) else self._feed
                self._walk = iter(source)
            for item in self._walk:
                return self._checked(item)
            if self._walk is self._feed:
                raise self._wrong(
                    f"has come to the end of its iterator after {self._record} records. Give an iterable that can be"
                    " gone through again, or the function that makes the generator, without calling it"
                )
            self._walk = None
            if fresh:
                break
        raise self._wrong("was given an iterable that yields nothing")

    def _checked(self, item: Any) -> Record:
        try:
            data, labels = item
            data, labels = np.asarray(data, np.float32), np.asarray(labels, np.float32).reshape(-1)
        except (TypeError, ValueError) as error:
            raise self._wrong(f"needs pairs of (data, label) from its iterable; this is none ({error})") from error
        if data.ndim == 3:
            data = data[None]
        if data.shape[1:] != self._shape[1:] or len(labels) != len(data) or not len(data):
            one = ", ".join(map(str, self._shape[1:]))
            raise self._wrong(
                f"needs data of ({one}) and a number, or of (n, {one}) and n numbers, from its iterable, not data of"
                f" {np.shape(item[0])} and labels of {np.shape(item[1])}"
            )
        return data, labels

    def state(self) -> dict[str, Any]:
        """How many records were delivered; the records are not part of it."""
        return {"record": self._record}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on after so many records of what was given, or will be: a feed is started anew and passes over them."""
        if self._feed is not None and self._walk is self._feed and self._record != state["record"]:
            raise self._wrong(
                "cannot go back in an iterator that was used already. Give it anew (net.set_input_source) before the"
                " state is restored"
            )
        self._record = state["record"]
        self._restored = self._feed is None and not len(self._data)
        if self._walk is not self._feed:
            self._walk, self._ready = None, []


@register("RemoteData", param="remote_data_param")
class RemoteData(MemoryData):
    """Delivers what a program hands over, where the fork receives batches from another process.

    tops: data, label, as the two shapes say: (N, channels, height, width) and (N), or (N, 1, ...).
    shape: these two. address, cache_size: of the process that would send; not read, as nobody has it. Data are given as
    to MemoryData: net.set_input_arrays, net.set_input_source. To train from a data base put a Data layer here; for
    several processes see `caffelike train --ranks`.
    Raises ModelError for other shapes, DataError when nothing was given. Source: Intel's branch of BVLC Caffe.
    """

    honours = ()

    def _batch_shape(self) -> tuple[int, int, int, int]:
        shapes = [tuple(shape.dim) for shape in self.message.remote_data_param.shape]
        if (
            len(shapes) != 2
            or len(shapes[0]) != 4
            or not shapes[1]
            or min(map(min, shapes)) < 1
            or shapes[1][0] != shapes[0][0]
            or np.prod(shapes[1]) != shapes[1][0]
        ):
            raise self.fail(
                "needs two shapes in remote_data_param: of data, 4 dims, and of one label for each item, but they are"
                f" {shapes}.",
                ModelError,
            )
        return shapes[0]  # type: ignore[return-value]

    def _cure(self) -> str:
        address = self.message.remote_data_param.address or "another process"
        return (
            f"it waits for batches from {address}, whose sender belongs to the fork alone. Put a Data layer in its"
            " place, or call net.set_input_source(iterable)"
        )
