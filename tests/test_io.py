import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import io
from caffelike.errors import CaffelikeError, DataError, FileError, ShapeError
from caffelike.schema import BlobProto, Datum

GENERATOR = np.random.default_rng(0)


# Messages


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3, 4), (5,), ()])
def test_blobs_there_and_back(shape):
    values, diff = GENERATOR.random((2, *shape), np.float32)
    blob = io.array_to_blobproto(values, diff)
    assert tuple(blob.shape.dim) == shape
    np.testing.assert_array_equal(io.blobproto_to_array(blob), values)
    np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), diff)


def test_old_and_double_blobs():
    blob = BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    assert io.blobproto_to_array(blob).tolist() == [[[[0, 1, 2]], [[3, 4, 5]]]]
    assert io.blobproto_to_array(BlobProto(double_data=[3])).tolist() == 3
    blob = BlobProto(double_data=[1, 2])
    with pytest.raises(ValueError, match="says nothing of its shape"):
        io.blobproto_to_array(blob)
    blob.shape.dim.append(2)
    assert io.blobproto_to_array(blob).tolist() == [1, 2]
    blob.shape.dim[0] = 3
    with pytest.raises(DataError, match=r"shape is \(3,\), but holds 2 values"):
        io.blobproto_to_array(blob)


def test_vectors_of_blobs():
    arrays = [GENERATOR.random((2, 3), np.float32), np.zeros(4, np.float32)]
    back = io.blobprotovector_str_to_arraylist(io.arraylist_to_blobprotovector_str(arrays))
    assert [a.tolist() for a in back] == [a.tolist() for a in arrays]


@pytest.mark.parametrize("values", [np.arange(24, dtype=np.uint8), np.arange(24) / 7])
def test_records_there_and_back(values):
    values = values.reshape(2, 3, 4)
    datum = io.array_to_datum(values, 5)
    assert (datum.label, datum.HasField("data")) == (5, values.dtype == np.uint8)
    np.testing.assert_array_equal(io.datum_to_array(datum), values.astype(np.float32))
    assert not io.array_to_datum(values).HasField("label")


def test_what_is_no_record():
    with pytest.raises(ShapeError, match="Incorrect array shape"):
        io.array_to_datum(np.zeros((2, 2)))
    with pytest.raises(DataError, match="encoded image"):
        io.datum_to_array(Datum(encoded=True, data=b"x"))


# Transformer


@pytest.fixture
def transformer():
    found = io.Transformer({"data": (1, 3, 4, 5)})
    found.set_transpose("data", (2, 0, 1))
    found.set_channel_swap("data", (2, 1, 0))
    found.set_raw_scale("data", 255)
    found.set_mean("data", np.array([1, 2, 3]))
    found.set_input_scale("data", 0.5)
    return found


def test_steps_in_their_order(transformer):
    image = GENERATOR.random((4, 5, 3)).astype(np.float32)
    before = image.copy()
    got = transformer.preprocess("data", image)
    want = (image.transpose(2, 0, 1)[::-1] * np.float32(255) - np.array([[[1]], [[2]], [[3]]], np.float32)) * 0.5
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(image, before)
    assert got.dtype == np.float32
    np.testing.assert_allclose(transformer.deprocess("data", got[None]), image, atol=1e-6)


def test_nothing_set_changes_nothing():
    image = GENERATOR.random((4, 5, 3))
    np.testing.assert_array_equal(
        io.Transformer({"data": (1, 3, 4, 5)}).preprocess("data", image), image.astype(np.float32)
    )


def test_images_and_means_are_resized(transformer):
    image = GENERATOR.random((9, 7, 3)).astype(np.float32)
    mean = GENERATOR.random((3, 8, 8)).astype(np.float32)
    transformer.set_mean("data", mean)
    want = io.resize_image(image, (4, 5)).transpose(2, 0, 1)[::-1] * np.float32(255)
    want = (want - io.resize_image(mean.transpose(1, 2, 0), (4, 5)).transpose(2, 0, 1)) * 0.5
    np.testing.assert_allclose(transformer.preprocess("data", image), want, rtol=1e-6)
    transformer.set_mean("data", np.full((4, 5), 7.0))
    assert transformer.mean["data"].shape == (1, 4, 5)


