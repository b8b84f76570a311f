"""BING: what is an object shows in an 8 x 8 picture of its gradient. Trained by us, on pictures with boxes."""

import os
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from caffelike.errors import CaffelikeError, DataError, FileError
from caffelike.files import atomic_path
from caffelike.proposals import COUNT, Proposals, overlaps

SIDE = 8  # places of a window's gradient, both ways
Size = tuple[int, int]  # height, width of a window in pixels
Example = tuple[np.ndarray, np.ndarray]  # an image (height, width, 3) uint8, its objects' boxes (n, 4)


class Bing(Proposals):
    """The image is made small, once for each size of windows, so that a window of that size becomes 8 x 8 places.

    There a linear filter of 64 weights scores the gradient; best places are taken, and a line for each size brings
    the scores of all sizes together.

    weights: a file that `save` wrote, or None: `train` comes first. sides: heights and widths of windows in pixels.
    near: places around a best one that are not proposed, both ways. each: proposals of a size, at most.
    Scores are logits: above 0 where an object is likelier than not.
    Without the publication's binary approximation, which is there for speed alone.
    Raises FileError, DataError for weights; CaffelikeError when there are none.
    Source: M. Cheng, Z. Zhang, W. Lin, P. Torr, "BING: Binarized Normed Gradients for Objectness Estimation at 300fps",
    CVPR 2014.
    """

    def __init__(
        self,
        weights: str | os.PathLike | None = None,
        sides: Sequence[int] = (10, 20, 40, 80, 160, 320),
        near: int = 2,
        each: int = 130,
    ):
        self.sizes: list[Size] = [(height, width) for height in sides for width in sides]
        self.near, self.each = near, each
        self.filter: np.ndarray | None = None  # 64 weights
        self.lines: dict[Size, tuple[float, float]] = {}  # factor and offset of each size's scores
        if weights is not None:
            self._load(weights)

    def propose(self, image: np.ndarray, count: int = COUNT) -> np.ndarray:
        """See Proposals."""
        if not self.lines:
            raise CaffelikeError(
                "BING has no weights. Give a file: proposals.get('bing', weights='bing.npz'), or train it on images"
                " with boxes: bing.train(examples); bing.save('bing.npz')."
            )
        found = [np.zeros((0, 5))]
        for size, (factor, offset) in self.lines.items():
            boxes = self._best(image, size)
            boxes[:, 4] = factor * boxes[:, 4] + offset
            found.append(boxes)
        every = np.concatenate(found)
        return every[np.argsort(-every[:, 4], kind="stable")[:count]]

    def train(self, examples: Iterable[Example], seed: int = 0) -> None:
        """Learn the filter from the examples' boxes against random windows, then a line for each size.

        Sizes that no box has an overlap of 0.5 with are left out from then on.
        """
        examples, rng = list(examples), np.random.default_rng(seed)
        objects, others = [], []
        for image, boxes in examples:
            boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
            objects += [window(image, box) for box in boxes]
            objects += [window(image[:, ::-1], mirrored(box, image.shape[1])) for box in boxes]
            others += [window(image, box) for box in _apart(image, boxes, rng, 2 * len(boxes) + 10)]
        if not objects:
            raise DataError("BING learns from images with boxes, but there is no box in the examples.")
        rows = np.array(objects + others).reshape(-1, SIDE * SIDE)
        right = np.arange(len(rows)) < len(objects)
        self.filter = logistic(rows / 255, right, ridge=1.0)[0] / 255
        self.lines = {}
        for size in self.sizes:
            scores, hits = [], []
            for image, boxes in examples:
                found = self._best(image, size)
                if len(found) and len(boxes):
                    scores.append(found[:, 4])
                    hits.append(overlaps(found, np.asarray(boxes)).max(axis=1) >= 0.5)
            hit = np.concatenate(hits) if hits else np.zeros(0, bool)
            if hit.any():
                factor, offset = logistic(np.concatenate(scores)[:, None], hit, ridge=1e-3)
                self.lines[size] = float(factor[0]), offset

    def save(self, path: str | os.PathLike) -> None:
        """Write filter and lines as a NumPy archive."""
        if self.filter is None:
            raise CaffelikeError("BING has nothing to save: train it first.")
        sizes = np.array(list(self.lines), np.int64).reshape(-1, 2)
        lines = np.array(list(self.lines.values()), np.float64).reshape(-1, 2)
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, filter=self.filter, sizes=sizes, lines=lines)

    def _load(self, path: str | os.PathLike) -> None:
        try:
            with np.load(path, allow_pickle=False) as file:
                found, sizes, lines = (file[name] for name in ("filter", "sizes", "lines"))
        except FileNotFoundError as error:
            raise FileError(f"Could not open BING's weights {os.fspath(path)}") from error
        except (KeyError, ValueError, OSError) as error:
            raise DataError(f"{os.fspath(path)} holds no weights of BING, as bing.save writes them: {error}") from error
        if found.shape != (SIDE * SIDE,) or sizes.shape != lines.shape or sizes.shape[1:] != (2,):
            raise DataError(f"{os.fspath(path)}: BING's filter has {SIDE * SIDE} weights, and a line for each size.")
        self.filter = found
        self.lines = {(int(h), int(w)): (float(a), float(b)) for (h, w), (a, b) in zip(sizes, lines, strict=True)}

    def _best(self, image: np.ndarray, size: Size) -> np.ndarray:
        """(n, 5): windows of a size whose filtered gradient is the largest around, and that value."""
        assert self.filter is not None
        shape = [round(length * SIDE / side) for length, side in zip(image.shape[:2], size, strict=True)]
        if min(shape) < SIDE:
            return np.zeros((0, 5))
        places = sliding_window_view(gradient(resized(image, shape)), (SIDE, SIDE))
        scores = np.tensordot(places, self.filter.reshape(SIDE, SIDE), 2)
        around = sliding_window_view(np.pad(scores, self.near, constant_values=-np.inf), (2 * self.near + 1,) * 2)
        y, x = np.nonzero(scores == around.max(axis=(2, 3)))
        best = np.argsort(-scores[y, x], kind="stable")[: self.each]
        y, x = y[best], x[best]
        zoom = np.array(image.shape[:2]) / shape
        low = np.stack([y, x], axis=1) * zoom
        high = low + SIDE * zoom
        return np.column_stack([np.round(low), np.round(high), scores[y, x]])


