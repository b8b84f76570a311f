"""pycaffe's io module: images as arrays, preprocessing for deployed nets, blobs and records as messages.

Images are (height, width, channels), RGB, float32 in 0..1, as `load_image` makes them.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.data import datum
from caffelike.data.paths import missing
from caffelike.errors import CaffelikeError, DataError, FileError, ShapeError
from caffelike.schema import message_class

_LUMINANCE = np.array([0.2125, 0.7154, 0.0721])  # of linear sRGB, ITU-R BT.709: scikit-image's gray


def __getattr__(name: str) -> Any:
    if name != "caffe_pb2":  # pycaffe's io imports it, and scripts take it from here; made when it is asked for
        raise AttributeError(f"module 'caffelike.io' has no attribute {name!r}")
    return importlib.import_module("caffelike.proto.caffe_pb2")


# Messages --------------------------------------------------------------------------------------


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """The values (or gradients) of a BlobProto as a float32 array of its shape (4 axes where it has the old form).

    Raises ShapeError (a ValueError) where it has no shape, DataError where it holds another number of values.
    """
    values = (blob.diff or blob.double_diff) if return_diff else (blob.data or blob.double_data)
    array = np.array(values, np.float32)
    if blob.HasField("shape"):
        shape = tuple(int(d) for d in blob.shape.dim)
    elif any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        shape = (blob.num, blob.channels, blob.height, blob.width)
    elif array.size == 1:
        shape = ()
    else:
        raise ShapeError(f"A BlobProto of {array.size} values says nothing of its shape; set `shape.dim`.")
    if array.size != np.prod(shape, dtype=np.int64):
        raise DataError(f"A BlobProto says its shape is {shape}, but holds {array.size} values.")
    return array.reshape(shape)


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> Any:
    """A BlobProto of an array of any shape, with its gradient if that is given."""
    array = np.asarray(arr)
    blob = message_class("BlobProto")()
    blob.shape.dim.extend(array.shape)
    blob.MergeFromString(datum.field(5, array.astype("<f4").tobytes()))  # 60 times as fast as data.extend()
    if diff is not None:
        blob.MergeFromString(datum.field(6, np.asarray(diff).astype("<f4").tobytes()))
    return blob


def arraylist_to_blobprotovector_str(arraylist: Sequence[np.ndarray]) -> bytes:
    """Arrays as the bytes of a BlobProtoVector."""
    vector = message_class("BlobProtoVector")()
    vector.blobs.extend(array_to_blobproto(array) for array in arraylist)
    return vector.SerializeToString()


def blobprotovector_str_to_arraylist(str: bytes) -> list[np.ndarray]:
    """The arrays in the bytes of a BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in message_class("BlobProtoVector").FromString(str).blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Any:
    """A Datum of (channels, height, width): uint8 as `data`, anything else as `float_data`."""
    array = np.asarray(arr)
    if array.ndim != 3:
        raise ShapeError(f"Incorrect array shape: a Datum holds (channels, height, width), not {array.shape}.")
    found = message_class("Datum")()
    found.channels, found.height, found.width = array.shape
    if array.dtype == np.uint8:
        found.data = array.tobytes()
    else:
        found.float_data.extend(array.astype(np.float32).ravel())
    if label is not None:
        found.label = int(label)
    return found


def datum_to_array(datum_message: Any) -> np.ndarray:
    """The values of a Datum, a copy of (channels, height, width); its label is in `.label`.

    Raises DataError for an encoded one: decode its `data` with Pillow or OpenCV.
    """
    if datum_message.encoded:
        raise DataError("This Datum holds an encoded image; decode its field `data` with Pillow or OpenCV.")
    return datum.parse(datum_message.SerializeToString()).pixels().copy()


# Preprocessing ---------------------------------------------------------------------------------


