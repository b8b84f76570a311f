import math

import numpy as np
import pytest

from caffelike import device
from caffelike.data import augment
from caffelike.data.augment import Augmentation, Frame
from caffelike.data.transformer import Transformer
from caffelike.errors import ModelError
from caffelike.schema import TEST, TRAIN, TransformationParameter

SHAPE = (3, 24, 31)
PIXELS = np.random.default_rng(5).integers(0, 256, SHAPE, np.uint8)
EVERYTHING = {
    "rotation": 40, "scale_min": 0.7, "scale_max": 1.6, "aspect": 1.5, "shift": 0.2, "brightness": 30, "contrast": 0.4,
    "saturation": 0.5, "hue": 40, "blur": 1.5, "noise": 8, "erase": 0.5,
}  # fmt: skip


def drawn(record=0, shape=SHAPE, seed=3, **options):
    param = TransformationParameter(augment_param=options).augment_param
    return Augmentation(param, "data").draw(seed, record, shape)


def changed(pixels=PIXELS, record=0, fill=0.0, **options):
    change, generator = drawn(record, pixels.shape, **options)
    return augment.apply(pixels, change, np.full(len(pixels), fill), generator)


def transformer(phase=TRAIN, seed=3, **options):
    augmenting = {key: options.pop(key) for key in list(options) if key in EVERYTHING or key == "fill"}
    return Transformer(TransformationParameter(augment_param=augmenting, **options), phase, seed, "data")


def test_without_options_nothing_changes():
    np.testing.assert_array_equal(changed(), PIXELS.astype(np.float32))


def test_a_record_s_change_depends_on_seed_and_number_alone():
    one, other = transformer(**EVERYTHING), transformer(**EVERYTHING)
    out = np.empty((2, *SHAPE), np.float32)
    one.apply([PIXELS, PIXELS], out, 7)
    late = np.empty((1, *SHAPE), np.float32)
    other.apply([PIXELS], late, 8)
    np.testing.assert_array_equal(late[0], out[1])
    assert not np.array_equal(out[0], out[1])
    transformer(seed=4, **EVERYTHING).apply([PIXELS], late, 8)
    assert not np.array_equal(late[0], out[1])


def test_only_while_training():
    out = np.empty((1, *SHAPE), np.float32)
    transformer(TEST, **EVERYTHING).apply([PIXELS], out, 0)
    np.testing.assert_array_equal(out[0], PIXELS)


def test_a_share_of_the_records_is_changed():
    found = [drawn(record, probability=0.25, blur=1)[0] is not None for record in range(400)]
    assert 70 < sum(found) < 130


