"""Label tables of yjxiong's fork: fine classes that a coarser classifier puts together."""

from typing import Any

import numpy as np

from caffelike.data.paths import missing, resolve
from caffelike.errors import DataError, FileError, LabelError, ModelError
from caffelike.layer import Layer


def read_table(layer: Layer, p: Any) -> np.ndarray:
    """label_transform_file: whole numbers, the first one the new label of class 0, and so on; negative ones: of none.

    Raises ModelError without the field, FileError, and DataError for a file with anything else.
    """
    if not p.label_transform_file:
        raise layer.fail("needs label_transform_param { label_transform_file: ... }.", ModelError)
    path = resolve(p.label_transform_file, getattr(layer, "folder", ""))
    try:
        with open(path, encoding="utf-8") as file:
            words = file.read().split()
    except FileNotFoundError:
        raise FileError(missing(path, "label table")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"Could not read the label table {path}: {error}.") from error
    try:
        table = np.array([int(word) for word in words], np.int64)
    except ValueError:
        raise DataError(f"{path} is no label table: it must hold whole numbers, one for each class.") from None
    if not table.size:
        raise DataError(f"{path} is no label table: it is empty. Expected is a whole number for each class.")
    return table


def check_classes(layer: Layer, table: np.ndarray, classes: int) -> None:
    """Raise ModelError unless the new labels are 0 .. classes - 1, each of them used."""
    used = np.unique(table[table >= 0])
    if used.tolist() != list(range(classes)):
        raise layer.fail(
            f"the scores are of {classes} classes, but the label table makes {len(used)}"
            f"{f' up to {used[-1]}' if len(used) else ''}; expected are all of 0 .. {classes - 1}.",
            ModelError,
        )


def new_labels(label: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The new label of each item, flat; a negative one means none. Raises LabelError for one not in the table."""
    flat = np.trunc(label.reshape(-1))
    right = (flat >= 0) & (flat < len(table))
    if not right.all():
        first = int(np.flatnonzero(~right)[0])
        raise LabelError.no_class(first, float(label.reshape(-1)[first]), len(table))
    return table[flat.astype(np.int64)]
