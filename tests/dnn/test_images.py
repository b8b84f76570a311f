import numpy as np
import pytest

from caffelike import dnn
from caffelike.errors import CaffelikeError

cv2 = pytest.importorskip("cv2")


def picture(generator, height, width, channels, dtype=np.uint8):
    pixels = (generator.random((height, width, channels)) * 255).astype(dtype)
    return pixels[:, :, 0] if channels == 1 and generator.integers(2) else pixels


@pytest.mark.parametrize("seed", range(60))
def test_blobs_of_uint8_have_opencvs_bits(seed):
    generator = np.random.default_rng(seed)
    channels = (1, 3, 4)[seed % 3]
    images = [picture(generator, *generator.integers(1, 50, 2), channels) for _ in range(3)]
    if seed % 5 == 0:  # exactly half of it, where OpenCV takes means
        images = [picture(generator, 2 * 9, 2 * 14 + seed % 2, channels)]
    size = (14, 9) if seed % 5 == 0 else tuple(int(v) for v in generator.integers(1, 40, 2))
    mean = tuple(generator.random(channels) * 120) if seed % 4 else float(generator.random())
    settings = (float(generator.random() * 2), size, mean, bool(generator.integers(2)), bool(generator.integers(2)))
    np.testing.assert_array_equal(dnn.blobFromImages(images, *settings), cv2.dnn.blobFromImages(images, *settings))
    bare = (1.0, size, (), *settings[3:], cv2.CV_8U)
    got = dnn.blobFromImage(images[0], *bare)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, cv2.dnn.blobFromImage(images[0], *bare))


@pytest.mark.parametrize("seed", range(30))
def test_blobs_of_floats(seed):
    generator = np.random.default_rng(seed)
    image = picture(generator, *generator.integers(1, 50, 2), 3, np.float32)
    same = {"scalefactor": 1 / 3, "mean": (1.5, 2.25, 3), "swapRB": True}
    np.testing.assert_array_equal(dnn.blobFromImage(image, **same), cv2.dnn.blobFromImage(image, **same))
    np.testing.assert_array_equal(dnn.blobFromImage(image.astype(float), **same), dnn.blobFromImage(image, **same))
    for crop in (False, True):
        settings = {**same, "size": tuple(int(v) for v in generator.integers(1, 40, 2)), "crop": crop}
        wanted = cv2.dnn.blobFromImage(image, **settings)
        np.testing.assert_allclose(dnn.blobFromImage(image, **settings), wanted, rtol=3e-7, atol=2e-5)


def test_size_of_the_first_image_and_worked_by_hand():
    first, second = np.full((2, 3, 3), (10, 20, 30), np.uint8), np.full((5, 5, 3), 7, np.uint8)
    blob = dnn.blobFromImages([first, second], 0.5, mean=(1, 2, 3), swapRB=True)
    assert blob.shape == (2, 3, 2, 3)
    assert blob.dtype == np.float32
    assert blob[0, :, 0, 0].tolist() == [14.5, 9, 3.5]
    assert blob[1, :, 1, 1].tolist() == [3, 2.5, 2]
    assert dnn.blobFromImage(first, size=None).shape == (1, 3, 2, 3)
    assert (first[0, 0] == (10, 20, 30)).all()


def test_back_to_images():
    blob = np.arange(2 * 3 * 2 * 4, dtype=np.float32).reshape(2, 3, 2, 4)
    for got, wanted in zip(dnn.imagesFromBlob(blob), cv2.dnn.imagesFromBlob(blob), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert dnn.imagesFromBlob(blob[:, :1])[0].shape == (2, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dnn.blobFromImage(None), "cv2.imread cannot read"),
        (lambda: dnn.blobFromImage(np.zeros((2, 2, 2), np.uint8)), "1, 3 or 4 channels"),
        (lambda: dnn.blobFromImage(np.zeros((2, 2), np.int16)), r"not int16: image\.astype"),
        (lambda: dnn.blobFromImage(np.zeros((2, 2), np.uint8), 2, ddepth=0), "no mean and no scalefactor"),
        (lambda: dnn.blobFromImage(np.zeros((2, 2), np.float32), ddepth=0), "made of uint8 images"),
        (lambda: dnn.blobFromImage(np.zeros((2, 2), np.uint8), ddepth=6), "ddepth is"),
        (lambda: dnn.blobFromImage(np.zeros((2, 2), np.uint8), mean=range(5)), "at most 4"),
        (lambda: dnn.blobFromImages([]), "at least one"),
        (lambda: dnn.blobFromImages([np.zeros((2, 2, c), np.uint8) for c in (1, 3)]), r"not \[1, 3\]"),
        (lambda: dnn.imagesFromBlob(np.zeros(3)), "imagesFromBlob takes"),
    ],
)
def test_what_is_no_image(call, message):
    with pytest.raises(dnn.error, match=message):
        call()
    assert dnn.error is CaffelikeError
