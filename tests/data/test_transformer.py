import io
import itertools

import numpy as np
import pytest
from PIL import Image

from caffelike.data import images
from caffelike.data.transformer import Transformer, below, read_mean
from caffelike.errors import DataError, FileError, ModelError
from caffelike.io import array_to_blobproto
from caffelike.kernels.cpu import transform
from caffelike.schema import TEST, TRAIN, TransformationParameter

RECORDS = np.random.default_rng(2).integers(0, 256, (200, 3, 8, 9), np.uint8)


def run(pixels, phase=TEST, seed=1, record=0, **options):
    transformer = Transformer(TransformationParameter(**options), phase, seed, "data")
    out = np.full((len(pixels), *transformer.shape(pixels[0].shape)), np.nan, np.float32)
    transformer.apply(pixels, out, record)
    return out


@pytest.fixture
def mean_file(tmp_path):
    mean = np.random.default_rng(3).random((1, 3, 8, 9)).astype(np.float32) * 200
    (tmp_path / "mean.binaryproto").write_bytes(array_to_blobproto(mean).SerializeToString())
    return str(tmp_path / "mean.binaryproto"), mean[0]


def test_values_are_kept_without_options():
    np.testing.assert_array_equal(run(RECORDS), RECORDS.astype(np.float32))


def test_mean_then_scale_in_float32():
    want = (RECORDS.astype(np.float32) - np.float32(104.3)) * np.float32(0.017)
    np.testing.assert_array_equal(run(RECORDS, mean_value=[104.3], scale=0.017), want)
    want = RECORDS.astype(np.float32) - np.array([1, 2.5, 3], np.float32)[:, None, None]
    np.testing.assert_array_equal(run(RECORDS, mean_value=[1, 2.5, 3]), want)


def test_centre_crop_with_the_mean_of_the_whole_image(mean_file):
    path, mean = mean_file
    want = (RECORDS.astype(np.float32) - mean)[:, :, 1:6, 2:7]
    np.testing.assert_array_equal(run(RECORDS, crop_size=5, mean_file=path), want)


def test_large_records_in_several_pieces():
    large = np.random.default_rng(4).integers(0, 256, (5, 3, 160, 170), np.uint8)
    want = (large.astype(np.float32) - np.float32(9)) * np.float32(2)
    np.testing.assert_array_equal(run(large, mean_value=[9], scale=2), want)


def test_random_crops_are_all_places_of_the_record(mean_file):
    path, mean = mean_file
    out = run(RECORDS, TRAIN, crop_size=6, mean_file=path)
    level = RECORDS.astype(np.float32) - mean
    found = set()
    for values, got in zip(level, out, strict=True):
        places = [(y, x) for y in range(3) for x in range(4) if np.array_equal(values[:, y : y + 6, x : x + 6], got)]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) == 12


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_half_of_the_records_are_mirrored_after_the_mean(phase, mean_file):
    path, mean = mean_file
    out = run(RECORDS, phase, mirror=True, mean_file=path, scale=0.5)
    level = (RECORDS.astype(np.float32) - mean) * np.float32(0.5)
    mirrored = [not np.array_equal(a, b) for a, b in zip(level, out, strict=True)]
    want = np.where(np.array(mirrored)[:, None, None, None], level[:, :, :, ::-1], level)
    np.testing.assert_array_equal(out, want)
    assert 70 < sum(mirrored) < 130


def test_random_choices_depend_on_seed_and_record_alone():
    options = {"mirror": True, "crop_size": 4}
    whole = run(RECORDS, TRAIN, seed=5, record=1000, **options)
    np.testing.assert_array_equal(run(RECORDS[30:], TRAIN, seed=5, record=1030, **options), whole[30:])
    assert not np.array_equal(run(RECORDS, TRAIN, seed=6, record=1000, **options), whole)
    assert not np.array_equal(run(RECORDS, TRAIN, seed=5, record=1001, **options), whole)


def test_numbers_below_a_limit_reach_both_ends():
    assert [below(np.uint32(n), 3) for n in (0, 2**32 - 1)] == [0, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop_size": 9}, "crop_size 9 is larger than its 8x9 pixels"),
        ({"mean_value": [1, 2]}, "mean_value is given 2 times for 3 channel"),
    ],
)
def test_records_that_do_not_fit(options, words):
    with pytest.raises(DataError, match=words):
        run(RECORDS, **options)


