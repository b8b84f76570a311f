"""Region proposals: windows of an image that may hold something, for R-CNN and its like.

    detector.proposals = proposals.get("sliding_window")       # a caffelike.Detector
    boxes = proposals.get("bing", weights="bing.npz").propose(image, 200)

One file a method; all have one interface, `Proposals`. A box is (ymin, xmin, ymax, xmax) in pixels, as Detector's
windows: the rows ymin .. ymax - 1 and the columns xmin .. xmax - 1.
"""

import importlib
import os
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.errors import CaffelikeError

DEFAULT = "sliding_window"
COUNT = 2000  # windows of an image, as R-CNN takes them


class Proposals(ABC):
    """A way to find windows. Called with names of files it gives the windows of each, as Detector.proposals does.

    count: the most windows of an image that such a call gives.
    """

    count = COUNT

    @abstractmethod
    def propose(self, image: np.ndarray, count: int = COUNT) -> np.ndarray:
        """(n, 5) float64, n <= count: ymin, xmin, ymax, xmax, score of windows of an image, best first.

        image: (height, width, 3) uint8, channels red, green, blue.
        """

    def __call__(self, files: Sequence[str | os.PathLike]) -> list[np.ndarray]:
        """The windows (n, 4) of each file."""
        from caffelike import io

        images = (np.round(io.load_image(name) * 255).astype(np.uint8) for name in files)
        return [self.propose(image, self.count)[:, :4] for image in images]


def names() -> list[str]:
    """The methods there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def get(name: str = DEFAULT, **options: Any) -> Proposals:
    """The method of that name; options: arguments of its class. Raises CaffelikeError for an unknown name."""
    if name not in names():
        raise CaffelikeError(f"There are no proposals called '{name}'. There are: {', '.join(names())}.")
    return importlib.import_module(f"caffelike.proposals.{name}").METHOD(**options)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m): intersection over union of boxes (n, 4 or more) with others (m, 4 or more)."""
    a, b = (np.asarray(x, np.float64)[:, :4] if len(x) else np.zeros((0, 4)) for x in (boxes, others))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    area = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b)]
    union = area[0][:, None] + area[1][None, :] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def suppress(boxes: np.ndarray, overlap: float) -> np.ndarray:
    """Numbers of the boxes (n, 5), best score first, that overlap no better one of them by more than `overlap`."""
    order = np.argsort(-boxes[:, 4], kind="stable")
    kept = []
    while order.size:
        kept.append(order[0])
        order = order[1:][overlaps(boxes[order[:1]], boxes[order[1:]])[0] <= overlap]
    return np.array(kept, np.intp)
