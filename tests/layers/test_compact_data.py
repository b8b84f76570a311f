import io
import math

import numpy as np
import pytest
from google.protobuf import text_format
from one_layer import OneLayer
from PIL import Image

import caffelike
from caffelike.data import compact, writing
from caffelike.errors import DataError, FileError, ModelError
from caffelike.io import array_to_blobproto
from caffelike.schema import TransformationParameter

PICTURES = [np.random.default_rng(i).integers(0, 256, (10 + i, 12 - i), np.uint8) for i in range(4)]


def encoded(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four pictures of several sizes; labels 5, 6, 7 and -8."""
    monkeypatch.chdir(tmp_path)
    with writing.create("db") as database:
        for i, pixels in enumerate(PICTURES):
            label = np.int32(5 + i if i < 3 else -8).tobytes()
            database.put(b"%d" % i, label + encoded(pixels))
    return tmp_path


def layer(transform="crop_size: 8", phase=caffelike.TEST, tops='top: "d" top: "l"', source="db", batch=2):
    return OneLayer(
        f'type: "CompactData" {tops} data_param {{ source: "{source}" backend: LMDB batch_size: {batch} }}'
        f" transform_param {{ {transform} }}",
        phase,
    )


def middle(pixels, side=8):
    top, left = ((n - side) // 2 for n in pixels.shape)
    return pixels[top : top + side, left : left + side]


def test_worked_example(folder):
    made = layer("crop_size: 8 mean_value: 10 scale: 0.5")
    for names, labels in (((0, 1), [5, 6]), ((2, 3), [7, -8]), ((0, 1), [5, 6])):
        data, label = made.forward()
        assert data.shape == (2, 1, 8, 8)
        assert label.tolist() == labels
        for i, n in enumerate(names):
            np.testing.assert_array_equal(data[i, 0], (middle(PICTURES[n]).astype(np.float32) - 10) / 2)
    mean = np.random.default_rng(9).random((1, 1, 9, 12)).astype(np.float32)
    (folder / "mean").write_bytes(array_to_blobproto(mean).SerializeToString())
    data = layer('crop_size: 8 mean_file: "mean"', tops='top: "d"', batch=1).forward()
    np.testing.assert_allclose(data[0, 0], middle(PICTURES[0]) - mean[0, 0, 0:8, 2:10], atol=1e-5)


def test_corners_and_mirrors_while_training(folder):
    made = layer("crop_size: 8 mirror: true", caffelike.TRAIN, batch=1)
    pixels, seen = PICTURES[0], set()
    for _ in range(40):
        data = made.forward()[0][0, 0]
        for _ in range(3):
            made.forward()
        found = [
            (top, left, way)
            for top in range(3)
            for left in range(5)
            for way in (1, -1)
            if np.array_equal(data, pixels[top : top + 8, left : left + 8][:, ::way])
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert {place[:2] for place in seen} == {(0, 0), (2, 0), (0, 4), (2, 4), (1, 2)}
    assert {place[2] for place in seen} == {1, -1}


STILL = "min_scaling_factor: 1 max_scaling_factor: 1 angle_interval: 360 max_shearing_ratio: 0 max_perspective_ratio: 0"


def draw(words, record, shape=(1, 8, 8)):
    param = text_format.Parse(f"crop_size: 8 multiscale: true {words}", TransformationParameter())
    return compact.Warps(param, "l").draw(1, record, shape)


def test_mirrored_pictures_worked_example(folder):
    """Steps of 360 degrees, no scaling: the four ways to mirror, a quarter each."""
    square = PICTURES[0][:8, :8]
    ways = {(down, right): square[::down, ::right] for down in (1, -1) for right in (1, -1)}
    seen = set()
    for record in range(30):
        got = draw(STILL, record).pixels(square[None])[0]
        (way,) = [way for way, pixels in ways.items() if np.array_equal(got, pixels)]
        seen.add(way)
    assert len(seen) == 4


def test_turned_scaled_and_padded():
    square = PICTURES[0][:8, :8]
    turned = set()
    for record in range(60):
        warp = draw(STILL.replace("360", "90"), record)
        # about (4, 4), which lies between pixels by half of one: what comes from there is whole pixels all the same
        angle = math.degrees(math.atan2(warp.inverse[0, 1], warp.inverse[0, 0])) % 360
        turned.add(round(angle) % 360)
        got = warp.pixels(square[None])[0]
        if round(angle) == 180 and warp.flips == (False, False):
            np.testing.assert_array_equal(got[1:, 1:], square[::-1, ::-1][:-1, :-1])
            assert (got[0] == 255).all()
    assert turned == {0, 90, 180, 270}
    for record in range(40):
        warp = draw(
            STILL.replace("factor: 1 ", "factor: 0.5 ", 1).replace("_factor: 1 angle", "_factor: 2 angle"), record
        )
        assert 4 <= warp.rows <= 16
        assert min(0, 8 - warp.rows) <= warp.top <= max(0, 8 - warp.rows)
        got = warp.pixels(np.full((1, 8, 8), 100, np.uint8))
        assert set(np.unique(got)) <= set(range(100, 256))
        outside = (got == 255).mean()
        assert outside > 0.2 or warp.rows * warp.columns < 150
    assert draw("warp_fillval: 7", 3).fill == 7


def test_perspective_brings_corners_to_corners():
    before = np.array([[1.0, 2], [9, 1], [0, 8], [10, 9]])
    after = np.array([[0.0, 0], [8, 0], [0, 8], [8, 8]])
    there = np.column_stack([before, np.ones(4)]) @ compact._tilting(before, after).T
    np.testing.assert_allclose(there[:, :2] / there[:, 2:], after, atol=1e-9)


def test_multiscale_in_both_phases_and_after_a_resume(folder):
    for phase in (caffelike.TRAIN, caffelike.TEST):
        made = layer("crop_size: 8 multiscale: true contrast_adjustment: true mirror: true", phase)
        first = [made.forward()[0].copy() for _ in range(3)]
        assert not np.array_equal(first[0], first[2])  # the same records
        again = layer("crop_size: 8 multiscale: true contrast_adjustment: true", phase)
        again.layer.restore({**again.layer.state(), "seed": made.layer.state()["seed"]})
        np.testing.assert_array_equal(first, [again.forward()[0] for _ in range(3)])


@pytest.mark.parametrize(
    ("transform", "error", "words"),
    [
        ("mirror: true", ModelError, "needs a crop_size"),
        ("crop_size: 8 multiscale: true min_scaling_factor: 2", ModelError, "multiscale needs"),
        ("crop_size: 8 smooth_filtering: true", ModelError, "smooth_filtering"),
        ("crop_size: 8 jpeg_compression: true", ModelError, "jpeg_compression"),
        ("crop_size: 11", DataError, "crop_size 11 is larger than its 10x12"),
    ],
)
def test_refused(folder, transform, error, words):
    with pytest.raises(error, match=words):
        layer(transform)


def test_records_that_are_none(folder):
    with writing.create("bad") as database:
        database.put(b"a", b"1234")
    with pytest.raises(DataError, match="record 'a' cannot be used: it has 4 bytes"):
        layer(source="bad")
    with pytest.raises(FileError):
        layer(source="nowhere")
