import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3, 5, 7)]), Case("flatten_param { axis: 2 end_axis: -2 }", [(2, 3, 5, 7, 2)])]


@pytest.mark.parametrize(
    ("options", "top"),
    [
        ("", (2, 60)),
        ("axis: 0", (120,)),
        ("axis: 1 end_axis: 2", (2, 12, 5)),
        ("axis: -2", (2, 3, 20)),
        ("axis: 1 end_axis: 0", (2, 1, 3, 4, 5)),
    ],
)
def test_worked_examples(options, top):
    layer = OneLayer(f'type: "Flatten" bottom: "x" top: "y" flatten_param {{ {options} }}', x=(2, 3, 4, 5))
    assert layer.forward(x=np.arange(120).reshape(2, 3, 4, 5)).shape == top
    assert layer.net.blobs["y"].data.ravel().tolist() == list(range(120))
    assert layer.backward(np.arange(120).reshape(top)).ravel().tolist() == list(range(120))
    assert np.shares_memory(layer.net.blobs["x"].data, layer.net.blobs["y"].data)


def test_refused():
    for options in ("axis: 4", "end_axis: 4", "axis: 3 end_axis: 1"):
        with pytest.raises(ModelError, match=r"Layer 'l' \(Flatten\)"):
            OneLayer(f'type: "Flatten" bottom: "x" top: "y" flatten_param {{ {options} }}', x=(2, 3, 4, 5))
    with pytest.raises(ModelError, match="in place"):
        OneLayer('type: "Flatten" bottom: "x" top: "x"', x=(2, 3))
