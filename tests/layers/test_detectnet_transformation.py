import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.data.resize import resize_cubic
from caffelike.errors import DataError, ModelError, ShapeError
from caffelike.layers import detectnet_transformation as definition
from caffelike.testing import Case


def listed(*boxes, rows=4):
    """A label: boxes of x, y, width, height, class."""
    out = np.zeros((1, rows, 16), np.float32)
    out[0, 0, :2] = len(boxes), 16
    for row, (*box, kind) in zip(out[0, 1:], boxes, strict=False):
        row[:4], row[5] = box, kind
    return out


def some(generator, shape):
    return np.tile(listed((5, 4, 20, 10, 1), (12, 1, 9, 30, 2), rows=shape[2]), (shape[0], 1, 1, 1))


def none_of(word):
    return f"{word}_prob: 0 "


GRID = "stride: 8 image_size_x: 32 image_size_y: 24"
STILL = "".join(none_of(word) for word in ("scale", "flip", "rotation", "hue_rotation", "desaturation"))
CONTRACT = [
    Case(f"detectnet_groundtruth_param {{ {GRID} }}", [(2, 3, 20, 30), (2, 1, 4, 16)], inputs={"label": some},
         special=False),
    Case(f"detectnet_groundtruth_param {{ {GRID} gridbox_type: GRIDBOX_MIN }}", [(2, 3, 24, 32), (2, 1, 4, 16)],
         inputs={"label": some}, phase=1, special=False),
]  # fmt: skip


def layer(grid="", changes=STILL, phase=caffelike.TRAIN, data=(1, 3, 24, 32), more="", rows=4):
    text = f"detectnet_groundtruth_param {{ {GRID} {grid} }} detectnet_augmentation_param {{ {changes} }} {more}"
    return OneLayer(f'type: "DetectNetTransformation" bottom: "x" bottom: "l" top: "y" top: "t" {text}', phase,
                    x=data, l=(data[0], 1, rows, 16))  # fmt: skip


IMAGE = np.random.default_rng(0).integers(0, 256, (3, 24, 32)).astype(np.float32)


