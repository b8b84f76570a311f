"""Reading image files to the pixels that OpenCV 4's imread gives: uint8, BGR. Pillow only decodes."""

import io
import os
import sys
from typing import Any

import numpy as np

from caffelike.data import pillow
from caffelike.data.paths import missing
from caffelike.errors import DataError, FileError

# Weights of (R, G, B), what is added, and the shift, by which OpenCV makes gray; they differ from decoder to decoder.
_GRAY_PNG = ((9797, 19234, 3737), 0, 15)  # libpng's, as of the years when Caffe was built (newer ones: 9798, 19235)
_GRAY_COLOR_FIRST = ((9798, 19235, 3735), 1 << 14, 15)  # decoded to colour, then cvtColor
_GRAY = ((4899, 9617, 1868), 1 << 13, 14)
_GRAY_OF = {"PNG": _GRAY_PNG, "WEBP": _GRAY_COLOR_FIRST, "GIF": _GRAY_COLOR_FIRST}
_JPEG = ("JPEG", "MPO")


def read(path: str, color: bool = True) -> np.ndarray:
    """The image file at `path`, see `decode`. Raises FileError when it is missing, DataError when it is no image."""
    if not os.path.isfile(path):
        raise FileError(missing(path, "image"))
    try:
        return decode(path, "color" if color else "gray")
    except DataError as error:
        raise DataError(f"Could not load {path}: {error}") from None


def read_label_map(path: str) -> np.ndarray:
    """The labels that an image file holds, one a pixel, as int32 of (height, width).

    They are the stored numbers: gray values of 8 or 16 bits, or the indices of a palette (not its colours).
    Raises FileError when it is missing, DataError when it is no image with one number a pixel.
    """
    from PIL import Image

    if not os.path.isfile(path):
        raise FileError(missing(path, "label image"))
    try:
        with Image.open(path) as image:
            if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
                raise DataError(
                    f"The label image {path} has colours ({image.mode}); expected is one number a pixel: gray, or a"
                    " palette."
                )
            return np.asarray(image).astype(np.int32)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"Could not load the label image {path}: {error}.") from error


def decode(file: str | bytes | memoryview, mode: str = "color", canvas: pillow.Canvas | None = None) -> np.ndarray:
    """Pixels of an encoded image (its path or its bytes) as uint8 of (height, width, channels); read only.

    mode: "color": 3 channels, BGR; "gray": 1 channel; both turned as the EXIF orientation says, alpha dropped.
    "native": the channels that are stored (1, 3, or 4 with alpha), not turned.
    canvas: where JPEGs may be decoded: faster, but the pixels stay only until this thread decodes the next one there.
    Raises DataError when it cannot be decoded, or has more than 8 bits a channel in mode "native".
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if mode != "gray" and not isinstance(file, str) and (found := _jpeg(file, mode, canvas)) is not None:
            return found
        with _open(file) as image:
            return _pixels(image, mode)
    except UnidentifiedImageError:
        raise DataError("it is no image in a format that Pillow knows") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"the image cannot be decoded ({error}); it is damaged or cut off") from error


def _open(file: str | bytes | memoryview) -> Any:
    from PIL import Image

    return Image.open(file if isinstance(file, str) else io.BytesIO(file))


def _jpeg(file: bytes | memoryview, mode: str, canvas: pillow.Canvas | None) -> np.ndarray | None:
    """`decode` for the JPEGs that a data set is usually made of; None for others."""
    from PIL import Image

    if bytes(file[:2]) != b"\xff\xd8" or (size := pillow.jpeg_size(file, mode == "color")) is None:
        return None
    if Image.MAX_IMAGE_PIXELS is not None and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:
        return None  # those are for Image.open to allow or refuse
    found = (canvas or pillow.Canvas()).jpeg(file, size)
    return None if found is None else _blue_first(found, size)


def _pixels(image: Any, mode: str) -> np.ndarray:
    kind = image.format
    deep = image.mode.startswith(("I", "F"))
    if mode == "native":
        if deep:
            raise DataError(f"the image has more than 8 bits a channel ({image.mode}); set force_color or force_gray")
        return _native(image)
    if mode == "gray" and kind in _JPEG:
        image.draft("L", None)  # the stored luminance, as OpenCV takes it
    return _turn(_gray(image, deep, kind) if mode == "gray" else _color(image, deep), image)


def _native(image: Any) -> np.ndarray:
    if image.mode in ("1", "L"):
        return _array(image, "L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return np.ascontiguousarray(np.asarray(image.convert("RGBA"))[:, :, [2, 1, 0, 3]])
    return _color(image, False)


def _array(image: Any, mode: str) -> np.ndarray:
    return np.atleast_3d(np.asarray(image if image.mode == mode else image.convert(mode)))


def _high_byte(image: Any) -> np.ndarray:
    """The upper 8 of 16 bits; other deep images are clipped."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return (values >> 8).astype(np.uint8)[:, :, None]
    return np.clip(values, 0, 255).astype(np.uint8)[:, :, None]


def _color(image: Any, deep: bool) -> np.ndarray:
    if deep:
        return np.repeat(_high_byte(image), 3, axis=2)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return _blue_first(pillow.words(rgb), rgb.size)


def _blue_first(words: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pillow keeps four bytes a pixel; who reads them turns the channels round on the way."""
    width, height = size
    return words.view(np.uint8).reshape(height, width, 4)[:, :, 2::-1]


def words_of(planes: np.ndarray) -> np.ndarray | None:
    """The pixels behind `planes`, if these are the (3, height, width) of a decoded colour image.

    They come as (height, width) of uint32 with red in the lowest byte, blue in the third, as `decode` got them.
    """
    base = planes.base
    if planes.ndim != 3 or not isinstance(base, np.ndarray) or base.dtype != np.uint32 or sys.byteorder != "little":
        return None
    channels, height, width = planes.shape
    if channels != 3 or planes.strides != (-1, 4 * width, 4) or base.shape != (height * width,):
        return None
    return base.reshape(height, width)


def _from_cmyk(image: Any) -> np.ndarray:
    inks = 255 - np.asarray(image).astype(np.int32)
    black = inks[:, :, 3:]
    return (black - ((255 - inks[:, :, 2::-1]) * black >> 8)).astype(np.uint8)


def _gray(image: Any, deep: bool, kind: str) -> np.ndarray:
    if deep:
        return _high_byte(image)
    if image.mode in ("1", "L", "LA"):
        return _array(image, "L")
    return luminance(_color(image, False)[:, :, ::-1], kind)


def luminance(rgb: np.ndarray, kind: str = "") -> np.ndarray:
    """The gray values (height, width, 1) of uint8 RGB pixels, as OpenCV makes them; kind: of file they come from."""
    weights, rounding, shift = _GRAY_OF.get(kind, _GRAY)
    return ((rgb.astype(np.int32) @ np.array(weights, np.int32) + rounding) >> shift).astype(np.uint8)[:, :, None]


def _turn(pixels: np.ndarray, image: Any) -> np.ndarray:
    """Turn and mirror as the EXIF orientation (1..8) says."""
    orientation = image.getexif().get(0x0112, 1)
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels if orientation == 1 else np.ascontiguousarray(pixels)
