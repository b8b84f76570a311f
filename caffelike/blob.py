"""Blobs: the arrays of a net, with pycaffe's names.

A `Storage` owns memory, a `Blob` is a shape over two of them: data and diff (the gradient).
Blobs that share (a test net's weights, Split, Reshape) point to one Storage.

Where a net runs on the GPU, a Storage has an array there too; as in Caffe its `head` says which one holds the values,
and they are copied when the other side asks.
"""

import math
import sys
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from caffelike import device
from caffelike.errors import ShapeError

_MOST_VALUES = 2**31 - 1
# Where a Storage's values are; Caffe's words.
UNINITIALIZED, AT_CPU, AT_GPU, SYNCED = "UNINITIALIZED", "HEAD_AT_CPU", "HEAD_AT_GPU", "SYNCED"

_DLPACK_CPU = (1, 0)  # kDLCPU and its number
_ALIGNMENT = 64  # bytes: a cache line, and the widest vector a kernel loads


def aligned_zeros(count: int, dtype: type = np.float32) -> np.ndarray:
    """A zeroed 1-D array of `count` elements that starts on a cache line."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(count * size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + count * size].view(dtype)


class Storage:
    """A growing piece of float32 memory that knows whether somebody may have written into it.

    array: (capacity,) float32 in the computer's memory, for code inside this package; taking it changes nothing.
    view(shape): what `.data` and `.diff` hand out; taking it counts as a write.
    head: whether the values are UNINITIALIZED (zeros, nobody asked yet), HEAD_AT_CPU, HEAD_AT_GPU or SYNCED.
    """

    __slots__ = ("_derived", "_gpu", "_lock", "_pinned", "_public", "_sent", "_version", "array", "head")

    def __init__(self, count: int = 0):
        self._version = 0
        self._derived: dict[Hashable, tuple[tuple[int, ...], Any]] = {}
        self._lock = threading.Lock()
        self._sent: Any = None  # the mark of a copy to the GPU that may still be under way
        self.adopt(aligned_zeros(count))
        self.head = UNINITIALIZED

    def adopt(self, array: np.ndarray) -> None:
        """Use `array` (1-D float32, contiguous) as the memory from now on."""
        self._arrived()
        self._pinned = False
        self.array = array
        # Views handed out have this object as their base and not `array`, so that its
        # reference count tells whether any of them, or a slice of one, is still alive.
        self._public = np.frombuffer(memoryview(array), np.float32) if array.size else array  # type: ignore[arg-type]
        self._gpu: Any = None
        self.head = AT_CPU
        self._version += 1

    def reserve(self, count: int) -> bool:
        """Make room for `count` elements; True when the memory moved (the contents are then lost)."""
        if count <= self.array.size:
            return False
        self.adopt(aligned_zeros(count))
        self.head = UNINITIALIZED
        return True

    def trim(self, count: int) -> None:
        """Move into memory of `count` elements, if it has more; the first ones are kept."""
        if count < self.array.size:
            self.to_host()
            smaller = aligned_zeros(count)
            smaller[...] = self.array[:count]
            self.adopt(smaller)

    def view(self, shape: tuple[int, ...], count: int) -> np.ndarray:
        """A writable array of `shape` over the first `count` elements."""
        self.write_host()
        self._version += 1
        return self._public[:count].reshape(shape)

    def owns(self, array: np.ndarray) -> bool:
        """Whether `array`, handed out by `view`, still looks at this memory."""
        return array.base is self._public

    # The two sides ------------------------------------------------------------------------------

    def to_host(self) -> None:
        """Bring the values to `array`, for reading."""
        if self.head is AT_GPU:
            device.use().download(self._gpu, self.array)
            self.head = SYNCED

    def write_host(self) -> None:
        """Bring the values to `array`, which may be written from here on."""
        if self.head is not AT_CPU:
            self.to_host()
            self._arrived()
            self.head = AT_CPU

    def pin(self) -> None:
        """Move into memory that the GPU fetches by itself while the computer goes on; not while a view is held."""
        if not self._pinned and self.array.size and not self.held:
            self.to_host()
            head, values = self.head, self.array
            locked = device.use().pinned(values.size)
            locked[...] = values
            self.adopt(locked[:])  # a view, as other arrays are: its base tells whose memory it is
            self.head = head if head is UNINITIALIZED else AT_CPU
            self._pinned = True

    def _arrived(self) -> None:
        """Wait until the GPU has what was sent to it: only then may the memory be written."""
        if self._sent is not None:
            device.use().wait(self._sent)
            self._sent = None

    @property
    def gpu_array(self) -> Any:
        """(capacity,) float32 in the GPU's memory, made when first asked for; what it holds says `head`.

        Raises DeviceMemoryError.
        """
        if self._gpu is None:
            self._gpu = device.use().empty(self.array.size)
        return self._gpu

    def to_gpu(self) -> None:
        """Bring the values to `gpu_array`, for reading."""
        if self.head is AT_CPU and self._pinned:
            self._arrived()
            self._sent = device.use().upload_soon(self.array, self.gpu_array)
            self.head = SYNCED
        elif self.head is AT_CPU:
            device.use().upload(self.array, self.gpu_array)
            self.head = SYNCED
        elif self.head is UNINITIALIZED:
            device.use().fill(self.gpu_array, 0)
            self.head = SYNCED

    def write_gpu(self) -> None:
        """Bring the values to `gpu_array`, which may be written from here on."""
        if self.head is not AT_GPU:
            self.to_gpu()
            self.head = AT_GPU
            self._version += 1

    def zero(self, count: int) -> None:
        """Set the first `count` values to 0, on the GPU where there is an array."""
        if self._gpu is None:
            self.write_host()
            self.array[:count] = 0
        else:
            self.write_gpu()
            device.use().fill(self._gpu[:count], 0)

    @property
    def on_gpu(self) -> bool:
        """Whether there is an array on the GPU."""
        return self._gpu is not None

    @property
    def held(self) -> bool:
        """Whether somebody outside has a view, through which values may be read and written at any time."""
        return sys.getrefcount(self._public) > 2

    def wrote(self) -> None:
        """Say that the contents changed (an update, weights read from a file)."""
        self._version += 1

    @property
    def version(self) -> int:
        """A number that differs whenever the contents may differ; grows while a view is held outside."""
        if self.held:
            self._version += 1
        return self._version

    def derived(self, key: Hashable, make: Callable[[], Any], others: Sequence["Storage"] = ()) -> Any:
        """What `make` makes of the contents (packed or folded weights), made anew when they may have changed.

        others: what else it is made of. It belongs to this Storage, so nets that share weights share it.
        """
        with self._lock:
            version = (self.version, *(other.version for other in others))
            found = self._derived.get(key)
            if found is None or found[0] != version:
                found = self._derived[key] = (version, make())
            return found[1]


class Blob:
    """An N-d float32 array with a gradient of the same shape.

    data, diff: writable arrays of `shape`; writing into them takes effect at once, and they stay
    the same memory until the blob is reshaped to something larger.
    """

    __slots__ = ("__weakref__", "_data", "_diff", "_on_change", "_raw", "_views", "count", "shape")

    def __init__(self, shape: tuple[int, ...] = (), on_change: Callable[[], None] | None = None):
        self._data, self._diff = Storage(), Storage()
        self._on_change = on_change
        self._set_shape(())
        self.reshape(*shape)

    def _set_shape(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.count = math.prod(shape)
        self._forget()

    def _forget(self) -> None:
        self._views: list = [None, None]
        self._raw: list = [None, None]

    def reshape(self, *dims: int) -> None:
        """Give the blob another shape; memory grows when needed and never shrinks.

        Raises ShapeError for a negative dimension, more than 32 axes, or more than 2147483647 values, as Caffe does.
        """
        if len(dims) == 1 and not isinstance(dims[0], (int, np.integer)):
            dims = tuple(dims[0])
        shape = tuple(int(d) for d in dims)
        if any(d < 0 for d in shape) or len(shape) > 32:
            raise ShapeError(f"A blob cannot have the shape {shape}: at most 32 axes, none negative.")
        if shape == self.shape and self.count <= self._data.array.size:
            return
        if math.prod(shape) > _MOST_VALUES:
            raise ShapeError(
                f"A blob of the shape {shape} would hold {math.prod(shape)} values; the most is {_MOST_VALUES}, as in"
                " Caffe. Use a smaller batch, or smaller layers."
            )
        self._set_shape(shape)
        self._data.reserve(self.count)
        if self._diff.array.size:
            self._diff.reserve(self.count)
        self._changed()

    def watch(self, on_change: Callable[[], None]) -> None:
        """Call `on_change` whenever the shape or the memory changes from now on."""
        self._on_change = on_change

    def _changed(self) -> None:
        self._forget()
        if self._on_change:
            self._on_change()

    def _view(self, which: int, storage: Storage) -> np.ndarray:
        kept = self._views[which]
        array = kept() if kept else None
        if array is None or not storage.owns(array):
            array = storage.view(self.shape, self.count)
            self._views[which] = weakref.ref(array)
        else:
            storage.wrote()
        return array

    def _raw_view(self, which: int, storage: Storage) -> np.ndarray:
        storage.write_host()
        array = self._raw[which]
        if array is None or array.base is not storage.array.base:
            array = self._raw[which] = storage.array[: self.count].reshape(self.shape)
        return array

    @property
    def data(self) -> np.ndarray:
        """The values: a writable float32 view of `shape`."""
        return self._view(0, self._data)

    @property
    def diff(self) -> np.ndarray:
        """The gradient: a writable float32 view of `shape`, allocated (zero) on first use."""
        self._diff.reserve(self.count)
        return self._view(1, self._diff)

    @property
    def raw_data(self) -> np.ndarray:
        """`data` for the package's own use: taking it does not count as a write."""
        return self._raw_view(0, self._data)

    @property
    def raw_diff(self) -> np.ndarray:
        """`diff` for the package's own use."""
        self._diff.reserve(self.count)
        return self._raw_view(1, self._diff)

    @property
    def gpu_data(self) -> Any:
        """The values on the GPU: a writable device array of `shape`; take it anew for each use.

        It is brought up to date now, and counts as written. Raises DeviceError where there is no GPU.
        """
        return self._on_gpu(self._data)

    @property
    def gpu_diff(self) -> Any:
        """The gradient on the GPU, as `gpu_data`."""
        self._diff.reserve(self.count)
        return self._on_gpu(self._diff)

    def _on_gpu(self, storage: Storage) -> Any:
        storage.wrote()
        storage.write_gpu()
        return storage.gpu_array[: self.count].reshape(self.shape)

    @property
    def _gpu_data_ptr(self) -> int:
        return device.door().pointer(self.gpu_data)

    @property
    def _gpu_diff_ptr(self) -> int:
        return device.door().pointer(self.gpu_diff)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The data on the GPU, for CuPy, PyTorch and others: `torch.as_tensor(blob, device="cuda")` copies nothing."""
        if not device.used():
            raise AttributeError("This blob is in the computer's memory: no net has run on a GPU.")
        pointer = self._gpu_data_ptr
        return {"shape": self.shape, "typestr": "<f4", "data": (pointer, False), "version": 3, "strides": None}

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's word for the computer's memory; for the GPU's see `__cuda_array_interface__`."""
        return _DLPACK_CPU

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """`data` as a DLPack capsule: `torch.from_dlpack(blob)` and `np.from_dlpack(blob)` share its memory.

        It counts as a view that is held: values come from the GPU first, and what is written into it takes effect.
        Raises BufferError for another device.
        """
        if dl_device not in (None, _DLPACK_CPU):
            raise BufferError(
                "Blobs hand out the computer's memory by DLPack. For the GPU's use __cuda_array_interface__:"
                ' torch.as_tensor(blob, device="cuda").'
            )
        given = {"stream": stream, "max_version": max_version, "copy": copy}
        return self.data.__dlpack__(**{name: value for name, value in given.items() if value is not None})

    @property
    def data_storage(self) -> Storage:
        """The Storage behind `data`: shared with every blob that shares it."""
        return self._data

    @property
    def diff_storage(self) -> Storage:
        """The Storage behind `diff`."""
        return self._diff

    def zero_diff(self) -> None:
        """Set the gradient to 0, where it is: on the GPU or in the computer's memory."""
        self._diff.reserve(self.count)
        self._diff.zero(self.count)

    def share_data(self, other: "Blob") -> None:
        """Use the data memory of `other` (at least as large) from now on."""
        if self._data is not other._data:
            self._data = other._data
            self._changed()

    def share_diff(self, other: "Blob") -> None:
        """Use the diff memory of `other` from now on."""
        if self._diff is not other._diff:
            self._diff = other._diff
            self._changed()

    def _legacy(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise ShapeError(
                f"num, channels, height and width need a blob of at most 4 axes; this one is {self.shape}. Use .shape."
            )
        return self.shape[axis] if axis < len(self.shape) else 1

    @property
    def num(self) -> int:
        """Axis 0 of a blob of at most 4 axes; 1 where it has no such axis."""
        return self._legacy(0)

    @property
    def channels(self) -> int:
        """Axis 1, see `num`."""
        return self._legacy(1)

    @property
    def height(self) -> int:
        """Axis 2, see `num`."""
        return self._legacy(2)

    @property
    def width(self) -> int:
        """Axis 3, see `num`."""
        return self._legacy(3)

    def __repr__(self) -> str:
        return f"<Blob {' '.join(map(str, self.shape))} ({self.count})>"
