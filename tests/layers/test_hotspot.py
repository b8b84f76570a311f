import math

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("hotspot_param { data_height: 10 data_width: 20 output_height: 5 output_width: 7 }", [(3, 4)]),
    Case("hotspot_param { data_height: 3 data_width: 2 gaussian_std: 2 mean_removed: false }", [(2, 6), (2, 1, 4, 9)]),
]


def hot(options, **shapes):
    bottoms = " ".join(f'bottom: "{name}"' for name in shapes)
    return OneLayer(f'type: "Hotspot" {bottoms} top: "y" hotspot_param {{ {options} }}', **shapes)


@pytest.mark.parametrize("kind", ["given", "map"])
def test_worked_example(kind):
    size = "output_height: 3 output_width: 4" if kind == "given" else ""
    shapes = {"p": (1, 4)} if kind == "given" else {"p": (1, 4), "m": (1, 2, 3, 4)}
    layer = hot(f"data_height: 6 data_width: 8 gaussian_std: 0.8 {size}", **shapes)
    y = layer.forward(p=[[0, -3, -4, 1]])[0]  # at (2, 0) and (0, 2) of 4 x 3
    for k, (at_x, at_y) in enumerate([(2, 0), (0, 2)]):
        for row, column in np.ndindex(3, 4):
            value = math.exp(-((at_x - column) ** 2 + (at_y - row) ** 2) / 1.28) / (1.28 * math.pi)
            assert y[k, row, column] == pytest.approx(value if value > 1e-4 else 0, rel=1e-5)
    far = hot(f"data_height: 6 data_width: 8 mean_removed: false {size}", **shapes).forward(p=[[2, 2, 80, 80]])[0]
    assert far[0].argmax() == 5  # (1, 1)
    assert not far[1].any()


def test_refused():
    with pytest.raises(ModelError, match="data_height and data_width"):
        hot("output_height: 3 output_width: 4", p=(1, 4))
    with pytest.raises(ModelError, match="needs output_height"):
        hot("data_height: 3 data_width: 4", p=(1, 4))
    with pytest.raises(ShapeError, match="an x and a y"):
        hot("data_height: 3 data_width: 4 output_height: 3 output_width: 4", p=(1, 3))
