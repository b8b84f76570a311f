"""PriorBox: the boxes of fixed sizes and shapes around each place of a map."""

import math
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.registry import register


@register("PriorBox", param="prior_box_param")
class PriorBox(Layer):
    """Boxes as shares of the image, for every place of a map, and the variances that go with them.

    bottoms: map (N, C, H, W) and image (N, c, h, w), of which only the sizes count. tops: boxes (1, 2, 4 H W K): first
        xmin, ymin, xmax, ymax of each box, K at a place, row by row; then its four variances.
    min_size (pixels; one or more), max_size (none, or one above each min_size), aspect_ratio (width / height, beside
        1), flip true (1 / aspect_ratio, too). At each place, for each min_size: a square of it; one of
        sqrt(min_size max_size); a box of its area for each ratio.
    img_size, or img_h and img_w: instead of the image's. step (or step_h, step_w): pixels between places; default: the
        image's size over the map's. offset 0.5: of the first box's middle, in steps. clip false: cut boxes to 0..1.
    variance: none (0.1), one for all, or four.
    Gradient: none. Errors: ModelError for options that contradict each other.
    Source: Liu et al., "SSD", ECCV 2016 (weiliu89's fork).
    """

    bottoms = ("map", "image")
    tops = ("boxes",)
    no_gradient = ("map", "image")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the sizes and shapes of the boxes at one place."""
        if not p.min_size or any(not size > 0 for size in p.min_size):
            raise self.fail("needs min_size, one or more of them, all above 0.", ModelError)
        if p.max_size and len(p.max_size) != len(p.min_size):
            raise self.fail(
                f"{len(p.max_size)} max_size for {len(p.min_size)} min_size; give as many, or none.", ModelError
            )
        if any(not high > low for low, high in zip(p.min_size, p.max_size, strict=False)):
            raise self.fail("each max_size must be above its min_size.", ModelError)
        if len(p.variance) not in (0, 1, 4) or any(not v > 0 for v in p.variance):
            raise self.fail(f"variance: none, 1 or 4 numbers above 0, not {list(p.variance)}.", ModelError)
        if p.HasField("img_size") and (p.HasField("img_h") or p.HasField("img_w")):
            raise self.fail("either img_size or img_h and img_w, not both.", ModelError)
        if p.HasField("step") and (p.HasField("step_h") or p.HasField("step_w")):
            raise self.fail("either step or step_h and step_w, not both.", ModelError)
        self._p = p
        self._sizes = _sizes(p)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """Make the boxes; they depend on nothing but the shapes."""
        first, image = shapes
        if len(first) != 4 or len(image) != 4:
            raise self.fail(f"needs bottoms of 4 axes (N, C, H, W), but they are {first} and {image}.")
        p = self._p
        size = (p.img_size, p.img_size) if p.img_size else (p.img_h, p.img_w) if p.img_h and p.img_w else image[2:]
        step = (p.step, p.step) if p.step else (p.step_h, p.step_w)
        if not all(step):
            step = (size[0] / first[2], size[1] / first[3])
        variance = list(p.variance) or [0.1]
        boxes = place(first[2:], size, step, p.offset, self._sizes)
        if p.clip:
            boxes = np.clip(boxes, 0, 1)
        made = np.empty((1, 2, boxes.size), np.float32)
        made[0, 0] = boxes.ravel()
        made[0, 1] = np.resize(np.array(variance, np.float32), boxes.size)
        self.options = {"made": made}
        return [made.shape]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """Sizes alone."""
        return Sees.NOTHING


def forward(boxes: np.ndarray, made: np.ndarray) -> None:
    """A copy: what depends on the shapes alone was made with them."""
    boxes[...] = made


def place(
    map_size: tuple[int, ...],
    image: tuple[float, float],
    step: tuple[float, float],
    offset: float,
    sizes: np.ndarray,
) -> np.ndarray:
    """Boxes (H, W, K, 4) of the sizes (K, 2: width, height) around the middles of a map's places, over the image's."""
    rows, columns = ((np.arange(n) + np.float32(offset)) * np.float32(s) for n, s in zip(map_size, step, strict=True))
    middle = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)[:, :, None].astype(np.float32)
    whole = np.array([image[1], image[0]], np.float32)
    half = sizes / np.float32(2)
    return np.concatenate([(middle - half) / whole, (middle + half) / whole], axis=-1)


def _sizes(p: Any) -> np.ndarray:
    """(K, 2): width and height of the boxes at one place, in the order of the fork."""
    ratios = [1.0]
    for ratio in p.aspect_ratio:
        if any(abs(ratio - known) < 1e-6 for known in ratios):
            continue
        ratios += [ratio, 1 / ratio] if p.flip else [ratio]
    found = []
    for i, low in enumerate(p.min_size):
        found.append((low, low))
        if p.max_size:
            found.append((math.sqrt(low * p.max_size[i]),) * 2)
        found += [(low * math.sqrt(ratio), low / math.sqrt(ratio)) for ratio in ratios[1:]]
    return np.array(found, np.float32)
