"""spatial_dropout.SpatialDropoutLayer: ENet's dropout of whole channels."""

from collections.abc import Sequence

import numpy as np

from caffelike import rng
from caffelike.blob import Blob
from caffelike.layers.python import PythonLayer
from caffelike.python_layers import _options
from caffelike.registry import register_stand_in


@register_stand_in("spatial_dropout.SpatialDropoutLayer")
class SpatialDropoutLayer(PythonLayer):
    """Drops each channel of each item with probability p; the others are multiplied by 1 / (1 - p).

    bottoms: x (N, C, ...). tops: y, of x's shape.
    param_str: p, required, above 0 and below 1; phase, required: 'TRAIN'; with another word nothing is dropped, but all
        channels are multiplied. It is this word that counts, not the net's phase.
    Gradient: that of the channels kept (the original takes the last item's for all). Errors: ModelError for options.
    Source: Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015; TimoSaemann's ENet.
    """

    seed: int = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read the options."""
        options = _options.read(self, phase=None, p=None)
        if len(bottom) != 1 or len(top) != 1:
            raise _options.fail(self, f"takes 1 bottom and 1 top, not {len(bottom)} and {len(top)}.")
        try:
            self._p = float(options["p"])
        except ValueError:
            self._p = 0.0
        if not 0 < self._p < 1:
            raise _options.fail(self, f"needs a p above 0 and below 1, not {options['p']!r}.")
        self._drops, self._passes = options["phase"] == "TRAIN", 0

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The shape of x."""
        if len(bottom[0].shape) < 2:
            raise _options.fail(self, f"needs items with channels (N, C, ...), but the bottom is {bottom[0].shape}.")
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Draw the channels, and multiply."""
        shape = bottom[0].shape
        self._factors = np.full((*shape[:2], *[1] * (len(shape) - 2)), 1 / (1 - self._p), np.float32)
        if self._drops:
            generator = rng.generator(self.seed, self.name, self._passes)
            self._factors *= generator.random(self._factors.shape) >= self._p
            self._passes += 1
        np.multiply(bottom[0].raw_data, self._factors, out=top[0].raw_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """The same factors."""
        if propagate_down[0]:
            np.multiply(top[0].raw_diff, self._factors, out=bottom[0].raw_diff)
