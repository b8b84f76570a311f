import numpy as np
import pytest
from one_layer import OneLayer, image

from caffelike.errors import DataError, ModelError, ShapeError
from caffelike.testing import Case


def places(count):
    """Different places of each plane, none twice."""
    return lambda generator, shape: np.array(
        [generator.permutation(count)[: shape[2] * shape[3]] for _ in range(shape[0] * shape[1])], float
    ).reshape(shape)


CONTRACT = [
    Case("upsample_param { scale: 3 }", [(2, 3, 4, 5)]),
    Case("", [(1, 2, 3, 4)]),
    Case("upsample_param { scale: 2 }", [(2, 3, 4, 5)] * 2, inputs={"mask": places(80)}, special=False),
    Case(
        "upsample_param { upsample_h: 7 upsample_w: 5 }", [(1, 2, 3, 4)] * 2, inputs={"mask": places(35)}, special=False
    ),
]


def upsample(options, *shapes):
    names = ["x", "mask"][: len(shapes)]
    bottoms = "".join(f'bottom: "{n}" ' for n in names)
    text = f'type: "Upsample" {bottoms} top: "y" upsample_param {{ {options} }} propagate_down: true'
    return OneLayer(text + " propagate_down: false" * (len(shapes) - 1), **dict(zip(names, shapes, strict=True)))


def test_worked_example_with_a_mask():
    layer = upsample("scale: 2", (1, 1, 2, 2), (1, 1, 2, 2))
    y = layer.forward(x=image([1, 2], [3, 4]), mask=image([5, 2], [8, -1]))
    assert y.tolist() == image([0, 0, 2, 0], [0, 1, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]).tolist()
    dx = layer.backward(np.arange(16).reshape(1, 1, 4, 4))[0]
    assert dx.tolist() == image([5, 2], [8, 0]).tolist()


def test_worked_example_of_repeated_pixels():
    layer = upsample("scale: 2", (1, 1, 1, 2))
    assert layer.forward(x=image([1, 2])).tolist() == image([1, 1, 2, 2], [1, 1, 2, 2]).tolist()
    assert layer.backward(image([1, 2, 3, 4], [5, 6, 7, 8])).tolist() == image([14, 22]).tolist()


def test_undoes_a_pooling():
    layer = upsample("upsample_h: 3 upsample_w: 5", (1, 1, 2, 3), (1, 1, 2, 3))
    y = layer.forward(x=image([9, 8, 7], [6, 5, 4]), mask=image([0, 2, 4], [10, 12, 14]))
    assert y.tolist() == image([9, 0, 8, 0, 7], [0] * 5, [6, 0, 5, 0, 4]).tolist()


@pytest.mark.parametrize(
    ("options", "out"),
    [
        ("", (4, 6)),
        ("scale_h: 2 scale_w: 3", (4, 9)),
        ("scale: 2 pad_out_h: true", (3, 6)),
        ("pad_out_w: true", (4, 5)),
    ],
)
def test_sizes_with_a_mask(options, out):
    assert upsample(options, (1, 1, 2, 3), (1, 1, 2, 3)).net.blobs["y"].shape == (1, 1, *out)


def test_a_mask_beyond_the_top_is_refused():
    layer = upsample("scale: 2", (1, 1, 1, 1), (1, 1, 1, 1))
    with pytest.raises(DataError, match="place 4"):
        layer.forward(x=1, mask=4)


def test_refused():
    with pytest.raises(ModelError, match="takes only scale"):
        upsample("upsample_h: 2 upsample_w: 2", (1, 1, 2, 2))
    with pytest.raises(ModelError, match="go together"):
        upsample("upsample_h: 2", (1, 1, 2, 2), (1, 1, 2, 2))
    with pytest.raises(ModelError, match="scale of 2"):
        upsample("scale: 3 pad_out_h: true", (1, 1, 2, 2), (1, 1, 2, 2))
    with pytest.raises(ShapeError, match="mask must be"):
        upsample("scale: 2", (1, 1, 2, 2), (1, 1, 2, 3))
