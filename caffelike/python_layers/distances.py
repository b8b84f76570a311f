"""pyloss.EuclideanLossLayer, Caffe's example of a Python layer, and NormlizedMSE, that of face landmarks."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("pyloss.EuclideanLossLayer")
class EuclideanLossLayer(PythonLayer):
    """loss = sum((a - b)^2) / (2 N).

    bottoms: a, b (N, ...), as many numbers each. tops: loss (1,).
    param_str: nothing. Gradient: to both. Errors: ModelError for bottoms of different sizes.
    Source: BVLC Caffe's examples/pycaffe.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the counts."""
        if len(bottom) != 2 or len(top) != 1:
            raise _options.fail(self, f"takes 2 bottoms and 1 top, not {len(bottom)} and {len(top)}.")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """(1,)."""
        a, b = (blob.shape for blob in bottom)
        if not a or np.prod(a, dtype=np.int64) != np.prod(b, dtype=np.int64):
            raise _options.fail(self, f"needs bottoms of one size, but they are {a} and {b}.")
        top[0].reshape(1)

    def unit(self, bottom: Sequence[Blob]) -> np.ndarray | float:
        """What distances are divided by: (N, 1), or one number."""
        return 1.0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The mean over items of half the squares."""
        count = bottom[0].shape[0]
        gap = _options.rows(bottom[0]) - bottom[1].raw_data.reshape(count, _options.rows(bottom[0]).shape[1])
        self._gap = gap / self.unit(bottom)
        top[0].raw_data[...] = np.vdot(self._gap, self._gap) / (2 * max(1, count))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """The gap, and its opposite."""
        slope = self._gap * (float(top[0].raw_diff[0]) / max(1, bottom[0].shape[0]))
        for sign, blob, wanted in zip((1, -1), bottom, propagate_down, strict=True):
            if wanted:
                blob.raw_diff[...] = sign * slope.reshape(blob.shape)


@register_stand_in("NormlizedMSE.NormlizedMSE", "python.NormlizedMSE.NormlizedMSE")
class NormalizedMSE(EuclideanLossLayer):
    """loss = sum(((found - truth) / d)^2) / (2 N), d the distance between an item's eyes, plus 1e-6.

    bottoms: found (N, K), truth (N, K), x, y, x, y, ...: the first two points of truth are the eyes. tops: loss (1,).
    param_str: nothing. Gradient: (found - truth) / (d N) to found, and its opposite to truth: as in the original once
        divided by d, not twice as the derivative is. Errors: ModelError for bottoms of different sizes.
    Source: ishay2b's VanillaCNN (Wu, Hassner et al., "Facial landmark detection with tweaked CNNs").
    """

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """(1,)."""
        super().reshape(bottom, top)
        if len(bottom[1].shape) < 2 or np.prod(bottom[1].shape[1:], dtype=np.int64) < 4:
            raise _options.fail(self, f"needs two points at least, x, y, x, y, but the truth is {bottom[1].shape}.")

    def unit(self, bottom: Sequence[Blob]) -> np.ndarray:
        """The distance between the eyes."""
        truth = _options.rows(bottom[1])
        return 1e-6 + np.hypot(truth[:, 0] - truth[:, 2], truth[:, 1] - truth[:, 3])[:, None]
