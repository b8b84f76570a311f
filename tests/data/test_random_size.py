import numpy as np
import pytest
from google.protobuf import text_format

from caffelike.data.random_size import Piece, RandomSize
from caffelike.data.resize import resize, resize_cubic, resize_nearest
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError, ModelError
from caffelike.io import array_to_blobproto
from caffelike.schema import TEST, TRAIN, TransformationParameter

PICTURE = np.random.default_rng(1).integers(0, 256, (3, 30, 40), np.uint8)
HIGH = np.ascontiguousarray(PICTURE.transpose(0, 2, 1))


def options(text):
    return text_format.Parse(text, TransformationParameter())


def sizes(text, shape=(3, 30, 40), count=200):
    chosen = RandomSize(options(text), "data")
    return [chosen.draw(1, record, shape) for record in range(count)]


def test_shorter_sides_of_intel():
    pieces = sizes(
        "crop_size: 20 random_resize_param { min_size: 20 max_size: 24 resize_param { interp_mode: CUBIC } }"
    )
    assert {(p.height, p.width) for p in pieces} == {(20, 26), (21, 28), (22, 29), (23, 30), (24, 32)}
    assert {p[:4] for p in pieces} == {(0, 0, 30, 40)}
    assert {p.mode for p in pieces} == {"CUBIC"}
    upright = sizes("crop_size: 20 random_resize_param { }", (3, 40, 30))
    assert {(p.height, p.width) for p in upright} == {(int(40 / 30 * n + 1e-6), n) for n in range(30, 41)}
    assert {p.mode for p in upright} == {"LINEAR"}


def test_parts_of_intel():
    text = "min_area_ratio: 0.25 max_area_ratio: 1 aspect_ratio_change: 0.5 max_attempt: 3"
    text += " resize_param { interp_mode: LINEAR interp_mode: NEAREST }"
    pieces = sizes(f"crop_size: 16 random_aspect_ratio_param {{ {text} }}", count=500)
    parts = [p for p in pieces if (p.rows, p.columns) != (30, 40)]
    assert 300 < len(parts) < 500
    for p in parts:
        assert 0 <= p.top <= 30 - p.rows
        assert 0 <= p.left <= 40 - p.columns
        assert (p.height, p.width) == (16, 16)
        assert 0.2 < p.rows * p.columns / 1200 <= 1
        assert 1 / 4.5 < p.rows / p.columns < 4.5
    assert {(p.height, p.width) for p in pieces if p not in parts} == {(16, 21)}  # none of three fitted in
    assert {p.mode for p in parts} == {"LINEAR", "NEAREST"}
    proportions = np.array([p.rows / p.columns for p in parts])
    assert proportions.min() < 0.5
    assert proportions.max() > 1.5


def test_stretches_of_nvidia():
    text = "crop_size: 16 img_rand_resize_lower: 18 img_rand_resize_upper: 24 vertical_stretch_lower: 0.5"
    text += " vertical_stretch_upper: 1.5 horizontal_stretch_lower: 0.9 horizontal_stretch_upper: 2"
    pieces = sizes(text)
    assert min(p.height for p in pieces) == 16  # not less than the crop
    assert max(p.height for p in pieces) == 30  # nor more than it was
    assert max(p.width for p in pieces) == 40
    assert {p.mode for p in pieces} == {"NEAREST"}
    upwards = sizes(text + " allow_upscale: true interpolation_algo_up: INTER_LINEAR")
    assert {p.mode for p in upwards} == {"NEAREST", "LINEAR"}
    assert 34 < max(p.height for p in upwards) <= 36
    assert 55 < max(p.width for p in upwards) <= 64
    ratio = sizes("crop_size: 10 rand_resize_ratio_lower: 1 rand_resize_ratio_upper: 1.2")
    assert {p.height for p in ratio} == {30}
    assert {p.width for p in ratio} == set(range(30, 37))


def test_upscaling_alone_changes_nothing():
    assert not RandomSize.wanted(options("allow_upscale: true crop_size: 3"))
    assert RandomSize.wanted(options("horizontal_stretch_lower: 1"))