def gradient(image: np.ndarray) -> np.ndarray:
    """(height, width) float: |dx| + |dy| of the colour channel where that is largest, at most 255."""
    dy, dx = np.gradient(image.astype(np.float64), axis=(0, 1))
    return np.minimum((np.abs(dx) + np.abs(dy)).max(axis=2), 255)


def resized(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """An image (height, width, 3) uint8 in another shape."""
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(image)).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    )


def window(image: np.ndarray, box: Sequence[float] | np.ndarray) -> np.ndarray:
    """The gradient of a box, (8, 8)."""
    top, left, bottom, right = (int(n) for n in box)
    return gradient(resized(image[top : max(bottom, top + 1), left : max(right, left + 1)], (SIDE, SIDE)))


def mirrored(box: Sequence[float] | np.ndarray, width: int) -> tuple[float, float, float, float]:
    """A box in the mirrored image."""
    top, left, bottom, right = box
    return top, width - right, bottom, width - left


def logistic(rows: np.ndarray, right: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Weights and offset of a logistic regression with squared weights times ridge / 2, by Newton's method.

    Both sides count the same, however many rows they have.
    """
    share = np.where(right, 0.5 / max(1, right.sum()), 0.5 / max(1, (~right).sum())) * len(rows)
    design = np.column_stack([rows, np.ones(len(rows))])
    penalty = np.append(np.full(rows.shape[1], ridge), 1e-6)
    found = np.zeros(design.shape[1])
    for _ in range(30):
        p = 0.5 + 0.5 * np.tanh(0.5 * design @ found)
        slope = design.T @ (share * (p - right)) + penalty * found
        bend = (design * (share * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        found -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return found[:-1], float(found[-1])


def _apart(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """Random windows that no box overlaps by 0.5."""
    limits = np.array(image.shape[:2])
    ends = np.sort(rng.random((4 * count, 2, 2)) * limits[:, None], axis=2)  # window, axis, low and high
    found = np.concatenate([np.floor(ends[..., 0]), np.ceil(ends[..., 1])], axis=1)
    found = found[((found[:, 2:] - found[:, :2]) >= SIDE).all(axis=1)]
    if len(boxes):
        found = found[overlaps(found, boxes).max(axis=1) < 0.5]
    return found[:count]


METHOD = Bing
