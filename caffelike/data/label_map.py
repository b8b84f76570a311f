"""Label maps: the names of labels, as SSD's fork keeps them in a text file."""

import os

from caffelike.errors import DataError
from caffelike.schema import message_class, reader


def read_label_map(path: str | os.PathLike) -> dict[str, int]:
    """Labels by name, of a LabelMap in text. Raises FileError, ParseError, DataError for a name given twice."""
    items = reader.read(path, message_class("LabelMap")).message.item
    names = {item.name: int(item.label) for item in items}
    if len(names) != len(items):
        raise DataError(f"{os.fspath(path)}: a name is there more than once.")
    return names