@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("picture", [PICTURE, HIGH])
def test_pixels_worked_example(phase, picture):
    """Resized first, then cropped and mirrored, whichever the record is."""
    text = "crop_size: 20 mirror: true mean_value: 7 scale: 0.5"
    text += " random_resize_param { min_size: 22 max_size: 25 resize_param { interp_mode: CUBIC } }"
    transformer = Transformer(options(text), phase, 1, "data")
    seen = set()
    for record in range(12):
        out = np.full((1, *transformer.shape(picture.shape)), np.nan, np.float32)
        transformer.apply([picture], out, record)
        piece = RandomSize(options(text), "data").draw(1, record, picture.shape)
        large = resize_cubic(picture.transpose(1, 2, 0), piece.height, piece.width).transpose(2, 0, 1)
        seen.add((piece.height, piece.width))
        place = transformer.place(picture.shape, record)
        if phase == TEST:
            assert (place.top, place.left) == ((piece.height - 20) // 2, (piece.width - 20) // 2)
        want = large[:, place.top : place.top + 20, place.left : place.left + 20]
        want = want[:, :, ::-1] if place.mirrored else want
        np.testing.assert_array_equal(out[0], (want.astype(np.float32) - 7) * np.float32(0.5))
    assert len(seen) > 2


def test_mean_files_are_those_of_the_crop(tmp_path):
    mean = np.random.default_rng(3).random((1, 3, 20, 23)).astype(np.float32)
    (tmp_path / "m").write_bytes(array_to_blobproto(mean).SerializeToString())
    text = f"crop_size: 16 mean_file: '{tmp_path / 'm'}' img_rand_resize_lower: 20 img_rand_resize_upper: 20"
    transformer = Transformer(options(text), TEST, 1, "data")
    out = np.empty((1, *transformer.shape(PICTURE.shape)), np.float32)
    transformer.apply([PICTURE], out, 0)
    small = np.stack([resize_nearest(plane, 20, 27) for plane in PICTURE])
    np.testing.assert_array_equal(out[0], small[:, 2:18, 5:21] - mean[0, :, 2:18, 3:19])
    with pytest.raises(DataError, match="must not be smaller than crop_size"):
        Transformer(options(text.replace("16", "22")), TEST, 1, "data").shape(PICTURE.shape)


def test_points_and_labels_move_with_the_pixels():
    piece = Piece(4, 6, 20, 30, 40, 45, "LINEAR")
    assert piece.points(np.array([[6.0, 4.0], [35.0, 23.0]])).tolist() == [[0.25, 0.5], [43.75, 38.5]]
    part = np.ascontiguousarray(PICTURE[:, 4:24, 6:36].transpose(1, 2, 0))
    np.testing.assert_array_equal(piece.pixels(PICTURE), resize(part, 40, 45).transpose(2, 0, 1))
    np.testing.assert_array_equal(piece.labels(PICTURE[0], 255), resize_nearest(PICTURE[0, 4:24, 6:36], 40, 45))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("random_resize_param { }", "need a crop_size"),
        ("crop_size: 9 random_resize_param { min_size: 8 }", "less than crop_size 9"),
        ("crop_size: 9 random_resize_param { min_size: 12 max_size: 11 }", "larger than max_size 11"),
        ("crop_size: 9 random_resize_param { resize_param { resize_mode: FIT_SMALL_SIZE } }", "must be WARP"),
        ("crop_size: 9 random_aspect_ratio_param { min_area_ratio: 0 }", "0 < min_area_ratio"),
        ("crop_size: 9 img_rand_resize_lower: 9", "go together"),
        ("crop_size: 9 vertical_stretch_lower: 2", r"vertical_stretch_lower \(2\) must be 0 \.\."),
    ],
)
def test_options_that_cannot_be(text, words):
    with pytest.raises(ModelError, match=words):
        Transformer(options(text), TRAIN, 1, "data")


def test_pictures_that_are_too_small():
    stretch = "crop_size: 35 vertical_stretch_upper: 1.5"
    with pytest.raises(DataError, match="crop_size 35 is larger than its 30x40"):
        Transformer(options(stretch), TRAIN, 1, "data").shape(PICTURE.shape)
    assert Transformer(options(stretch + " allow_upscale: true"), TRAIN, 1, "data").shape(PICTURE.shape) == (3, 35, 35)
    grown = Transformer(options("crop_size: 50 random_aspect_ratio_param { }"), TRAIN, 1, "data")
    out = np.empty((4, *grown.shape(PICTURE.shape)), np.float32)
    grown.apply([PICTURE] * 4, out, 0)
    assert out.shape == (4, 3, 50, 50)
