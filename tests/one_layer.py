"""A net of one layer, run by its NumPy definition: for examples worked by hand."""

import os
from typing import Any
from unittest.mock import patch

import numpy as np
from google.protobuf import text_format

import caffelike
from caffelike.schema import NetParameter


class OneLayer:
    """The layer `text` (bottoms and tops are named in it) behind Input layers of the shapes given by name.

    kernels: run fast kernels where there are any, else the definition.
    """

    def __init__(self, text: str, phase: int = caffelike.TRAIN, kernels: bool = False, **shapes: tuple[int, ...]):
        inputs = "".join(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {_dims(shape)} }} }} }}\n'
            for name, shape in shapes.items()
        )
        message = text_format.Parse(f"force_backward: true\n{inputs}layer {{ name: 'l' {text} }}", NetParameter())
        self._environment = {} if kernels else {"CAFFELIKE_KERNELS": "numpy"}
        self.net = caffelike.Net.build(message, phase)
        self.tops = list(message.layer[-1].top)
        self.bottoms = list(message.layer[-1].bottom)

    @property
    def layer(self) -> Any:
        """The layer object."""
        return self.net.layers[-1]

    def param(self, index: int) -> caffelike.Blob:
        """A learnable blob."""
        return self.net.params["l"][index]

    def forward(self, **values: Any) -> Any:
        """The top (a list where there are several) for these inputs and, as p0, p1 ..., parameters."""
        for name, value in values.items():
            blob = self.net.blobs[name] if name in self.net.blobs else self.param(int(name[1:]))
            blob.data[...] = value
        with patch.dict(os.environ, self._environment):
            self.net.forward()
        tops = [self.net.blobs[name].data.copy() for name in self.tops]
        return tops[0] if len(tops) == 1 else tops

    def backward(self, *diffs: Any) -> Any:
        """The bottom's gradient (a list where there are several) for these gradients of the tops."""
        for name, diff in zip(self.tops, diffs, strict=True):
            self.net.blobs[name].diff[...] = diff
        with patch.dict(os.environ, self._environment):
            self.net.backward()
        downs = [self.net.blobs[name].diff.copy() for name in self.bottoms]
        return downs[0] if len(downs) == 1 else downs


def _dims(shape: tuple[int, ...]) -> str:
    return " ".join(f"dim: {n}" for n in shape)


def image(*rows: list[float]) -> np.ndarray:
    """Rows as an image (1, 1, H, W)."""
    return np.array(rows, np.float32)[None, None]
