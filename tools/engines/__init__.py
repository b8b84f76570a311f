"""What other engines compute for a layer type: one file a type, by its layer's stem, run by tools/record_engines.py.

A file has `cases()`, which yields `Case`s whose numbers come from calling the engine, never from us.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from caffelike.schema import NetParameter, text

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A net of one layer behind its inputs, and what an engine computed for it.

    name: of the case, unique in its file. engine: name and version, "OpenCV 4.14.0". layer: the inside of the layer
    message but its name, e.g. 'type: "ReLU" bottom: "x" top: "y"'. inputs: bottoms by name. outputs: tops by name.
    params: learnable blobs in order. top_diffs, bottom_diffs, param_diffs: a backward pass, where the engine has one.
    """

    name: str
    engine: str
    layer: str
    inputs: Arrays
    outputs: Arrays
    params: list[np.ndarray] = field(default_factory=list)
    top_diffs: Arrays = field(default_factory=dict)
    bottom_diffs: Arrays = field(default_factory=dict)
    param_diffs: list[np.ndarray] = field(default_factory=list)
    phase: str = "TEST"

    @property
    def prototxt(self) -> str:
        """The whole net, as the test builds it; the layer's name is "l"."""
        inputs = "".join(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {_dims(a)} }} }} }}\n'
            for name, a in self.inputs.items()
        )
        force = "force_backward: true\n" if self.top_diffs else ""
        return f'{force}{inputs}layer {{ name: "l" {self.layer} }}\n'


def _dims(array: np.ndarray) -> str:
    return " ".join(f"dim: {n}" for n in array.shape)


OPENCV = f"OpenCV {cv2.__version__}"


def opencv(name: str, layer: str, inputs: Arrays, params: list[np.ndarray] | None = None) -> Case:
    """The case as OpenCV's Caffe reader computes it: tops are those that `layer` names."""
    case = Case(name, OPENCV, layer, inputs, {}, list(params or []))
    message = text.parse(case.prototxt, NetParameter, name).message
    tops = list(message.layer[-1].top)
    for values in case.params:
        blob = message.layer[-1].blobs.add()
        blob.shape.dim.extend(values.shape)
        blob.data.extend(values.ravel().tolist())
    weights = message.SerializeToString() if case.params else b""
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(case.prototxt.encode(), np.uint8), np.frombuffer(weights, np.uint8))
    for key, values in inputs.items():
        net.setInput(values, key)
    # a layer of several tops names them layer.0, layer.1 ... in OpenCV, whatever the definition calls them
    found = net.forward(["l"]) if len(tops) == 1 else net.forward([f"l.{i}" for i in range(len(tops))])
    return Case(name, OPENCV, layer, inputs, dict(zip(tops, found, strict=True)), case.params)


def pytorch(
    name: str, layer: str, inputs: Arrays, compute: Callable, fixed: tuple[str, ...] = (),
    params: list[np.ndarray] | None = None, phase: str = "TEST",
) -> Case:  # fmt: skip
    """The case as PyTorch computes it, gradients by its autograd of sum(tops times random numbers).

    compute: from tensors, the inputs by name and `params` in order, to {top: tensor}. fixed: inputs without a gradient,
    tops from which none comes.
    """
    import torch

    tensors = {key: torch.tensor(values, requires_grad=key not in fixed) for key, values in inputs.items()}
    blobs = [torch.tensor(values, requires_grad=True) for values in params or []]
    tops: dict[str, Any] = compute(*blobs, **tensors)
    rng = np.random.default_rng(len(name))
    diffs = {
        key: (0 if key in fixed else 1) * np.asarray(rng.standard_normal(tuple(top.shape)), np.float32)
        for key, top in tops.items()
    }
    backward = [key for key, top in tops.items() if top.requires_grad]
    if backward:
        sum((tops[key] * torch.tensor(diffs[key])).sum() for key in backward).backward()
    return Case(
        name, f"PyTorch {torch.__version__}", layer, inputs,
        {key: top.detach().numpy() for key, top in tops.items()}, list(params or []), diffs if backward else {},
        {key: t.grad.numpy() for key, t in tensors.items() if t.grad is not None} if backward else {},
        [blob.grad.numpy() for blob in blobs], phase,
    )  # fmt: skip
