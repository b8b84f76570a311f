"""Batches of images and images of their labels, changed alike: for the data layers of segmentation nets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelike.data import images
from caffelike.data.imagelist import ImageProducer, Line, read_text
from caffelike.data.resize import resize, resize_nearest
from caffelike.data.transformer import Placement, below
from caffelike.errors import DataError


class Cut(NamedTuple):
    """What is cut out of an image and its labels.

    size: (height, width), or None: all of it. random: at a random place, else in the middle. pad: images that are
    smaller grow at their right and lower ends, by pixels that become 0 and labels to be ignored. factors: one of them,
    chosen at random, changes the size first. divide: labels have so many times fewer rows and columns.
    """

    size: tuple[int, int] | None
    random: bool
    pad: bool = False
    factors: tuple[float, ...] = ()
    divide: int = 1


class Window(NamedTuple):
    """An entry of a list of windows: an image, its labels, and the part that is taken: x1, y1, x2, y2, all inside."""

    path: str
    label: Any
    box: tuple[int, int, int, int]


def read_windows(path: str, kind: str) -> list[Window]:
    """The entries of a list of lines `image labels x1 y1 x2 y2`; kind: as of `read_pairs`. FileError, DataError."""
    found = []
    for number, text in enumerate(read_text(path, "list of windows").splitlines(), 1):
        words = text.split()
        if not words:
            continue
        try:
            name, *label = words[:-4]
            x1, y1, x2, y2 = (int(word) for word in words[-4:])
            if len(label) != (kind != "none") or x2 < x1 or y2 < y1:
                raise ValueError
            labels = None if kind == "none" else label[0] if kind == "image" else int(label[0])
        except ValueError:
            wanted = {"image": "image label-image", "number": "image label", "none": "image"}[kind]
            raise DataError(
                f"{path}:{number}: '{text.rstrip()}' is no entry of a list of windows. Expected is: {wanted} x1 y1 x2"
                " y2, whole numbers, the second corner not before the first."
            ) from None
        found.append(Window(name, labels, (x1, y1, x2, y2)))
    if not found:
        raise DataError(f"{path} lists no windows.")
    return found


def read_pairs(path: str, kind: str) -> list[Line]:
    """The entries of a list of lines `image labels`, separated by spaces; what follows is not looked at.

    kind: "image": the labels are the path of an image; "number": one number for all pixels; "none": there are none.
    Raises FileError and DataError.
    """
    lines = []
    wanted = {"image": "the path of its label image", "number": "a whole number", "none": ""}[kind]
    for number, text in enumerate(read_text(path, "image list").splitlines(), 1):
        words = text.split()
        if not words:
            continue
        label: Any = None
        if kind != "none":
            try:
                label = words[1] if kind == "image" else int(words[1])
            except (IndexError, ValueError):
                raise DataError(
                    f"{path}:{number}: '{text.rstrip()}' is no entry of an image list. Expected is: path, a space, and"
                    f" {wanted}."
                ) from None
        lines.append(Line(words[0], label))
    if not lines:
        raise DataError(
            f"{path} lists no images. Expected are lines: path{', a space, and ' if wanted else ''}{wanted}."
        )
    return lines


class SegmentationProducer(ImageProducer):
    """Makes batches of (data, label) or (data, label, size) from `read_pairs`' entries.

    cut: see `Cut`; the transformer must not cut. The other arguments are ImageProducer's. label: (batch, 1, height,
    width); of an entry without labels the `outside` label. size: with `sizes`, (batch, 1, 1, 2): height and width of
    the image as it was read, at most those of data.
    """

    def __init__(self, cut: Cut, sizes: bool, *arguments: Any, **more: Any):
        self._cut, self._sizes = cut, sizes
        super().__init__(*arguments, **more)

    def _out_shape(self, line: Line, pixels: np.ndarray) -> tuple[int, ...]:
        shape = super()._out_shape(line, pixels)
        if self._cut.size is None:
            return shape
        if not self._cut.pad and any(n < c for n, c in zip(shape[1:], self._cut.size, strict=True)):
            raise DataError(
                f"{self._source}: image '{line.path}' has {shape[1]}x{shape[2]} pixels, fewer than the"
                f" {self._cut.size[0]}x{self._cut.size[1]} to be cut out. Set new_height and new_width, or cut less."
            )
        return (shape[0], *self._cut.size)

    def _label_shapes(self, line: Line, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        label = (self._batch, 1, *(n // self._cut.divide for n in shape[1:]))
        return [label, (self._batch, 1, 1, 2)] if self._sizes else [label]

    def _labels(self, line: Line, shape: tuple[int, ...]) -> np.ndarray:
        """The labels of an entry, in the size of its pixels over `divide`."""
        if not isinstance(line.label, str):
            return np.full(shape[1:], self._outside if line.label is None else line.label)
        if self._cut.divide == 1:
            return self._label_map(line, shape)
        labels = images.read_label_map(self._folder.path(line.label))
        return resize_nearest(labels, *(n // self._cut.divide for n in shape[1:]))

    def _fill(self, line: Line, number: int, pixels: np.ndarray, out: list[np.ndarray]) -> None:
        labels = self._labels(line, pixels.shape)
        if self._sizes:
            out[2][...] = np.minimum(pixels.shape[1:], out[0].shape[2:])
        draws = self._transformer.draws.row(number)
        if self._cut.factors:
            factor = np.float32(self._cut.factors[below(draws[3], len(self._cut.factors))])
            size = [max(1, int(np.float32(n) * factor)) for n in pixels.shape[1:]]
            pixels = resize(np.ascontiguousarray(pixels.transpose(1, 2, 0)), *size).transpose(2, 0, 1)
            labels = resize_nearest(labels, *size)
        if self._cut.pad:
            pixels, labels = self._padded(pixels, labels)
        place = self._transformer.place(pixels.shape, number)
        if self._cut.size is not None:
            place = _cut_out(place, pixels.shape[1:], self._cut.size, draws if self._cut.random else None)
        self._transformer.fill(pixels, place, out[0][0])
        if self._cut.divide == 1:
            out[1][0, 0] = place.label_map(labels, self._outside)
        else:  # never with a cut
            out[1][0, 0] = labels[:, ::-1] if place.mirrored else labels

    def _padded(self, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """At least as large as the cut; what is added is the mean in the image, and is ignored in the labels."""
        assert self._cut.size is not None
        more = [max(0, c - n) for c, n in zip(self._cut.size, pixels.shape[1:], strict=True)]
        if not any(more):
            return pixels, labels
        (rows, columns), mean = labels.shape, self._transformer.mean_values
        larger = np.zeros((len(pixels), rows + more[0], columns + more[1]), np.float32)
        if mean.size:
            larger[...] = mean[:, None, None]
        larger[:, :rows, :columns] = pixels
        return larger, np.pad(labels, [(0, n) for n in more], constant_values=self._outside)


class EdgeProducer(SegmentationProducer):
    """Makes batches of (data, edges): 1 where a gray image, resized as the image is, is at least half of 255."""

    def _label_map(self, line: Line, shape: tuple[int, ...]) -> np.ndarray:
        edges = self._folder.read(str(line.label), False)
        if self._size:
            edges = resize(edges, *self._size)
        edges = edges[:, :, 0] if edges.ndim == 3 else edges
        if edges.shape != shape[1:]:
            raise DataError(
                f"{self._source}: the map of edges '{line.label}' has {edges.shape[0]}x{edges.shape[1]} pixels (height"
                f" x width), but '{line.path}' {shape[1]}x{shape[2]}. They must be equal."
            )
        return (edges > 127).astype(np.float32)


class WindowProducer(SegmentationProducer):
    """Makes such batches from `read_windows`' entries: of each image its window alone, resized to `size` if given.

    What of a window lies outside the image is 0 in the image, and the `outside` label. data_dim: of the whole image.
    """

    def _pixels(self, line: Any) -> np.ndarray:
        image = _window(self._folder.read(line.path, self._color), line.box, 0)
        return (resize(image, *self._size) if self._size else image).transpose(2, 0, 1)

    def _labels(self, line: Any, shape: tuple[int, ...]) -> np.ndarray:
        rows, columns = self._folder.read(line.path, False).shape[:2]
        if isinstance(line.label, str):
            labels = images.read_label_map(self._folder.path(line.label))
            if labels.shape != (rows, columns):
                raise DataError(
                    f"{self._source}: the label image '{line.label}' has {labels.shape[0]}x{labels.shape[1]} pixels"
                    f" (height x width), but '{line.path}' {rows}x{columns}. They must be equal."
                )
        else:
            labels = np.full((rows, columns), self._outside if line.label is None else line.label)
        labels = _window(labels, line.box, self._outside)
        return resize_nearest(labels, *self._size) if self._size else labels

    def _fill(self, line: Any, number: int, pixels: np.ndarray, out: list[np.ndarray]) -> None:
        super()._fill(line, number, pixels, out)
        if self._sizes:
            out[2][...] = np.minimum(self._folder.read(line.path, False).shape[:2], out[0].shape[2:])


def _window(values: np.ndarray, box: tuple[int, int, int, int], outside: float) -> np.ndarray:
    """values[y1 .. y2, x1 .. x2] of (height, width, ...); `outside` where that is not inside."""
    x1, y1, x2, y2 = box
    out = np.full((y2 - y1 + 1, x2 - x1 + 1, *values.shape[2:]), outside, values.dtype)
    top, left = max(0, y1), max(0, x1)
    part = values[top : max(0, y2 + 1), left : max(0, x2 + 1)]
    out[top - y1 : top - y1 + part.shape[0], left - x1 : left - x1 + part.shape[1]] = part
    return out


def _cut_out(place: Placement, shape: Sequence[int], size: tuple[int, int], draws: np.ndarray | None) -> Placement:
    """`place` with a cut of `size` at a random place, or in the middle."""
    room = [n - c for n, c in zip(shape, size, strict=True)]
    top, left = (n // 2 for n in room) if draws is None else (below(draws[i], n + 1) for i, n in enumerate(room))
    return place._replace(top=top, left=left, height=size[0], width=size[1])
