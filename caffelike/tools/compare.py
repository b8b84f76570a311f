"""A net's blobs beside recorded ones: where do two programs, or two versions of a net, begin to differ?

Recorded blobs are arrays by blob name in an .npz or HDF5 file, as a few lines of any program write them:

    np.savez("blobs.npz", **{name: blob.data for name, blob in net.blobs.items()})
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np

from caffelike.errors import CaffelikeError, DataError, FileError
from caffelike.files import atomic_path

if TYPE_CHECKING:
    from caffelike.graph.net import Net

_SEED = 1  # of the numbers in inputs that are not given


@dataclass(frozen=True)
class Compared:
    """A blob beside its recorded values: largest absolute difference, and that over the largest absolute value.

    layer: which made it. shape: ours. error: why it cannot be compared (another shape), or that NaN or infinities are
    at other places; the differences are then those of the numbers that are finite in both.
    """

    blob: str
    layer: str
    shape: tuple[int, ...]
    largest: float
    relative: float
    error: str = ""


def read_blobs(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Arrays by blob name from an .npz or an HDF5 file, told apart by content. Raises FileError, DataError."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            magic = file.read(8)
        if magic.startswith(b"PK"):
            with np.load(name, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays}
        if magic.startswith(b"\x89HDF"):
            found: dict[str, np.ndarray] = {}
            with h5py.File(name) as h5:
                h5.visititems(
                    lambda key, item: found.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            return found
    except OSError as error:
        raise FileError(f"Could not open file {name}: {error.strerror or error}") from error
    except (ValueError, KeyError) as error:
        raise DataError(f"{name} cannot be read: {error}.") from error
    raise DataError(f"{name} is neither .npz nor HDF5; recorded blobs are arrays by blob name in one of these.")


def record(net: "Net", path: str | os.PathLike, inputs: Mapping[str, np.ndarray] | None = None) -> list[str]:
    """Run the net and write all its blobs as .npz; the names written, in order.

    inputs: by blob name; those that are not given hold normally distributed numbers, the same every time.
    """
    _run(net, inputs or {})
    blobs = {name: blob.data.copy() for name, blob in net.blobs.items()}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **blobs)  # type: ignore[arg-type]  # of a name -> array
    return list(blobs)


def compare(net: "Net", recorded: Mapping[str, np.ndarray]) -> list[Compared]:
    """Give the net its recorded inputs, run it, and hold each blob against the recorded one of its name.

    Blobs that only one side has are left out. Raises CaffelikeError where an input is not recorded, or no name fits.
    """
    missing = [name for name in net.inputs if name not in recorded]
    if missing:
        raise CaffelikeError(
            f"The net's input '{missing[0]}' is not recorded; there is {', '.join(recorded) or 'nothing'}."
        )
    _run(net, recorded)
    makers = {top: name for name, tops in net.top_names.items() for top in tops}
    found = [
        _compared(name, makers.get(name, ""), blob.data, recorded[name])
        for name, blob in net.blobs.items()
        if name in recorded and name not in net.inputs
    ]
    if not found:
        raise CaffelikeError(f"No recorded blob has the name of one of the net's: {', '.join(recorded)}.")
    return found


def _run(net: "Net", inputs: Mapping[str, np.ndarray]) -> None:
    rng = np.random.default_rng(_SEED)
    for name in net.inputs:
        blob = net.blobs[name]
        values = inputs.get(name)
        if values is None:
            values = rng.standard_normal(blob.shape)
        blob.reshape(*values.shape)
        blob.data[...] = values
    net.reshape()
    net.forward()


def _compared(blob: str, layer: str, ours: np.ndarray, recorded: np.ndarray) -> Compared:
    shape = tuple(ours.shape)
    if ours.size != recorded.size:
        return Compared(blob, layer, shape, 0, 0, f"recorded is {' x '.join(map(str, recorded.shape)) or 'a scalar'}")
    a, b = ours.astype(np.float64).ravel(), recorded.astype(np.float64).ravel()
    finite = np.isfinite(a) & np.isfinite(b)
    same = finite | (a == b) | (np.isnan(a) & np.isnan(b))
    largest = float(np.abs(a - b)[finite].max(initial=0))
    scale = float(np.abs(b[finite]).max(initial=0))
    error = "" if same.all() else f"{np.count_nonzero(~same)} values are NaN or infinite on one side only"
    return Compared(blob, layer, shape, largest, largest / scale if scale else largest, error)
