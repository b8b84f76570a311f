import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("interp_param { height: 7 width: 5 }", [(2, 3, 4, 9)]),
    Case("interp_param { height: 1 width: 13 }", [(2, 1, 5, 13)]),
    Case("interp_param { zoom_factor: 3 pad_beg: -1 pad_end: -2 }", [(1, 2, 7, 8)]),
    Case("interp_param { shrink_factor: 2 }", [(2, 2, 7, 8)]),
    Case("interp_param { zoom_factor: 8 }", [(1, 3, 13, 15)]),
    Case("interp_param { use_blob_size: true }", [(2, 3, 4, 5), (2, 1, 9, 3)]),
]


def interp(options, *shapes):
    names = [f"b{i}" for i in range(len(shapes))]
    bottoms = "".join(f'bottom: "{n}" ' for n in names)
    return OneLayer(
        f'type: "Interp" {bottoms} top: "y" interp_param {{ {options} }}', **dict(zip(names, shapes, strict=True))
    )


def test_worked_example():
    layer = interp("zoom_factor: 3", (1, 1, 2, 3))
    y = layer.forward(b0=image([0, 3, 9], [12, 15, 18]))
    rows = [[0, 1, 2, 3, 5, 7, 9], [4, 5, 6, 7, 9 - 1 / 3, 10 + 1 / 3, 12], [8, 9, 10, 11, 12 + 1 / 3, 13 + 2 / 3, 15]]
    np.testing.assert_allclose(y, image(*rows, [12, 13, 14, 15, 16, 17, 18]), rtol=1e-6)
    dx = layer.backward(np.ones((1, 1, 4, 7)))
    # a pixel's share along an axis: 1 + 2/3 + 1/3 at the ends, once more 2/3 + 1/3 in the middle
    np.testing.assert_allclose(dx, image([4, 6, 4], [4, 6, 4]), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "shape", "out"),
    [
        ("zoom_factor: 8", (1, 1, 60, 45), (473, 353)),
        ("shrink_factor: 2", (1, 1, 1025, 2049), (513, 1025)),
        ("shrink_factor: 4 zoom_factor: 2", (1, 1, 9, 13), (5, 7)),
        ("height: 6 width: 6", (1, 1, 1, 1), (6, 6)),
        ("zoom_factor: 1 pad_beg: -1", (1, 1, 4, 5), (3, 4)),
    ],
)
def test_sizes(options, shape, out):
    assert interp(options, shape).net.blobs["y"].shape == (1, 1, *out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "needs one of"),
        ("zoom_factor: 2 height: 3 width: 3", "needs one of"),
        ("height: 3", "at least 1"),
        ("shrink_factor: 0", "at least 1"),
        ("zoom_factor: 2 pad_beg: 1", "must not be above 0"),
        ("use_blob_size: true", "second bottom"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=rf"Layer 'l' \(Interp\).*{message}"):
        interp(options, (1, 1, 4, 4))


def test_shapes_refused():
    with pytest.raises(ShapeError, match="4 axes"):
        interp("zoom_factor: 2", (1, 4, 4))
    with pytest.raises(ShapeError, match="leave nothing"):
        interp("zoom_factor: 2 pad_beg: -4", (1, 1, 4, 4))
