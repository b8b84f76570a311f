"""Comparing with recorded numbers: what `close` means here, and how groups of an HDF5 file are walked."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

GOLDEN = Path(__file__).parent / "golden"


def names(file: str) -> list[str]:
    """The cases of a recorded file."""
    with h5py.File(GOLDEN / file) as cases:
        return sorted(cases)


def arrays(case: h5py.Group, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    """(name, values) of every data set below `prefix`; names may hold slashes."""
    found: list[tuple[str, np.ndarray]] = []
    if prefix in case:
        case[prefix].visititems(lambda name, item: found.append((name, item[()])) if hasattr(item, "dtype") else None)
    yield from found


def param(net, name: str):
    """The parameter blob "layer/index" of a net."""
    layer, _, index = name.rpartition("/")
    return net.params[layer][int(index)]


def assert_close(got, want, what: str) -> None:
    """Equal to 2e-5 of the largest finite value and 1e-4 relative; NaN and infinities at the same places."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, recorded is {want.shape}"
    finite = np.abs(want[np.isfinite(want)])
    atol = 2e-5 * max(1.0, finite.max(initial=0.0))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=atol, equal_nan=True, err_msg=what)
