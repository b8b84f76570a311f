"""Weights in HDF5 (.caffemodel.h5): /data/<layer>/<index>, gradients under /diff.

Layer names with '/' are nested groups, written so and read so (Caffe's own writer fails there).
Links to other files and arrays kept in other files are refused.
"""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from caffelike.errors import FileError, WeightsError
from caffelike.files import atomic_path
from caffelike.schema.stored import LayerArrays, StoredLayer, WeightsFile

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DEPTH_LIMIT = 32
_CHUNK = 1 << 20
# The most a compressed array can be larger than what is stored of it (deflate's limit).
_LARGEST_RATIO = 1032


def is_hdf5(data: Any) -> bool:
    """Whether a file's bytes begin as HDF5 does."""
    return bytes(data[:8]) == _SIGNATURE


class HDF5Blob:
    """An array in an HDF5 file; has what `stored.StoredBlob` has."""

    legacy = False

    def __init__(self, dataset: h5py.Dataset, diff: h5py.Dataset | None = None):
        self.shape: tuple[int, ...] = dataset.shape
        self.count = math.prod(self.shape)
        self._dataset, self._diff = dataset, diff

    @property
    def has_diff(self) -> bool:
        """Whether gradients are stored too."""
        return self._diff is not None

    @property
    def dtype(self) -> str:
        """How the numbers are stored, such as float32."""
        return self._dataset.dtype.name

    def chunks(self) -> Iterator[np.ndarray]:
        """The numbers piece by piece as 1-D arrays, in the type they are stored in."""
        rows = self.shape[0] if self.shape else 1
        step = max(1, _CHUNK * rows // max(1, self.count))
        with errors_named(self._dataset.file.filename):
            for start in range(0, rows if self.count else 0, step):
                part = self._dataset[start : start + step] if self.shape else self._dataset[()]
                yield np.ravel(part)

    @property
    def data(self) -> np.ndarray:
        """The numbers as a new float32 array of `shape`."""
        array = np.empty(self.shape, np.float32)
        self.copy_into(array)
        return array

    @property
    def diff(self) -> np.ndarray | None:
        """The gradients as a new float32 array, or None."""
        return None if self._diff is None else HDF5Blob(self._diff).data

    def copy_into(self, array: np.ndarray) -> None:
        """Copy the numbers into a C-contiguous float32 array of `count` elements, whatever its axes."""
        with errors_named(self._dataset.file.filename):
            if self.count:
                self._dataset.read_direct(array.reshape(self.shape))


@contextmanager
def errors_named(path: str) -> Iterator[None]:
    """Turn what h5py raises on a damaged file into WeightsError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        if isinstance(error, WeightsError | FileError):
            raise
        raise WeightsError(f"{path}: this HDF5 file is damaged: {error}; copy or download it again") from error


@contextmanager
def opened(path: str | os.PathLike, expected: str, other: str) -> Iterator[h5py.File]:
    """An HDF5 file that must have a member `expected`; it stays open while its datasets are used.

    `other` describes a file with a member that tells it is something else: "name: what it is".
    Raises FileError, WeightsError.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileError(f"Could not open file {name}: there is no such file")
    with errors_named(name):
        try:
            file = h5py.File(name, "r")
        except OSError as error:
            raise WeightsError(
                f"{name} is no HDF5 file, or it is damaged ({error}); a binary file must not be called .h5"
            ) from error
        if expected not in file:
            member, _, what = other.partition(": ")
            hint = f"it is {what}" if member in file else f"it holds {', '.join(list(file)[:8]) or 'nothing'}"
            raise WeightsError(f"{name}: {expected} is missing; {hint}")
        yield file


def read_hdf5_weights(path: str | os.PathLike) -> WeightsFile:
    """The layers of a .caffemodel.h5 as a WeightsFile, by name in alphabetical order.

    A parameter that the file leaves out (a shared one) is None. Raises FileError, WeightsError.
    """
    name = os.fspath(path)
    with opened(path, "data", "iter: a solver state; give it as -snapshot") as file:
        data = dict(_layers(_group(file, "data", name), name, ""))
        diffs = dict(_layers(_group(file, "diff", name), name, "")) if "diff" in file else {}
        layers = []
        for layer, arrays in data.items():
            slots: list[HDF5Blob | None] = [None] * (max(arrays, default=-1) + 1)
            for index, dataset in arrays.items():
                slots[index] = HDF5Blob(dataset, diffs.get(layer, {}).get(index))
            layers.append(StoredLayer(layer, "", slots, generation="HDF5"))
        return WeightsFile(name, "", layers, "HDF5")


def _group(parent: h5py.Group, key: str, path: str) -> h5py.Group:
    group = member(parent, key, path)
    if not isinstance(group, h5py.Group):
        raise WeightsError(f"{path}: {group.name} is no group of layers; this is no file of weights")
    return group


def member(parent: h5py.Group, key: str, path: str) -> Any:
    """A member of a group that lies in the same file. Raises WeightsError for links out of it."""
    link = parent.get(key, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise WeightsError(f"{path}: {parent.name}/{key} is a link; links are not followed")
    return parent[key]


def checked(dataset: Any, path: str) -> h5py.Dataset:
    """A dataset of numbers whose declared size the file can hold."""
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu" or dataset.shape is None:
        raise WeightsError(f"{path}: {dataset.name} is no array of numbers")
    stored, count = dataset.id.get_storage_size(), math.prod(dataset.shape)
    if dataset.external or dataset.is_virtual:
        raise WeightsError(f"{path}: {dataset.name} is kept in another file; such arrays are not read")
    if count * dataset.dtype.itemsize > stored * (_LARGEST_RATIO if dataset.chunks else 1):
        raise WeightsError(
            f"{path}: {dataset.name} declares {count} values but only {stored} bytes are stored:"
            " the file is damaged; copy or download it again"
        )
    return dataset


def _layers(group: h5py.Group, path: str, prefix: str, depth: int = 0) -> Iterator[tuple[str, dict]]:
    """(name, {index: dataset}) of each layer below a group, nested groups joined by '/'."""
    if depth > _DEPTH_LIMIT:
        raise WeightsError(f"{path}: groups are nested more than {_DEPTH_LIMIT} deep")
    for key in group:
        child = member(group, key, path)
        if not isinstance(child, h5py.Group):
            continue
        name = f"{prefix}{key}"
        arrays = {}
        inner = False
        for entry in child:
            item = member(child, entry, path)
            inner |= isinstance(item, h5py.Group)
            if not isinstance(item, h5py.Group) and entry.isdecimal() and len(entry) < 6:
                arrays[int(entry)] = checked(item, path)
        if arrays or not inner:
            yield name, arrays
        if inner:
            yield from _layers(child, path, f"{name}/", depth + 1)


def write_hdf5_weights(path: str | os.PathLike, layers: Sequence[LayerArrays]) -> None:
    """Write layers as .caffemodel.h5; entries None (shared parameters) are left out.

    The file appears complete or not at all. Raises FileError when it cannot be written.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        data = file.create_group("data")
        with_diff = any(entry is not None and entry[1] is not None for layer in layers for entry in layer.blobs)
        diff = file.create_group("diff") if with_diff else None
        for layer in layers:
            name = layer.message.name
            if not name.strip("/") or name in data:
                if layer.blobs:
                    raise WeightsError(
                        f"HDF5 cannot hold layer '{name}': layers with parameters need names, each its own."
                        " Rename it, or write a .caffemodel."
                    )
                continue
            group = data.create_group(name)
            for index, entry in enumerate(layer.blobs):
                if entry is None:
                    continue
                group.create_dataset(str(index), data=np.asarray(entry[0], np.float32))
                if diff is not None and entry[1] is not None:
                    diff.create_dataset(f"{name}/{index}", data=np.asarray(entry[1], np.float32))
