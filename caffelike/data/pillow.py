"""JPEG files to pixels with little but the decoder's own work; the pixels of any Pillow image without copying them.

Of a picture of 256x256 copying the pixels costs up to half as much as decoding it; reading the file's head in Python,
and making an image and freeing it again, cost a tenth together. Pillow (11.3 and newer) hands out its memory through
the Arrow C data interface, two structures of C whose layout is fixed
(arrow.apache.org/docs/format/CDataInterface.html). Where it does not, the pixels are copied.
"""

import ctypes
import struct
import threading
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


_SKIPPED = frozenset(range(0xE0, 0xF0)) | {0xC4, 0xDB, 0xDD, 0xFE}  # APPn, DHT, DQT, DRI, COM
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
_EXIF, _SCAN = 0xE1, 0xDA


def jpeg_size(file: Any, turned: bool) -> tuple[int, int] | None:
    """(width, height) of a JPEG of 8-bit colours, from the segments before its first scan (ITU-T T.81, B.1.1).

    None for another file, for one with anything out of the ordinary, and if `turned` for one that may say how it is to
    be turned. The segments are walked as libjpeg does it, so it will find the same size.
    """
    size, at = None, 2
    try:
        while True:
            start, marker, length = struct.unpack_from(">BBH", file, at)
            if start != 0xFF or length < 2:
                return None
            if marker == _SCAN:
                return size if size and min(size) > 0 else None
            if marker in _FRAMES and size is None:
                bits, height, width, channels = struct.unpack_from(">BHHB", file, at + 4)
                if bits != 8 or channels != 3:
                    return None
                size = width, height
            elif marker not in _SKIPPED or (turned and marker == _EXIF):
                return None
            at += 2 + length
    except struct.error:  # the file ends
        return None


class Canvas(threading.local):
    """An image that JPEG files are decoded into, one after the other; each thread has its own."""

    def __init__(self) -> None:
        self._image: Any = None
        self._core: Any = None
        self._words: np.ndarray | None = None

    def jpeg(self, file: Any, size: tuple[int, int]) -> np.ndarray | None:
        """The pixels, as `words` gives them, until the next call; size: as `jpeg_size` gave it.

        None where it cannot be done this way: opening the file as usual tells what is wrong with it.
        """
        from PIL import Image

        image = self._image
        if image is None or image.size != size:
            image = self._image = Image.new("RGB", size, None)
            self._core, self._words = image.im, _in_place(image)
        try:
            image.frombytes(file, "jpeg", ("RGB", ""))
        except (ValueError, OSError):
            return None
        return self._words if self._words is not None and image.im is self._core else words(image)


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