def test_mean_of_another_size(mean_file):
    with pytest.raises(DataError, match=r"mean file is 3x8x9 .* but the record 3x8x8"):
        run(RECORDS[:, :, :, :8], mean_file=mean_file[0])


def test_options_that_exclude_each_other(mean_file):
    with pytest.raises(ModelError, match="mean_file and mean_value"):
        run(RECORDS, mean_file=mean_file[0], mean_value=[1])
    with pytest.raises(ModelError, match="force_color and force_gray"):
        run(RECORDS, force_color=True, force_gray=True)


def test_means_that_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="Could not open mean file"):
        read_mean(str(tmp_path / "none"))
    (tmp_path / "bad").write_bytes(b"\x93NUMPY garbage")
    with pytest.raises(DataError, match="no mean file"):
        read_mean(str(tmp_path / "bad"))
    (tmp_path / "two").write_bytes(array_to_blobproto(np.zeros((2, 3, 4, 4))).SerializeToString())
    with pytest.raises(DataError, match="2x3x4x4"):
        read_mean(str(tmp_path / "two"))


@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("whole_mean", [False, True])
def test_kernels_give_the_definition_s_bits(mean_file, monkeypatch, phase, whole_mean):
    """Raw records, decoded pictures and turned arrays, mirrored and not, with and without kernels."""
    image = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(RECORDS[0].transpose(1, 2, 0))).save(image, "PNG")
    decoded = images.decode(image.getvalue()).transpose(2, 0, 1)
    assert images.words_of(decoded) is not None
    np.testing.assert_array_equal(decoded, RECORDS[0][::-1])
    pixels = [RECORDS[1], decoded, np.asfortranarray(RECORDS[2]), decoded[:, :, :], RECORDS[3].astype(np.float32)] * 4
    pixels += [np.ascontiguousarray(one.transpose(1, 2, 0)).transpose(2, 0, 1) for one in pixels[:4]] * 4
    options = {"mean_file": mean_file[0]} if whole_mean else {"mean_value": [1.1, 2.2, 3.3]}
    for more in ({}, {"crop_size": 5}, {"mirror": True}, {"scale": 0.017, "mirror": True, "crop_size": 4}):
        fast = run(pixels, phase, **options, **more)
        with monkeypatch.context() as patch:
            patch.setenv("CAFFELIKE_KERNELS", "numpy")
            plain = run(pixels, phase, **options, **more)
        np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize("width", [15, 16, 17, 31, 32, 67])
def test_rows_of_any_width(width):
    """Vectors cover a row from its first to its last pixel and write nothing beside it, wherever it begins."""
    generator = np.random.default_rng(width)
    planes = generator.integers(0, 256, (3, 9, 80), np.uint8)
    word = np.ascontiguousarray(
        (planes[::-1].astype(np.uint32) << np.array([0, 8, 16])[:, None, None]).sum(0, np.uint32)
    )
    word.flags.writeable = planes.flags.writeable = False
    whole = generator.random((3, 9, 80), np.float32)
    for mean, mirrored, start in itertools.product((whole, whole[:, :1, :1].copy()), (False, True), (0, 3)):
        want = ((planes - mean) * np.float32(0.3))[:, 2:7, 5 : 5 + width]
        want = want[:, :, ::-1] if mirrored else want
        for kernel, values in ((transform.planes, planes), (transform.words, word)):
            memory = np.full(want.size + 40, 7, np.float32)
            out = memory[start : start + want.size].reshape(want.shape)
            kernel(values, mean, out, 2, 5, mirrored, 0.3)
            np.testing.assert_array_equal(out, want)
            assert (np.delete(memory, np.s_[start : start + want.size]) == 7).all()


def test_pixels_that_are_no_decoded_picture_have_no_words():
    word = np.arange(20, dtype=np.uint32)
    planes = word.view(np.uint8).reshape(4, 5, 4)[:, :, 2::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(images.words_of(planes), word.reshape(4, 5))
    for other in (planes[:, 1:], planes[:, :, 1:], planes[::-1], planes[:2], planes.copy(), np.zeros((3, 4, 5))):
        assert images.words_of(other) is None
