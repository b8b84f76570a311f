"""How a picture becomes a net's input: the preprocessing that a model was trained with, kept with it.

A wrong mean or channel order does not fail, it only makes every answer worse; so a bundle carries the recipe.
"""

import json
import os
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from caffelike.data import images
from caffelike.data.resize import resize
from caffelike.errors import CaffelikeError, DataError

COLORS = ("BGR", "RGB", "gray")
RESIZES = ("warp", "shorter", "pad", "none")


@dataclass(frozen=True)
class Recipe:
    """From uint8 pixels to float32 (channels, height, width): resize, crop, order the channels, subtract, multiply.

    color: order of the channels, "BGR" as Caffe's own tools have it, "RGB", or "gray" for one channel.
    resize: "warp": to `size`, whatever the aspect; "shorter": the shorter side to `size`; "pad": whole into the net's
        input, the rest filled with `pad`; "none": the net takes the picture's size. All but "none" bilinear, as
        OpenCV has it, and cut to the middle where the result is larger than the net's input.
    size: (height, width), or one number for both; None: the net's input.
    mean: of the pixels (0..255), in the order of the channels: one value, one a channel, or an array (channels, height,
        width) of the resized picture's or the net's input's size. scale: multiplied with what is left.
    labels: names of the classes. output: the blob with the answer; "" is the net's only one.
    Raises CaffelikeError for values that are none of these.
    """

    color: str = "BGR"
    resize: str = "warp"
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = ()
    scale: float = 1.0
    pad: float = 0.0
    labels: tuple[str, ...] = ()
    output: str = ""
    mean_image: np.ndarray | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, value, known in (("color", self.color, COLORS), ("resize", self.resize, RESIZES)):
            if value not in known:
                raise CaffelikeError(f"A recipe's {name} is {', '.join(known[:-1])} or {known[-1]}, not '{value}'.")
        if len(self.mean) not in (0, 1, self.channels):
            raise CaffelikeError(
                f"A recipe's mean has 1 or {self.channels} values for {self.color}, but {len(self.mean)} are given."
            )
        if len(self.mean) and self.mean_image is not None:
            raise CaffelikeError("A recipe has a mean of values or of a file, not both.")

    @property
    def channels(self) -> int:
        """1 for gray, else 3."""
        return 1 if self.color == "gray" else 3

    def to_json(self) -> str:
        """All but the mean image, which a bundle keeps as a file of its own."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "mean_image"}, indent=1)

    @classmethod
    def from_json(cls, text: str, where: str, mean_image: np.ndarray | None = None) -> "Recipe":
        """Read what `to_json` wrote. Raises CaffelikeError, which names `where`, for anything else."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise CaffelikeError(f"{where}: this is no JSON ({error}).") from None
        known = {f.name for f in fields(cls)} - {"mean_image"}
        if not isinstance(values, dict) or set(values) - known:
            wrong = sorted(set(values) - known) if isinstance(values, dict) else values
            raise CaffelikeError(f"{where}: a recipe has {', '.join(sorted(known))}, but not {wrong}.")
        for name in ("size", "mean", "labels"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        return cls(**values, mean_image=mean_image)

    def read(self, image: str | os.PathLike | np.ndarray) -> np.ndarray:
        """The pixels of a picture: uint8 (height, width, channels) in the order of `color`.

        image: a file, or pixels as `caffelike.io.load_image` or Pillow give them: (height, width[, 3]), RGB or gray,
        uint8, or floats of 0..1. Raises FileError, DataError.
        """
        if isinstance(image, str | os.PathLike):
            found = images.read(os.fspath(image), self.color != "gray")
            return found[:, :, ::-1] if self.color == "RGB" else found
        found = np.asarray(image)
        if found.ndim == 2:
            found = found[:, :, None]
        if found.ndim != 3 or found.shape[2] not in (1, 3):
            raise DataError(
                f"A picture is (height, width), (height, width, 1) or (height, width, 3), not {found.shape}."
            )
        if found.dtype.kind == "f":
            found = np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)
        if found.dtype != np.uint8:
            raise DataError(f"A picture's pixels are uint8, or floats of 0..1, not {found.dtype}.")
        if self.color == "gray":
            return found if found.shape[2] == 1 else images.luminance(found)
        found = np.broadcast_to(found, (*found.shape[:2], 3))
        return found if self.color == "RGB" else found[:, :, ::-1]

    def prepare(self, pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """What `read` gave as float32 (channels, height, width), for a net whose input has `shape` (N, C, H, W)."""
        if len(shape) != 4 or shape[1] != self.channels:
            raise CaffelikeError(
                f"The net's input is {shape}, but this recipe makes (N, {self.channels}, H, W) of {self.color}."
            )
        values = self._resized(pixels, shape).transpose(2, 0, 1)
        if self.resize != "none":
            values = _middle(values, shape[2:])
        values = np.ascontiguousarray(values, np.float32)
        mean = self._mean(values.shape)
        if mean is not None:
            values -= mean
        return values * np.float32(self.scale) if self.scale != 1 else values

    def _content(self, picture: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int]:
        """The (height, width) that a picture is resized to, before it is cut or filled up."""
        rows, columns = picture
        if self.resize == "none":
            return rows, columns
        height, width = self.size or shape[2:]
        if self.resize == "warp":
            return height, width
        ratio = (max if self.resize == "shorter" else min)(height / rows, width / columns)
        return max(1, round(rows * ratio)), max(1, round(columns * ratio))

    def _resized(self, pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        rows, columns = self._content(pixels.shape[:2], shape)
        pixels = resize(pixels, rows, columns)
        if self.resize != "pad":
            return pixels
        height, width = self.size or shape[2:]
        whole = np.full((height, width, pixels.shape[2]), self.pad, np.uint8)
        top, left = (height - rows) // 2, (width - columns) // 2
        whole[top : top + rows, left : left + columns] = pixels
        return whole

    def _mean(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """What is subtracted: a number a channel, or the mean image's middle."""
        if self.mean_image is None:
            return np.array(self.mean, np.float32).reshape(-1, 1, 1) if self.mean else None
        mean = self.mean_image
        if mean.ndim != 3 or mean.shape[0] != shape[0]:
            raise DataError(f"The recipe's mean has shape {mean.shape}, but the picture {shape}.")
        return _middle(mean, shape[1:])

    def to_picture(self, boxes: np.ndarray, picture: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        """Boxes (n, 4) of xmin, ymin, xmax, ymax, as shares of the net's input, in pixels of the picture.

        picture: its (height, width). shape: of the net's input. Boxes reach no further than the picture.
        """
        (height, width), (rows, columns) = picture, self._content(picture, shape)
        inside = np.array([shape[3], shape[2]] if self.resize != "none" else [columns, rows], np.float64)
        offset = (np.array([columns, rows]) - inside) / 2  # what is cut off, or with the other sign filled up
        found = (np.asarray(boxes, np.float64) * np.tile(inside, 2) + np.tile(offset, 2)) * np.tile(
            [width / columns, height / rows], 2
        )
        return np.clip(found, 0, [width, height, width, height])


def _middle(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The middle of (channels, height, width), of `size`; an array of one pixel stays."""
    rows, columns = values.shape[1:]
    if (rows, columns) == (1, 1):
        return values
    top, left = (rows - size[0]) // 2, (columns - size[1]) // 2
    if top < 0 or left < 0:
        raise DataError(
            f"A picture of {rows}x{columns} pixels is smaller than the {size[0]}x{size[1]} that are cut from it."
        )
    return values[:, top : top + size[0], left : left + size[1]]
