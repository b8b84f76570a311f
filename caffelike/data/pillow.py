"""The pixels of a Pillow image without copying them: copying costs up to half as much as decoding a small JPEG.

Pillow (11.3 and newer) hands out its memory through the Arrow C data interface, two structures of C whose layout is
fixed (arrow.apache.org/docs/format/CDataInterface.html). Where it does not, the pixels are copied.
"""

import ctypes
from typing import Any

import numpy as np


class _Array(ctypes.Structure):
    """ArrowArray."""


_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def words(image: Any) -> np.ndarray:
    """The pixels of an image of mode RGB, four bytes each, as flat uint32 with red in the lowest byte; read only."""
    found = _in_place(image)
    return np.frombuffer(image.tobytes("raw", "RGBX"), "<u4") if found is None else found


def _in_place(image: Any) -> np.ndarray | None:
    """The same as a view of Pillow's memory; None where it cannot be had."""
    if not hasattr(image, "__arrow_c_array__"):
        return None
    try:
        _, capsule = image.__arrow_c_array__()
    except (ValueError, MemoryError):  # a large image lies in several pieces
        return None
    array = _Array.from_address(_pointer(capsule, b"arrow_array"))
    count = image.width * image.height
    if array.length != count or array.offset or array.n_children != 1:
        return None
    values = array.children[0].contents
    if values.length != 4 * count or values.offset or values.n_buffers != 2:
        return None
    memory = (ctypes.c_uint32 * count).from_address(values.buffers[1])
    memory.owner = capsule  # the pixels stay while anybody looks at them
    pixels = np.frombuffer(memory, "<u4")
    pixels.flags.writeable = False
    return pixels
