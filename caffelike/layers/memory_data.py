"""MemoryData: arrays that a program hands over."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.errors import DataError, ModelError
from caffelike.layer import HostLayer
from caffelike.registry import register


@register("MemoryData", param="memory_data_param")
class MemoryData(HostLayer):
    """Delivers arrays given with `reset` (pycaffe's net.set_input_arrays), batch after batch, over and over.

    tops: data (batch_size, channels, height, width); label (batch_size).
    It does not transform what it is given, as in Caffe.
    Raises DataError when nothing was given. Source: BVLC Caffe's MemoryData layer.
    """

    bottoms = ()
    tops = ("data", "label")

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Shape the tops."""
        p = self.message.memory_data_param
        self._shape = (p.batch_size, p.channels, p.height, p.width)
        if 0 in self._shape:
            raise self.fail(
                "batch_size, channels, height, and width must be specified and positive in memory_data_param.",
                ModelError,
            )
        self._data = self._labels = np.empty(0, np.float32)
        self._at = 0
        top[0].reshape(*self._shape)
        top[1].reshape(p.batch_size)

    def reset(self, data: np.ndarray, labels: np.ndarray, n: int | None = None) -> None:
        """Deliver these records from the next forward pass on; the arrays are not copied and may be changed.

        data: (n, channels, height, width), labels: n values, n a multiple of batch_size. Raises DataError.
        """
        data, labels = np.ascontiguousarray(data, np.float32), np.ascontiguousarray(labels, np.float32)
        count = len(data) if n is None else n
        batch = self._shape[0]
        if data.shape[1:] != self._shape[1:]:
            raise self._wrong(f"takes data of (n, {', '.join(map(str, self._shape[1:]))}), not of {data.shape}")
        if labels.size != len(labels) or len(labels) < count or len(data) < count:
            raise self._wrong(
                f"takes one label for each record; given are {len(data)} records and {labels.shape} labels"
            )
        if not count or count % batch:
            raise self._wrong(
                f"takes a multiple of batch_size {batch} records, not {count}. Repeat some, or cut some off"
            )
        if self.message.HasField("transform_param"):
            log.warning("memory_data_layer.cpp:91", "MemoryData does not transform array data on Reset()")
        self._data, self._labels, self._at = data[:count], labels.reshape(-1)[:count], 0

    def _wrong(self, text: str) -> DataError:
        return DataError(f"Layer '{self.name}' (MemoryData) {text}.")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Copy the next batch into the tops."""
        if not len(self._data):
            raise self._wrong("has no data yet: call net.set_input_arrays(data, labels) before forward()")
        part = slice(self._at, self._at + self._shape[0])
        top[0].reshape(*self._shape)
        top[1].reshape(self._shape[0])
        np.copyto(top[0].raw_data, self._data[part])
        np.copyto(top[1].raw_data, self._labels[part])
        self._at = part.stop % len(self._data)

    def state(self) -> dict[str, Any]:
        """The next record's place in the arrays; the arrays are not part of it."""
        return {"record": self._at}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on at the record of `state`, in the arrays given meanwhile."""
        self._at = state["record"] % max(1, len(self._data))
