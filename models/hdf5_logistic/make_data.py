"""Writes two classes of points with four coordinates as HDF5, in the working folder.

usage: python models/hdf5_logistic/make_data.py    (needs scikit-learn: pip install 'caffelike[examples]')

train.h5 and test.h5 hold data (rows, 4) and label (rows), float32; train.txt and test.txt name them, for HDF5Data.
"""

from pathlib import Path

import h5py
import numpy as np


def points(count: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates, of which two tell something and two are noise, and classes 0 and 1: two clouds of points each."""
    from sklearn.datasets import make_classification

    return make_classification(
        n_samples=count,
        n_features=4,
        n_redundant=0,
        n_informative=2,
        n_clusters_per_class=2,
        hypercube=False,
        random_state=0,
    )


def write(name: str, data: np.ndarray, label: np.ndarray) -> None:
    """<name>.h5 and the list <name>.txt."""
    with h5py.File(f"{name}.h5", "w") as file:
        file["data"], file["label"] = data.astype(np.float32), label.astype(np.float32)
    Path(f"{name}.txt").write_text(f"{name}.h5\n", encoding="utf-8")


if __name__ == "__main__":
    data, label = points()
    held = len(data) // 4
    write("train", data[held:], label[held:])
    write("test", data[:held], label[:held])
