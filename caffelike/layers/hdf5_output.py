"""HDF5Output: writes blobs to an HDF5 file."""

import os
from collections.abc import Sequence

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.errors import FileError, ModelError, ShapeError
from caffelike.files import atomic_path
from caffelike.layer import HostLayer
from caffelike.registry import register

_NAMES = ("data", "label")


@register("HDF5Output", param="hdf5_output_param")
class HDF5Output(HostLayer):
    """Writes its bottoms as the data sets "data" and "label", in a form that HDF5Data reads.

    bottoms: x and label, with the same number of records, of at most 4 axes; stored with 4, as Caffe does.
    file_name: replaced by the first forward pass; every further one appends its records (Caffe stops there).
    The file is whole and closed after each pass.
    Gradient: none. Raises FileError when it cannot be written, ShapeError for records of another shape.
    Source: BVLC Caffe's HDF5Output layer.
    """

    bottoms = ("x", "label")
    tops = ()

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Check that the file can be written."""
        self._path = self.message.hdf5_output_param.file_name
        if not self._path:
            raise self.fail("needs hdf5_output_param { file_name: ... }.", ModelError)
        folder = os.path.dirname(self._path) or "."
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            raise FileError(f"Failed to open HDF5 file {self._path}: the folder {folder} is missing or not writable.")
        self._started = False

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Write the records."""
        if bottom[0].num != bottom[1].num:
            raise self.fail(
                f"data blob and label blob must have the same batch size; they have {bottom[0].shape} and"
                f" {bottom[1].shape}.",
                ShapeError,
            )
        log.info("hdf5_output_layer.cpp:29", f"Saving HDF5 file {self._path}")
        arrays = [b.raw_data.reshape(b.num, b.channels, b.height, b.width) for b in bottom]
        if self._started:
            self._append(arrays)
        else:
            self._create(arrays)
            self._started = True
        log.info("hdf5_output_layer.cpp:34", f"Successfully saved {bottom[0].num} rows")

    def _create(self, arrays: list[np.ndarray]) -> None:
        import h5py

        with atomic_path(self._path) as temporary, h5py.File(temporary, "w") as file:
            for name, array in zip(_NAMES, arrays, strict=True):
                file.create_dataset(name, data=array, maxshape=(None, *array.shape[1:]))

    def _append(self, arrays: list[np.ndarray]) -> None:
        import h5py

        try:
            with h5py.File(self._path, "r+") as file:
                for name, array in zip(_NAMES, arrays, strict=True):
                    rows = file[name]
                    if rows.shape[1:] != array.shape[1:]:
                        raise self.fail(
                            f"{self._path} holds {name} of {rows.shape[1:]}, now it is {array.shape[1:]}.", ShapeError
                        )
                    rows.resize(len(rows) + len(array), axis=0)
                    rows[-len(array) :] = array
        except (OSError, KeyError) as error:
            raise FileError(f"Cannot add to {self._path}: {error}. Was it moved or changed meanwhile?") from error

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing depends on the bottoms here."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0