def test_refused_settings(transformer):
    with pytest.raises(CaffelikeError, match="dat is not one of the net inputs: data"):
        transformer.set_raw_scale("dat", 1)
    with pytest.raises(CaffelikeError, match="not one of the net inputs"):
        transformer.preprocess("x", np.zeros((4, 5, 3)))
    with pytest.raises(ShapeError, match="Transpose order"):
        transformer.set_transpose("data", (0, 1))
    with pytest.raises(ShapeError, match="Channel swap"):
        transformer.set_channel_swap("data", (0, 1))
    with pytest.raises(ShapeError, match="Mean channels incompatible"):
        transformer.set_mean("data", np.zeros(4))
    with pytest.raises(ShapeError, match="Mean shape invalid"):
        transformer.set_mean("data", np.zeros((1, 3, 4, 5)))


# Images


def test_load_image(tmp_path):
    rgb = GENERATOR.integers(0, 256, (3, 4, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    got = io.load_image(tmp_path / "rgb.png")
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, (rgb / 255).astype(np.float32))
    gray = io.load_image(str(tmp_path / "rgb.png"), color=False)
    np.testing.assert_allclose(gray, rgb @ np.array([[0.2125], [0.7154], [0.0721]]) / 255, rtol=1e-6)


def test_load_image_of_other_kinds(tmp_path):
    alpha = Image.new("RGBA", (2, 1), (255, 51, 0, 9))
    gray = Image.new("L", (2, 1), 51)
    deep = Image.fromarray(np.array([[0, 13107]], np.uint16))
    for name, image in (
        ("alpha", alpha),
        ("gray", gray),
        ("deep", deep),
        ("palette", alpha.convert("RGB").quantize(2)),
    ):
        image.save(tmp_path / f"{name}.png")
    assert io.load_image(tmp_path / "alpha.png")[0, 0].tolist() == [1, np.float32(0.2), 0]
    assert io.load_image(tmp_path / "palette.png")[0, 0].tolist() == [1, np.float32(0.2), 0]
    assert io.load_image(tmp_path / "gray.png").tolist() == [[[np.float32(0.2)] * 3] * 2]
    assert io.load_image(tmp_path / "gray.png", color=False).shape == (1, 2, 1)
    assert io.load_image(tmp_path / "deep.png")[0, 1].tolist() == [np.float32(0.2)] * 3


def test_load_image_that_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="Could not open image"):
        io.load_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match="Could not load"):
        io.load_image(tmp_path / "text.png")


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(3, 4), (7, 9), (8, 20), (40, 5), (1, 1)])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_resize_as_scipy_does(channels, size, order):
    ndimage = pytest.importorskip("scipy.ndimage")
    image = GENERATOR.random((8, 9, channels)).astype(np.float32) - 0.3
    got = io.resize_image(image, size, order)
    assert got.dtype == np.float32
    factors = (size[0] / 8, size[1] / 9, 1)
    if channels in (1, 3):
        low = image.min()
        # Nearest pixels are inside the image always; halves are rounded up, as in scikit-image.
        want = ndimage.zoom(image.astype(np.float64) - low, factors, order=order, mode="grid-constant", grid_mode=True)
        want += low
    else:
        want = ndimage.zoom(image.astype(np.float64), factors, order=order)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_resize_worked_by_hand():
    image = np.array([[[0.0], [1.0]]])
    assert io.resize_image(image, (1, 4)).ravel().tolist() == [0, 0.25, 0.75, 0.75]
    assert io.resize_image(np.full((2, 2, 3), 0.25), (5, 7)).tolist() == np.full((5, 7, 3), 0.25).tolist()
    with pytest.raises(CaffelikeError, match="interp_order 0 to 5, not 6"):
        io.resize_image(image, (2, 2), 6)
    with pytest.raises(ShapeError, match="height, width, channels"):
        io.resize_image(np.zeros((4, 4)), (2, 2))


def test_oversample():
    image = np.arange(5 * 7 * 2, dtype=np.float32).reshape(5, 7, 2)
    crops = io.oversample([image, -image], (2, 3))
    assert crops.shape == (20, 2, 3, 2)
    places = [(0, 0), (0, 4), (3, 0), (3, 4), (1, 2)]
    for i, (y, x) in enumerate(places):
        np.testing.assert_array_equal(crops[i], image[y : y + 2, x : x + 3])
        np.testing.assert_array_equal(crops[5 + i], image[y : y + 2, x : x + 3][:, ::-1])
    np.testing.assert_array_equal(crops[10:], -crops[:10])
    with pytest.raises(ShapeError, match="cannot cut 6x3"):
        io.oversample([image], (6, 3))
    with pytest.raises(ShapeError, match="one shape"):
        io.oversample(image, (2, 3))


def test_it_is_caffelike_s():
    assert caffelike.io is io
