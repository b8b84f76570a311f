"""YoloSeg: the loss of MobileNet-YOLO's maps of road, lane and the like."""

from typing import Any

import numpy as np

from caffelike.layer import Layer, Shape
from caffelike.layers._yolo import sigmoid
from caffelike.registry import register


@register("YoloSeg", param="yolo_seg_param")
class YoloSeg(Layer):
    """loss = sum(delta^2) / N with delta = object_scale (sigmoid(x) - label).

    bottoms: x (N, ...); label, with as many values; ignored, whose numbers say nothing. tops: loss, a single number.
    object_scale 5. class_scale 1, num_class 0, use_logic_gradient, use_hardsigmoid: say nothing.
    Gradient: delta / N: by intent not the derivative of the loss. None to the others.
    Errors: ShapeError for bottoms of different sizes. Source: eric612's MobileNet-YOLO.
    """

    bottoms = ("x", "label", "ignored?")
    tops = ("loss",)
    loss = True
    no_gradient = ("label", "ignored")
    backward_reads = ("delta",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the scale."""
        self.options = {"object_scale": float(p.object_scale)}

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """A single number."""
        x, label = shapes[:2]
        if np.prod(x, dtype=np.int64) != np.prod(label, dtype=np.int64) or not x:
            raise self.fail(f"needs as many labels as values, but the bottoms are {x} and {label}.")
        self.save("delta", x)
        return [()]


def forward(
    x: np.ndarray,
    label: np.ndarray,
    ignored: np.ndarray | None,
    loss: np.ndarray,
    delta: np.ndarray,
    object_scale: float,
) -> None:
    """The squares of what is wrong."""
    delta[...] = object_scale * (sigmoid(x) - label.reshape(x.shape))
    loss[...] = np.vdot(delta, delta) / max(1, len(x))


def backward(dloss: np.ndarray, delta: np.ndarray, dx: np.ndarray) -> None:
    """What is wrong itself."""
    np.multiply(delta, float(dloss) / max(1, len(delta)), out=dx)
