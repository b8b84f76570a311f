import numpy as np
from one_layer import OneLayer, image

from caffelike.testing import Case


def apart(generator, shape):
    """Values that are not close to 0 or 6."""
    return generator.choice([-1.5, 1, 3, 5, 7.5], shape) + generator.uniform(-0.3, 0.3, shape)


CONTRACT = [
    Case("", [(2, 3, 7)], inputs={"x": apart}),
    Case("relu6_param { negative_slope: 0.1 }", [(13, 5)], inputs={"x": apart}),
    Case("relu6_param { negative_slope: -0.5 }", [(2, 5)], inputs={"x": apart}),
]


def test_worked_example():
    layer = OneLayer('type: "ReLU6" bottom: "x" top: "y" relu6_param { negative_slope: 0.5 }', x=(1, 1, 1, 6))
    assert layer.forward(x=image([-2, 0, 1, 5.5, 6, 9])).tolist() == image([-1, 0, 1, 5.5, 6, 6]).tolist()
    assert layer.backward(image([2, 2, 2, 2, 2, 2])).tolist() == image([1, 1, 2, 2, 0, 0]).tolist()
    assert np.isnan(layer.forward(x=np.nan)).all()