def test_a_quarter_turn_is_numpy_s():
    square = PIXELS[:, :24, :24]
    a = math.radians(90)
    middle = np.array([11.5, 11.5])
    turn = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    out = augment.warp(square, np.column_stack([turn, middle - turn @ middle]), np.zeros(3, np.float32))
    np.testing.assert_allclose(out, np.rot90(square, -1, (1, 2)), atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_kernel_gives_the_definition_s_bits(dtype):
    fast = device.kernel("augment", "warp")
    assert fast is not None
    fill = np.array([1, 2, 3], np.float32)
    for record in range(30):
        change, _ = drawn(record, rotation=180, scale_min=0.2, scale_max=3, shift=0.6)
        want = augment.warp(PIXELS.astype(dtype), change.frame.inverse, fill)
        np.testing.assert_array_equal(fast(PIXELS.astype(dtype), change.frame.inverse, fill), want)


def test_points_and_pixels_go_the_same_way():
    """A bright spot is found again where `points` says."""
    for record in range(40):
        spot = np.zeros((1, 41, 51), np.uint8)
        spot[0, 17:20, 29:32] = 200
        one = transformer(rotation=30, shift=0.1, scale_min=0.8, scale_max=1.25, aspect=1.2, mirror=True, crop_size=35)
        place = one.place(spot.shape, record)
        out = np.empty((1, 35, 35), np.float32)
        one.fill(spot, place, out)
        (x, y), *_ = place.points([[30, 18]])
        if not (3 < x < 31 and 3 < y < 31):
            continue
        ys, xs = np.mgrid[0:35, 0:35]
        assert abs((out[0] * xs).sum() / out.sum() - x) < 0.3
        assert abs((out[0] * ys).sum() / out.sum() - y) < 0.3


def test_boxes():
    plain = transformer(mirror=True, crop_size=20)
    for record in range(10):
        place = plain.place((3, 24, 31), record)
        boxes, inside = place.boxes([[5, 6, 9, 8], [-50, 0, -40, 5], [0, 0, 30, 23]])
        x1 = 5 - place.left if not place.mirrored else 19 - (9 - place.left)
        wanted = np.clip([x1, 6 - place.top, x1 + 4, 8 - place.top], 0, 19)
        assert boxes[0].tolist() == wanted.tolist()
        assert inside[1] == 0
        assert boxes[2].tolist() == [0, 0, 19, 19]
        assert inside[2] == pytest.approx(400 / (31 * 24))
    turned = drawn(2, rotation=45)[0].frame
    corners = turned.points([[5, 6], [9, 6], [9, 8], [5, 8]])
    place = transformer(rotation=45).place(SHAPE, 2)
    np.testing.assert_allclose(place.boxes([[5, 6, 9, 8]])[0][0], [*corners.min(0), *corners.max(0)])


def test_a_label_map_follows():
    """Where the pixels are the labels, they agree but for rounding at the edges."""
    labels = np.zeros((40, 40), np.int32)
    labels[10:30, 5:25] = 100
    one = transformer(rotation=30, scale_min=0.6, scale_max=0.9, shift=0.1, mirror=True, crop_size=30, fill=255)
    for record in range(10):
        place = one.place((1, 40, 40), record)
        out = np.empty((1, 30, 30), np.float32)
        one.fill(labels[None].astype(np.uint8), place, out)
        moved = place.label_map(labels)
        assert set(np.unique(moved)) <= {0, 100, 255}
        assert np.mean(np.abs(moved - out[0]) > 1) < 0.25
        assert np.mean(np.abs(moved - out[0]) > 130) < 0.05


def test_fill_is_the_mean_unless_given():
    out = np.empty((1, *SHAPE), np.float32)
    transformer(shift=1, scale_max=0.1, scale_min=0.1, mean_value=[9, 10, 11]).apply([PIXELS], out, 0)
    assert np.median(np.abs(out)) == 0
    transformer(shift=1, scale_max=0.1, scale_min=0.1, mean_value=[10], fill=30).apply([PIXELS], out, 0)
    assert np.median(out) == 20


def test_colours():
    gray = np.broadcast_to(PIXELS[:1], SHAPE)
    np.testing.assert_allclose(changed(gray, hue=90, saturation=1), gray, atol=0.5)  # gray stays gray
    out = changed(np.full(SHAPE, 100, np.uint8), brightness=30)
    assert len(np.unique(out)) == 1
    assert abs(out[0, 0, 0] - 100) <= 30
    out = changed(contrast=0.5)
    assert out.min() >= 0
    assert out.max() <= 255
    np.testing.assert_allclose(changed(np.full((1, 5, 5), 77, np.uint8), contrast=0.5, hue=50, saturation=0.5), 77)
    floats = changed(PIXELS.astype(np.float32) * 3, brightness=30)
    assert floats.max() > 500  # values that are no bytes are not cut


def test_blur_keeps_the_sum_and_smooths():
    spot = np.zeros((1, 21, 21), np.float32)
    spot[0, 10, 10] = 100
    out = augment.blur(spot, 1.5)
    assert out.sum() == pytest.approx(100, rel=1e-5)
    np.testing.assert_allclose(out, out.transpose(0, 2, 1), rtol=1e-4)
    assert out[0, 10, 11] / out[0, 10, 10] == pytest.approx(math.exp(-0.5 / 1.5**2), rel=1e-4)


def test_noise_has_its_deviation():
    flat = np.full((1, 100, 100), 100, np.uint8)
    change, _ = drawn(1, flat.shape, noise=10)
    assert changed(flat, 1, noise=10).std() == pytest.approx(change.noise, rel=0.05)


def test_erased_rectangles_have_the_area_asked_for():
    areas, places = [], set()
    for record in range(60):
        out = changed(np.full((1, 50, 60), 9, np.uint8), record, fill=200, erase=1, erase_min=0.1, erase_max=0.3)
        hit = out[0] == 200
        rows, columns = np.flatnonzero(hit.any(1)), np.flatnonzero(hit.any(0))
        assert hit.sum() == len(rows) * len(columns)
        places.add((rows[0], columns[0]))
        areas.append(hit.mean())
    assert min(areas) > 0.08
    assert max(areas) < 0.33
    assert len(places) > 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rotation": -1}, "rotation .* 0 or more and at most 180"),
        ({"probability": 2}, "probability"),
        ({"aspect": 0.5}, "aspect .* 1 or more"),
        ({"scale_min": 2}, r"scale_min \(2\)"),
        ({"erase_max": 1.5}, "erase_max is at most 1"),
    ],
)
def test_options_that_cannot_be(options, words):
    with pytest.raises(ModelError, match=words):
        Augmentation(TransformationParameter(augment_param=options).augment_param, "data")


def test_a_frame_without_movement_leaves_points_where_they_are():
    assert Frame(None, 3, 3).points([[1, 2]]).tolist() == [[1, 2]]
