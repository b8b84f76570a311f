"""Images to blobs and back, with OpenCV's arithmetic: to the bit for uint8; resized float32 may end one unit off.

An image is (height, width) or (height, width, channels) of 1, 3 or 4 channels, BGR as OpenCV reads them; uint8 or
float32 (float64 is rounded to it).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.data.resize import resize
from caffelike.errors import ShapeError

_CV_8U, _CV_32F = 0, 5
Size = Sequence[int] | None


def blobFromImage(
    image: np.ndarray,
    scalefactor: float = 1.0,
    size: Size = (0, 0),
    mean: float | Sequence[float] = (),
    swapRB: bool = False,
    crop: bool = False,
    ddepth: int = _CV_32F,
) -> np.ndarray:
    """The blob (1, channels, height, width) of an image: (image - mean) * scalefactor, resized.

    size: (width, height); (0, 0) keeps the image's. crop: cut the centre out of the image, enlarged or reduced until
    its shorter side fits; else it is stretched. swapRB: exchange the first and third channel; `mean` is then given in
    the new order. A number as mean is that of the first channel. ddepth: 5 (CV_32F) float32, 0 (CV_8U) uint8, that
    takes neither mean nor scalefactor. Raises ShapeError.
    """
    return blobFromImages([image], scalefactor, size, mean, swapRB, crop, ddepth)


def blobFromImages(
    images: Sequence[np.ndarray],
    scalefactor: float = 1.0,
    size: Size = (0, 0),
    mean: float | Sequence[float] = (),
    swapRB: bool = False,
    crop: bool = False,
    ddepth: int = _CV_32F,
) -> np.ndarray:
    """The blob (images, channels, height, width) of several images; without `size` they get that of the first."""
    if not len(images):
        raise ShapeError("blobFromImages takes at least one image.")
    if ddepth not in (_CV_8U, _CV_32F):
        raise ShapeError(f"ddepth is CV_32F (5) or CV_8U (0), not {ddepth}.")
    means = _means(mean)
    if ddepth == _CV_8U and (scalefactor != 1 or any(means)):
        raise ShapeError("A blob of CV_8U takes no mean and no scalefactor; leave them out, or use CV_32F.")
    checked = [_checked(image, ddepth) for image in images]
    width, height = (int(v) for v in (size if size is not None and len(size) else (0, 0)))
    if not (width and height):
        height, width = checked[0].shape[:2]
    planes = []
    for image in checked:
        pixels = _resized(image, height, width, crop)
        if swapRB and pixels.shape[2] > 1:
            pixels = pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
        if ddepth == _CV_32F:
            pixels = pixels.astype(np.float32) - means[: pixels.shape[2]]
            pixels *= np.float32(scalefactor)
        planes.append(pixels.transpose(2, 0, 1))
    if len({plane.shape[0] for plane in planes}) > 1:
        raise ShapeError(f"Images of one blob need equal numbers of channels, not {[len(p) for p in planes]}.")
    return np.ascontiguousarray(np.stack(planes))


def _means(mean: Any) -> np.ndarray:
    """Four values, as OpenCV's Scalar: what is not given is 0."""
    given = np.ravel(np.asarray(mean, np.float64))
    if given.size > 4:
        raise ShapeError(f"mean has at most 4 values, one a channel, not {given.size}.")
    return np.pad(given, (0, 4 - given.size)).astype(np.float32)


def _checked(image: np.ndarray, ddepth: int) -> np.ndarray:
    """(height, width, channels) of uint8 or float32."""
    pixels = np.asarray(image)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise ShapeError(
            f"An image is (height, width[, 1, 3 or 4 channels]), not an array of {np.shape(image)}. A file that"
            " cv2.imread cannot read gives None."
        )
    if ddepth == _CV_8U and pixels.dtype != np.uint8:
        raise ShapeError(f"A blob of CV_8U is made of uint8 images, not of {pixels.dtype}.")
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    if pixels.dtype not in (np.uint8, np.float32):
        raise ShapeError(f"An image is of uint8 or float32, not {pixels.dtype}: image.astype(np.float32) makes it so.")
    return pixels


def _resized(pixels: np.ndarray, height: int, width: int, crop: bool) -> np.ndarray:
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    if not crop:
        return resize(pixels, height, width)
    # In single precision and rounded half to even, as OpenCV computes it.
    factor = float(max(np.float32(width) / np.float32(columns), np.float32(height) / np.float32(rows)))
    pixels = resize(pixels, max(height, round(rows * factor)), max(width, round(columns * factor)), factor)
    top, left = (int(0.5 * (have - want)) for have, want in zip(pixels.shape, (height, width), strict=False))
    return pixels[top : top + height, left : left + width]


def imagesFromBlob(blob: np.ndarray) -> tuple[np.ndarray, ...]:
    """The images (height, width, channels) of a float32 blob (images, channels, height, width); mean and scale stay."""
    array = np.asarray(blob)
    if array.ndim != 4:
        raise ShapeError(f"imagesFromBlob takes (images, channels, height, width), not {array.shape}.")
    images = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
    return tuple(image[:, :, 0] if image.shape[2] == 1 else image for image in images)
