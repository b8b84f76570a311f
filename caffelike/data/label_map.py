"""Label maps: the names of labels, as SSD's fork keeps them in a text file."""

import os

import numpy as np

from caffelike.errors import DataError
from caffelike.schema import message_class, reader


def read_label_map(path: str | os.PathLike) -> dict[str, int]:
    """Labels by name, of a LabelMap in text. Raises FileError, ParseError, DataError for a name given twice."""
    items = reader.read(path, message_class("LabelMap")).message.item
    names = {item.name: int(item.label) for item in items}
    if len(names) != len(items):
        raise DataError(f"{os.fspath(path)}: a name is there more than once.")
    return names


def read_channels(path: str | os.PathLike) -> np.ndarray:
    """Which values of a label image belong to which channel, of a LabelMap in text: (channels, 256), uint8 of 0 or 255.

    The items' `label_id` says so, from 1 (0: none), for the values 0, 1, ... in the order of the items. Raises
    FileError, ParseError, DataError where no item has one.
    """
    items = reader.read(path, message_class("LabelMap")).message.item
    channels = max((item.label_id for item in items), default=0)
    if not 0 < channels <= 255 or len(items) > 256:
        raise DataError(f"{os.fspath(path)}: needs items with label_id: 1, 2, ... at most 255, 256 items in all.")
    table = np.zeros((channels, 256), np.uint8)
    for value, item in enumerate(items):
        if item.label_id > 0:
            table[item.label_id - 1, value] = 255
    return table
