"""A layer type of a user, as the docstring of caffelike.register_layer shows it."""

from caffelike import register_layer
from caffelike.layer import Layer


@register_layer("Gain", param={"gain_param": {"factor": 1.5, "mode": "linear", "sizes": [int], "on": True}})
class Gain(Layer):
    """y = factor * x."""

    inplace = True

    def setup(self, p, x):
        """Read the factor."""
        self.options = {"factor": p.factor}

    def reshape(self, x):
        """As the bottom."""
        return [x]


def forward(x, y, factor):
    """Scale."""
    y[...] = x * factor


def backward(dy, dx, factor):
    """Scale."""
    dx[...] = dy * factor
