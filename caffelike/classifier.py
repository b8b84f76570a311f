"""pycaffe's Classifier: a net with the preprocessing of its images."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike import io
from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net
from caffelike.schema import TEST

_CROPS = 10  # that io.oversample makes of an image


class Classifier(Net):
    """A net in TEST that classifies images (height, width, channels), RGB, 0..1, as `io.load_image` makes them.

    model_file, pretrained_file: definition and weights. image_dims: (height, width) that images are brought to before
    they are cropped to the net's input; that input's size by default. mean, input_scale, raw_scale, channel_swap: of
    the first input, see `io.Transformer`. transformer: holds them.
    """

    def __init__(
        self,
        model_file: str | os.PathLike,
        pretrained_file: str | os.PathLike | None,
        image_dims: Sequence[int] | None = None,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ):
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = transformer_of(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = list(self.crop_dims if image_dims is None or not len(image_dims) else image_dims)

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """The first output for each image, (images, classes).

        oversample: the mean over ten crops (corners and centre, mirrored too); False: the centre alone.
        """
        if not len(inputs):
            raise CaffelikeError("predict takes a list of at least one image.")
        images = np.stack([io.resize_image(image, self.image_dims) for image in inputs])
        if oversample:
            images = io.oversample(list(images), list(self.crop_dims))
        else:
            top, left = ((np.array(self.image_dims) - self.crop_dims) / 2).astype(int)
            height, width = self.crop_dims
            images = images[:, top : top + height, left : left + width]
        name = self.inputs[0]
        batch = np.stack([self.transformer.preprocess(name, image) for image in images])
        predictions = self.forward_all(None, **{name: batch})[self.outputs[0]]
        return predictions.reshape(len(inputs), _CROPS, -1).mean(1) if oversample else predictions


def transformer_of(net: Net, mean: Any, input_scale: Any, raw_scale: Any, channel_swap: Any) -> io.Transformer:
    """A Transformer for a net's first input, channels first; what is None is left out."""
    if not net.inputs:
        raise CaffelikeError(
            f"Net '{net.name}' has no inputs, so no images can be given to it: use its deploy.prototxt"
            " (`caffelike deploy` makes one)."
        )
    name = net.inputs[0]
    transformer = io.Transformer({name: net.blobs[name].shape})
    transformer.set_transpose(name, (2, 0, 1))
    for value, put in (
        (mean, transformer.set_mean),
        (input_scale, transformer.set_input_scale),
        (raw_scale, transformer.set_raw_scale),
        (channel_swap, transformer.set_channel_swap),
    ):
        if value is not None:
            put(name, value)
    return transformer
