"""Writes scikit-learn's diabetes data as HDF5 in the working folder, and what an exact solution reaches on it.

usage: python models/linear_regression/make_data.py    (needs scikit-learn: pip install 'caffelike[examples]')

train.h5 (342 patients) and test.h5 (100) hold data (rows, 10), measurements, and progress (rows, 1), of the illness
a year later; both in units of their standard deviation over the training rows. train.txt and test.txt name them.
"""

from pathlib import Path

import h5py
import numpy as np


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Measurements (442, 10) and progress (442, 1), shuffled; the first 342 rows have mean 0 and deviation 1."""
    from sklearn.datasets import load_diabetes

    both = np.column_stack(load_diabetes(return_X_y=True))
    both = np.random.default_rng(0).permutation(both)
    both = (both - both[:342].mean(axis=0)) / both[:342].std(axis=0)
    return both[:, :10], both[:, 10:]


def write(name: str, data: np.ndarray, progress: np.ndarray) -> None:
    """<name>.h5 and the list <name>.txt."""
    with h5py.File(f"{name}.h5", "w") as file:
        file["data"], file["progress"] = data.astype(np.float32), progress.astype(np.float32)
    Path(f"{name}.txt").write_text(f"{name}.h5\n", encoding="utf-8")


def exact(data: np.ndarray, progress: np.ndarray) -> np.ndarray:
    """The weights and, last, the bias (11, 1) with the smallest sum of squares, by linear algebra."""
    return np.linalg.lstsq(np.column_stack([data, np.ones(len(data))]), progress, rcond=None)[0]


if __name__ == "__main__":
    data, progress = rows()
    best = exact(data[:342], progress[:342])
    for name, part in (("train", slice(342)), ("test", slice(342, None))):
        write(name, data[part], progress[part])
        gap = data[part] @ best[:-1] + best[-1] - progress[part]
        print(f"{name}: half the mean square of what least squares leaves is {np.mean(gap**2) / 2:.4f}")
