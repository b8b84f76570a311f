"""What a file of weights, a solver state or a mean file holds, looked at array by array: `caffelike inspect`."""

import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from caffelike.errors import WeightsError
from caffelike.layer import Shape
from caffelike.schema.dialects import guess_forks
from caffelike.schema.state import SolverStateFile, read_state
from caffelike.schema.stored import WeightsFile, read_blob
from caffelike.schema.weights import is_state, read_weights
from caffelike.schema.weights_hdf5 import is_hdf5, opened
from caffelike.schema.wire import VARINT, Source


@dataclass(frozen=True)
class Values:
    """Range and mean of absolute values of the finite numbers (None where there are none), and how many are not."""

    minimum: float | None
    maximum: float | None
    mean_abs: float | None
    nans: int
    infinities: int


@dataclass(frozen=True)
class Array:
    """One stored array; index: among its layer's. bytes: of its numbers. diff: whether gradients are stored too."""

    index: int
    shape: Shape
    dtype: str
    bytes: int
    diff: bool
    values: Values


@dataclass(frozen=True)
class LayerReport:
    """The arrays of a layer; type "" where the file does not say it (HDF5, solver states)."""

    name: str
    type: str
    arrays: list[Array]


@dataclass(frozen=True)
class FileReport:
    """A file as `inspect` found it.

    kind: "weights", "state" (of a solver) or "array" (a mean file). generation: V0, V1, V2 or HDF5; "" for a binary
    state or array. forks: which may have written it, judged by fields that BVLC Caffe has not; [] for BVLC's own.
    iter, learned_net, current_step: of a state, else None. layers: with all their arrays; those of a state and a
    mean file stand in one layer without a name.
    """

    path: str
    kind: str
    bytes: int
    generation: str
    forks: list[str]
    name: str
    layers: list[LayerReport]
    iter: int | None = None
    learned_net: str | None = None
    current_step: int | None = None

    @property
    def totals(self) -> dict[str, int]:
        """Sums over all arrays: arrays, numbers, bytes, nans, infinities."""
        arrays = [array for layer in self.layers for array in layer.arrays]
        return {
            "arrays": len(arrays),
            "numbers": sum(math.prod(array.shape) for array in arrays),
            "bytes": sum(array.bytes for array in arrays),
            "nans": sum(array.values.nans for array in arrays),
            "infinities": sum(array.values.infinities for array in arrays),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain dictionaries, lists, strings and numbers."""
        return {**asdict(self), "totals": self.totals}


def inspect(path: str | os.PathLike) -> FileReport:
    """Look into a .caffemodel, .solverstate (both also HDF5) or .binaryproto, told apart by what they hold.

    Numbers are read piece by piece, so memory does not grow with the file.
    Raises FileError, and WeightsError for a damaged file or one of another kind.
    """
    source = Source.open(path)
    kind = _kind(source)
    if kind == "state":
        return _state(read_state(path), source)
    if kind == "array":
        array = read_blob(source, 0, source.size, "the array")
        return FileReport(source.name, kind, source.size, "", [], "", [LayerReport("", "", _arrays([array]))])
    return _weights(read_weights(path), source)


def _kind(source: Source) -> str:
    """Whether a file holds "weights" (or something else that is none of the three), a "state" or an "array"."""
    if is_hdf5(source.data):
        with opened(source.name, "/", "") as file:
            return "state" if "iter" in file and "data" not in file else "weights"
    try:
        first = next(source.fields(what="the file"))
    except WeightsError:
        return "weights"
    if first.number == 1 and first.wire == VARINT:
        return "state" if is_state(source) else "array"
    return "array" if 5 <= first.number <= 9 else "weights"


def _weights(file: WeightsFile, source: Source) -> FileReport:
    layers = [LayerReport(layer.name, layer.type, _arrays(layer.blobs)) for layer in file.layers]
    return FileReport(file.path, "weights", source.size, file.generation, _forks(file), file.name, layers)


def _forks(file: WeightsFile) -> list[str]:
    """The forks that explain most of the layers' fields."""
    found: dict[str, int] = {}
    for message, old in (("LayerParameter", False), ("V1LayerParameter", True)):
        numbers = [layer.numbers for layer in file.layers if (layer.generation == "V1") == old]
        for fork, count in guess_forks(numbers, message):
            found[fork] = found.get(fork, 0) + count
    most = max(found.values(), default=0)
    return sorted(fork for fork, count in found.items() if count == most)


def _state(state: SolverStateFile, source: Source) -> FileReport:
    return FileReport(
        path=state.path,
        kind="state",
        bytes=source.size,
        generation="HDF5" if is_hdf5(source.data) else "",
        forks=[],
        name="",
        layers=[LayerReport("", "", _arrays(state.history))],
        iter=state.iter,
        learned_net=state.learned_net,
        current_step=state.current_step,
    )


def _arrays(blobs: Iterable[Any]) -> list[Array]:
    found = []
    for index, blob in enumerate(blobs):
        if blob is not None:
            size = blob.count * np.dtype(blob.dtype).itemsize
            found.append(Array(index, tuple(blob.shape), blob.dtype, size, blob.has_diff, _values(blob.chunks())))
    return found


def _values(chunks: Iterable[np.ndarray]) -> Values:
    low, high, total = math.inf, -math.inf, 0.0
    count = nans = infinities = 0
    for chunk in chunks:
        finite = np.isfinite(chunk)
        if not finite.all():
            bad = int(np.isnan(chunk).sum())
            nans += bad
            infinities += chunk.size - int(finite.sum()) - bad
            chunk = chunk[finite]
        if chunk.size:
            low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
            total += float(np.abs(chunk).sum(dtype=np.float64))
            count += chunk.size
    if not count:
        return Values(None, None, None, nans, infinities)
    return Values(low, high, total / count, nans, infinities)
