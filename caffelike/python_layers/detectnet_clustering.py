"""caffe.layers.detectnet.clustering: DetectNet's boxes out of its grids."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.python_layers._grouping import group_rectangles
from caffelike.registry import register_stand_in

_MODULE = "caffe.layers.detectnet.clustering"


class _Clustering(PythonLayer):
    """One list of boxes a class, out of grids of coverage and of corners."""

    words: Sequence[tuple[str, Any]] = ()

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the numbers between commas."""
        self.options = _options.numbers(self, *self.words)
        if len(bottom) != 2 or len(top) != self.options["num_classes"]:
            raise _options.fail(
                self,
                f"takes 2 bottoms and a top for each of {self.options['num_classes']} classes, not {len(bottom)} and"
                f" {len(top)}.",
            )
        stride, width, height = (self.options[word] for word in ("stride", "image_width", "image_height"))
        if stride < 1 or width < stride or height < stride:
            raise _options.fail(self, f"has no grid: the image is {width}x{height}, the stride {stride}.")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """(N, max_boxes, 5) each."""
        classes, shape = self.options["num_classes"], bottom[0].shape
        if len(shape) != 4 or shape[1] != classes or bottom[1].shape != (shape[0], 4, *shape[2:]):
            raise _options.fail(
                self,
                f"needs coverage (N, {classes}, H, W) and corners (N, 4, H, W), but the bottoms are {shape} and"
                f" {bottom[1].shape}.",
            )
        for blob in top:
            blob.reshape(shape[0], self.options["max_boxes"], 5)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Boxes of each image and class, in half precision as the original has them; rows behind them are 0."""
        for index, blob in enumerate(top):
            blob.raw_data[...] = 0
            for item in range(blob.shape[0]):
                rows = self.boxes(bottom[0].raw_data[item, index], bottom[1].raw_data[item])
                rows = rows[: blob.shape[1]].astype(np.float16)
                blob.raw_data[item, : len(rows), : rows.shape[1]] = rows

    def boxes(self, coverage: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """The rows of an image: 4 or 5 numbers each."""
        raise NotImplementedError

    def proposed(self, covered: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """The box (n, 4) of each cell that is covered, row by row: its corners are counted from the cell's."""
        stride = self.options["stride"]
        rows, columns = self.options["image_height"] // stride, self.options["image_width"] // stride
        y, x = np.nonzero(covered[:rows])
        begin = np.stack([x * (self.options["image_width"] // columns), y * (self.options["image_height"] // rows)])
        return (corners[:, y, x] + np.concatenate([begin, begin])).T

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """No gradient."""
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = 0


@register_stand_in(f"{_MODULE}.ClusterDetections")
class ClusterDetections(_Clustering):
    """What a DetectNet found: the boxes of cells that are covered enough, put together where they are alike.

    bottoms: coverage (N, classes, H, W); corners (N, 4, H, W): x1, y1, x2, y2 in pixels from the cell's corner. tops: a
        list for each class, (N, max_boxes, 5): x1, y1, x2, y2, log(the number of boxes put together); rows of 0 behind.
    param_str: numbers between commas: image width, image height, stride, the least coverage of a cell, the number of
        boxes that a cluster must have more than, eps (how alike boxes of a cluster are), the least height; number of
        classes 1; max_boxes 50. Clusters are OpenCV's groupRectangles; like the original this hands it x2, y2 as width
        and height, so that boxes count as alike by their places, not their sizes. Coordinates are cut to whole numbers.
    Gradient: none. Errors: ModelError for other shapes and for a param_str that cannot be read.
    Source: NVIDIA's fork of Caffe (DetectNet, 2016).
    """

    words = (
        ("image_width", int), ("image_height", int), ("stride", int), ("coverage", float), ("least", int),
        ("eps", float), ("min_height", int), ("num_classes", 1), ("max_boxes", 50),
    )  # fmt: skip

    def boxes(self, coverage: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """(n, 5)."""
        proposed = self.proposed(coverage >= self.options["coverage"], corners)
        if not proposed.any():
            return np.zeros((0, 5))
        means, counts = group_rectangles(proposed, self.options["least"], self.options["eps"])
        tall = means[:, 3] - means[:, 1] >= self.options["min_height"]
        return np.concatenate([means[tall], np.log(counts[tall])[:, None]], axis=1)


@register_stand_in(f"{_MODULE}.ClusterGroundtruth")
class ClusterGroundtruth(_Clustering):
    """The boxes that DetectNet's ground truth was made of: those of covered cells, each once.

    bottoms: coverage (N, classes, H, W); corners (N, 4, H, W). tops: a list for each class, (N, max_boxes, 5): x1, y1,
        x2, y2, 0, in the order of these numbers (the original's order is that of a hash table); rows of 0 behind.
    param_str: numbers between commas: image width, image height, stride; number of classes 1; max_boxes 50.
    Gradient: none. Errors: as ClusterDetections. Source: NVIDIA's fork of Caffe (DetectNet, 2016).
    """

    words = (
        ("image_width", int), ("image_height", int), ("stride", int), ("num_classes", 1), ("max_boxes", 50),
    )  # fmt: skip

    def boxes(self, coverage: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """(n, 4)."""
        return np.unique(self.proposed(coverage > 0, corners), axis=0)
