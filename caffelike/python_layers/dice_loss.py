"""pyLayer.DiceLoss: V-Net's overlap of a segmentation with the truth."""

from collections.abc import Sequence

import numpy as np

from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("pyLayer.DiceLoss")
class DiceLoss(PythonLayer):
    """The sum over items of dice = 2 I / (U + 1e-5): I voxels that both call an object, U those of each, added up.

    bottoms: prob (N, 2, V), a softmax: a voxel is an object's where the second is larger; truth (N, 1, V), above 0.5 an
        object's. tops: the sum, (1,): it grows as the net learns; what is minimised is its opposite.
    Gradient, as the original has it, times that of the top: for g = 2 (truth U - 2 prob_1 I) / U^2 it is g to the first
        probability and -g to the second, by intent not the derivative of a number that counts voxels; 0 where U is 0.
    param_str: nothing. Errors: ModelError for other shapes.
    Source: Milletari et al., "V-Net", 3DV 2016, and its repository.
    """

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the counts."""
        if len(bottom) != 2 or len(top) != 1:
            raise _options.fail(self, f"takes 2 bottoms and 1 top, not {len(bottom)} and {len(top)}.")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """(1,)."""
        prob, truth = (blob.shape for blob in bottom)
        if len(prob) != 3 or prob[1] != 2 or np.prod(truth, dtype=np.int64) != prob[0] * prob[2]:
            raise _options.fail(
                self, f"needs probabilities (N, 2, V) and truth (N, 1, V), but the bottoms are {prob} and {truth}."
            )
        top[0].reshape(1)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Count."""
        prob = bottom[0].raw_data
        found = prob[:, 1] > prob[:, 0]
        self._truth = (bottom[1].raw_data.reshape(found.shape) > 0.5).astype(np.float32)
        self._union = (found.sum(axis=1) + self._truth.sum(axis=1))[:, None]
        self._common = (found * self._truth).sum(axis=1)[:, None]
        top[0].raw_data[...] = (2 * self._common / (self._union + 1e-5)).sum()

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """The same to both probabilities but for the sign."""
        if propagate_down[0]:
            square = np.maximum(self._union, 1) ** 2
            slope = 2 * (self._truth * self._union - 2 * bottom[0].raw_data[:, 1] * self._common) / square
            slope = np.where(self._union > 0, slope, 0) * float(top[0].raw_diff[0])
            bottom[0].raw_diff[:, 0], bottom[0].raw_diff[:, 1] = slope, -slope
        if propagate_down[1]:
            bottom[1].raw_diff[...] = 0