def test_worked_example():
    """Nothing but the mean is changed; a grid of 3 x 4 cells of 8 pixels."""
    found = layer("scale_cvg: 0.5 object_class { src: 1 dst: 1 } object_class { src: 7 dst: 0 }",
                  more="transform_param { mean_value: [1, 2, 3] }")  # fmt: skip
    y, truth = found.forward(x=IMAGE[None], l=[listed((4, 2, 16, 12, 1), (20, 12, 8, 8, 7), (0, 0, 30, 20, 5))])
    np.testing.assert_allclose(y[0], IMAGE - np.array([1, 2, 3])[:, None, None], atol=1e-4)
    assert truth.shape == (1, 10, 3, 4)
    # half the first box: 8 .. 16 x 5 .. 11, cells (0, 1) and (1, 1); of the second 22 .. 26 x 14 .. 18
    assert truth[0, 0].tolist() == [[0, 1, 0, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert truth[0, 9].tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert truth[0, 8].tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert truth[0, 1:8, 0, 1].tolist() == pytest.approx([4 - 8, 2, 20 - 8, 14, 1 / 16, 1 / 12, 64 / 48])
    assert truth[0, 1:8, 1, 1].tolist() == pytest.approx([4 - 8, 2 - 8, 20 - 8, 14 - 8, 1 / 16, 1 / 12, 64 / 48])
    assert truth[0, 1:8, 2, 3].tolist() == pytest.approx([20 - 24, 12 - 16, 28 - 24, 20 - 16, 1 / 8, 1 / 8, 4])
    assert not truth[0, :, 0, 0].any()


def test_how_much_of_a_box_is_covered():
    box = listed((2, 2, 24, 20, 1))
    for words, side in (("max_cvg_len: 6", 6), ("gridbox_type: GRIDBOX_MIN min_cvg_len: 14", 14), ("", 12)):
        truth = layer(f"obj_norm: true {words}").forward(x=0, l=[box])[1]
        high = side if words else 10
        assert truth[0, 7].max() == pytest.approx(64 / (side * high))
        assert truth[0, 0].sum() == {6: 2, 14: 9, 12: 9}[side] or side == 12
    # as large as the box where that is smaller
    truth = layer("gridbox_type: GRIDBOX_MIN min_cvg_len: 50").forward(x=0, l=[box])[1]
    assert truth[0, 0].sum() == 12
    assert truth[0, 7].max() == 1


def test_boxes_beyond_the_image():
    label = [listed((-8, 0, 16, 16, 1))]
    for crop, left, width in (("true", 0, 8), ("false", -8, 16)):
        truth = layer(f"crop_bboxes: {crop}").forward(x=0, l=label)[1]
        assert truth[0, 1:6, 0, 0].tolist() == pytest.approx([left, 0, 8, 16, 1 / width])
    assert not layer().forward(x=0, l=[listed((40, 0, 5, 5, 1))])[1].any()


def test_test_nets_only_fit_the_size():
    found = layer(phase=caffelike.TEST, data=(1, 3, 12, 16), changes="flip_prob: 1")
    small = IMAGE[:, :12, :16]
    y, truth = found.forward(x=small[None], l=[listed((2, 2, 8, 4, 1))])
    np.testing.assert_allclose(y[0], resize_cubic(small.transpose(1, 2, 0), 24, 32).transpose(2, 0, 1), atol=1e-3)
    assert truth[0, 5:7, 0, 1].tolist() == pytest.approx([1 / 16, 1 / 8])


def test_mirrored_shifted_and_scaled_with_their_boxes():
    flipped = layer(changes=STILL.replace(none_of("flip"), "flip_prob: 1 "))
    y, truth = flipped.forward(x=IMAGE[None], l=[listed((2, 8, 12, 8, 1))])
    np.testing.assert_allclose(y[0], IMAGE[:, :, ::-1], atol=1e-4)
    assert truth[0, 1:5, 1, 2].tolist() == [32 - 2 - 12 - 1 - 16, 0, 32 - 2 - 1 - 16, 8]
    places = set()
    shifted = layer(changes=STILL + "shift_x: 4 shift_y: 6")
    for _ in range(12):
        y, truth = shifted.forward(x=IMAGE[None] + 1, l=[listed((8, 8, 16, 8, 1))])
        _, rows, columns = np.nonzero(truth[0, :1])
        left, top = (8 * n[0] + truth[0, k, rows[0], columns[0]] - 8 for n, k in ((columns, 1), (rows, 2)))
        places.add((top, left))
        part = y[0, :, max(0, int(top)) : 24 + min(0, int(top)), max(0, int(left)) : 32 + min(0, int(left))]
        here = IMAGE[:, max(0, -int(top)) : 24 - max(0, int(top)), max(0, -int(left)) : 32 - max(0, int(left))]
        np.testing.assert_allclose(part, here + 1, atol=1e-3)
    assert len(places) > 4
    assert {abs(top) <= 3 and abs(left) <= 2 for top, left in places} == {True}
    scaled = layer(
        changes=STILL.replace(none_of("scale"), "scale_prob: 1 scale_min: 0.5 scale_max: 0.5 ") + "crop_prob: 0"
    )
    y, truth = scaled.forward(x=IMAGE[None] + 5, l=[listed((0, 0, 32, 24, 1))])
    assert not y[0, :, :6].any()
    assert y[0, :, 6:18, 8:24].any()
    assert truth[0, 1:5, 1, 1].tolist() == [0, 6 - 8, 16, 18 - 8]


@pytest.mark.parametrize("turn", [10.0, -25.0, 90.0])
def test_turned_images_and_their_boxes(turn):
    """Three pixels by three come to lie where the middle of their box does."""
    image = np.zeros((3, 24, 32), np.float32)
    image[:, 5:8, 20:23] = 100
    change = definition.Change(0, 1, False, (24, 32), turn, (-2, 1))
    got = definition.changed(image, change, np.zeros((3, 1, 1), np.float32), (40, 40))
    y, x = np.mgrid[:40, :40]
    middle = np.array([(got[0] * x).sum(), (got[0] * y).sum()]) / got[0].sum()
    box = definition.moved(np.array([[20.0, 5, 2, 2]]), change, (24, 32))[0]
    assert np.abs(box[:2] + 1 - middle).max() < 0.05
    assert got[0].sum() == pytest.approx(900, rel=0.03)
    angle = np.radians(turn)  # clockwise: what is right of the middle goes down
    away = [5 * np.cos(angle) + 6 * np.sin(angle), 5 * np.sin(angle) - 6 * np.cos(angle)]
    height, width = definition._frame((24, 32), turn)
    assert np.abs(middle - [width / 2 - 1, height / 2 + 2] - away).max() < 1.5


def test_colours_worked_example():
    colours = np.array([[0.2, 0.4, 0.6], [0, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5]]).T[:, None]  # blue, green, red
    got = definition._recoloured(colours, 120, 1.0)[:, 0].T  # red becomes green, green blue, blue red
    np.testing.assert_allclose(got, [[0.4, 0.6, 0.2], [0, 1, 0], [1, 0, 1], [0.5, 0.5, 0.5]], atol=1e-5)
    pale = definition._recoloured(colours, 0, 0.5)[:, 0].T
    np.testing.assert_allclose(pale, [[0.4, 0.5, 0.6], [0.5, 0.5, 1], [1, 1, 0.5], [0.5] * 3], atol=1e-5)
    found = layer(changes="".join(none_of(word) for word in ("scale", "flip", "rotation")) + "hue_rotation_prob: 1")
    y = found.forward(x=IMAGE[None], l=[listed()])[0]
    np.testing.assert_allclose(y.max(axis=1), IMAGE[None].max(axis=1), atol=1e-2)  # the value stays
    assert np.abs(y - IMAGE).max() > 1


def test_refused():
    with pytest.raises(ShapeError, match="needs images"):
        layer(data=(1, 1, 24, 32))
    with pytest.raises(ModelError, match="no grid"):
        OneLayer(
            'type: "DetectNetTransformation" bottom: "x" bottom: "l" top: "y" top: "t"'
            " detectnet_groundtruth_param { stride: 50 image_size_y: 49 }",
            x=(1, 3, 9, 9),
            l=(1, 1, 2, 16),
        )
    with pytest.raises(ModelError, match="scale_min"):
        layer(changes="scale_min: 2")
    with pytest.raises(ModelError, match="resize_param"):
        layer(changes="resize_param { height: 3 }")
    with pytest.raises(ModelError, match="1 or 3 mean_values"):
        layer(more="transform_param { mean_value: [1, 2] }")
    for label in (listed((1, 1, 2, 2, 1)) + 3, 0 * listed()):
        with pytest.raises(DataError, match="The label of item 0 is no list of boxes"):
            layer().forward(x=0, l=[label])