class Transformer:
    """Turns images into inputs of a deployed net, and back.

    Steps of `preprocess`, each only if it is set for that input: resize to the input's height and width; transpose;
    channel_swap; raw_scale; mean; input_scale. Values are float32.

    inputs: {input name: shape (n, channels, height, width)}, as {"data": net.blobs["data"].data.shape}.
    """

    def __init__(self, inputs: dict[str, Sequence[int]]):
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, tuple[int, ...]] = {}
        self.channel_swap: dict[str, tuple[int, ...]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def _check(self, in_: str) -> tuple[int, ...]:
        if in_ not in self.inputs:
            raise CaffelikeError(f"{in_} is not one of the net inputs: {', '.join(self.inputs)}")
        return self.inputs[in_]

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """The input array (channels, height, width) for an image (height, width, channels); `data` is not changed."""
        size = self._check(in_)[2:]
        array = np.array(data, np.float32)
        if array.shape[:2] != size:
            array = resize_image(array, size)
        if in_ in self.transpose:
            array = array.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            array = array[self.channel_swap[in_], :, :]
        if in_ in self.raw_scale:
            array *= self.raw_scale[in_]
        if in_ in self.mean:
            array -= self.mean[in_]
        if in_ in self.input_scale:
            array *= self.input_scale[in_]
        return array

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """The image (height, width, channels) of an input array; resizing is not undone."""
        self._check(in_)
        array = np.array(data, np.float32).squeeze()
        if in_ in self.input_scale:
            array /= self.input_scale[in_]
        if in_ in self.mean:
            array += self.mean[in_]
        if in_ in self.raw_scale:
            array /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            array = array[np.argsort(self.channel_swap[in_]), :, :]
        if in_ in self.transpose:
            array = array.transpose(np.argsort(self.transpose[in_]))
        return array

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of the image's axes; (2, 0, 1) puts channels first, as nets want them."""
        if len(order) != len(self._check(in_)) - 1:
            raise ShapeError("Transpose order needs to have the same number of dimensions as the input.")
        self.transpose[in_] = tuple(order)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of channels after transposing; (2, 1, 0) makes BGR of RGB, as Caffe's image nets want."""
        if len(order) != self._check(in_)[1]:
            raise ShapeError("Channel swap needs to have the same number of dimensions as the input channels.")
        self.channel_swap[in_] = tuple(order)

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """A factor before the mean is subtracted; 255 for images of 0..1 and nets of 0..255."""
        self._check(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """What is subtracted: one value a channel, or an image (channels, height, width), resized if need be."""
        shape = self._check(in_)
        array = np.array(mean, np.float32)
        if array.ndim == 1:
            if len(array) != shape[1]:
                raise ShapeError(f"Mean channels incompatible with input: {len(array)} values, {shape[1]} channels.")
            array = array[:, None, None]
        else:
            if array.ndim == 2:
                array = array[None]
            if array.ndim != 3 or array.shape[0] not in (1, shape[1]):
                raise ShapeError(f"Mean shape invalid: {array.shape} for an input of {shape[1:]}.")
            if array.shape[1:] != shape[2:]:
                array = resize_image(array.transpose(1, 2, 0), shape[2:]).transpose(2, 0, 1)
        self.mean[in_] = array

    def set_input_scale(self, in_: str, scale: float) -> None:
        """A factor after the mean is subtracted."""
        self._check(in_)
        self.input_scale[in_] = scale


# Images ----------------------------------------------------------------------------------------


def load_image(filename: str | os.PathLike, color: bool = True) -> np.ndarray:
    """An image file as (height, width, 3), RGB, float32 in 0..1; gray ones are repeated, alpha is dropped.

    color=False: (height, width, 1), the luminance. Raises FileError when it is missing, DataError when it is no image.
    """
    from PIL import Image, UnidentifiedImageError

    path = os.fspath(filename)
    if not os.path.isfile(path):
        raise FileError(missing(path, "image"))
    try:
        with Image.open(path) as image:
            pixels = _unit_pixels(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"Could not load {path}: it is no image, or damaged ({error}).") from error
    if not color:
        pixels = pixels @ _LUMINANCE[:, None] if pixels.shape[2] == 3 else pixels
    elif pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return pixels.astype(np.float32)


def _unit_pixels(image: Any) -> np.ndarray:
    """(height, width, 1 or 3) in 0..1."""
    if image.mode.startswith("I;16"):
        return np.asarray(image)[:, :, None] / 65535
    if image.mode == "F":
        return np.asarray(image)[:, :, None]
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    return np.atleast_3d(np.asarray(image.convert(mode))) / 255


def resize_image(im: np.ndarray, new_dims: Sequence[int], interp_order: int = 1) -> np.ndarray:
    """An image (height, width, channels) in another size (height, width), float32, by linear interpolation.

    As pycaffe did with scikit-image: for 1 or 3 channels pixel centres are mapped onto each other, without
    antialiasing, and what lies outside the image counts as its darkest value; with other numbers of channels corners
    are mapped onto corners (as scipy's zoom). interp_order: 0 (nearest), 1 (linear); with scipy 2 to 5 (splines), too.
    """
    image = np.asarray(im)
    if image.ndim != 3 or not image.size:
        raise ShapeError(f"resize_image takes an image of (height, width, channels), not an array of {image.shape}.")
    if interp_order not in range(6):
        raise CaffelikeError(f"resize_image knows interp_order 0 to 5, not {interp_order}.")
    height, width = (int(d) for d in new_dims[:2])
    corners = image.shape[2] not in (1, 3)
    darkest = image.min()
    out = image.astype(np.float64) - darkest  # outside is 0 now
    if interp_order > 1:
        out = _splines(out, (height, width), interp_order, corners)
    else:
        for axis, size in ((0, height), (1, width)):
            out = _stretch(out, axis, size, interp_order, corners)
    return (out + darkest).astype(np.float32)


def _splines(image: np.ndarray, size: tuple[int, int], order: int, corners: bool) -> np.ndarray:
    """`image` in another size by splines of this order; zero outside. Raises CaffelikeError without scipy."""
    try:
        from scipy import ndimage
    except ImportError as error:
        raise CaffelikeError(
            f"resize_image needs scipy for interp_order {order} (pip install scipy); 0 and 1 need nothing."
        ) from error
    factors = (size[0] / image.shape[0], size[1] / image.shape[1], 1)
    mode = "constant" if corners else "grid-constant"
    return ndimage.zoom(image, factors, order=order, mode=mode, grid_mode=not corners)


def _stretch(image: np.ndarray, axis: int, size: int, order: int, corners: bool) -> np.ndarray:
    """`image` with `size` positions along `axis`; zero outside."""
    old = image.shape[axis]
    if corners:
        position = np.arange(size) * ((old - 1) / max(1, size - 1))
    else:
        position = (np.arange(size) + 0.5) * (old / size) - 0.5
    if order == 0:
        return image.take(np.clip(np.floor(position + 0.5), 0, old - 1).astype(int), axis)
    below = np.floor(position)
    part = (position - below).reshape((-1,) + (1,) * (image.ndim - 1 - axis))
    low, high = below.astype(int), below.astype(int) + 1
    shape = part.shape
    inside = [((at >= 0) & (at < old)).reshape(shape) for at in (low, high)]
    values = [image.take(np.clip(at, 0, old - 1), axis) * on for at, on in zip((low, high), inside, strict=True)]
    return values[0] * (1 - part) + values[1] * part


def oversample(images: Sequence[np.ndarray], crop_dims: Sequence[int]) -> np.ndarray:
    """Ten crops of each image: the four corners and the centre, then these mirrored.

    images: of one shape (height, width, channels). crop_dims: (height, width).
    Returns (10 * number of images, height, width, channels) float32.
    """
    stack = np.asarray(images, np.float32)
    if stack.ndim != 4:
        raise ShapeError(f"oversample takes images of one shape (height, width, channels), not {stack.shape[1:]}.")
    height, width = (int(d) for d in crop_dims)
    down, across = stack.shape[1] - height, stack.shape[2] - width
    if down < 0 or across < 0:
        raise ShapeError(f"oversample cannot cut {height}x{width} out of images of {stack.shape[1]}x{stack.shape[2]}.")
    corners = [(0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2)]
    crops = np.stack([stack[:, y : y + height, x : x + width] for y, x in corners], axis=1)
    both = np.concatenate([crops, crops[:, :, :, ::-1]], axis=1)
    return both.reshape(-1, height, width, stack.shape[3])
