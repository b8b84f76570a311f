import numpy as np
import pytest

from caffelike.data import noise
from caffelike.errors import DataError, ModelError
from caffelike.schema import message_class

GENERATOR = np.random.default_rng(1)


def changed(image, **fields):
    return noise.noisy(np.asarray(image, np.uint8), message_class("NoiseParameter")(**fields), GENERATOR)


def pictures(count=16):
    """Smooth and rough ones of many sizes, some of which are whole numbers of CLAHE's tiles; every third is gray."""
    for trial in range(count):
        height, width = (int(n) for n in GENERATOR.integers(2, 70, 2))
        if trial % 4 == 0:
            height, width = height // 8 * 8 + 8, width // 8 * 8 + 8
        image = GENERATOR.integers(0, 256, (height, width, 3), np.uint8)
        if trial % 2:
            image = image // 4 + np.arange(width, dtype=np.uint8)[:, None]
        yield image[:, :, :1] if trial % 3 == 0 else image


def on_brightness(cv2, image, change):
    if image.shape[2] == 1:
        return change(image)
    planes = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
    planes[..., 0] = change(np.ascontiguousarray(planes[..., 0]))
    return cv2.cvtColor(planes, cv2.COLOR_YCrCb2BGR)


def through_jpeg(cv2, image):
    file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return cv2.imdecode(file, cv2.IMREAD_COLOR if image.shape[2] == 3 else cv2.IMREAD_GRAYSCALE)


OPENCV = {
    "gauss_blur": lambda cv2, image: cv2.GaussianBlur(image, (7, 7), 1.5),
    "hist_eq": lambda cv2, image: on_brightness(cv2, image, cv2.equalizeHist),
    "clahe": lambda cv2, image: on_brightness(cv2, image, cv2.createCLAHE(4).apply),
    "jpeg": through_jpeg,
    "erode": lambda cv2, image: cv2.erode(image, cv2.getStructuringElement(2, (3, 3), (1, 1))),
    "decolorize": lambda cv2, image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "convert_to_hsv": lambda cv2, image: cv2.cvtColor(image, cv2.COLOR_BGR2HSV),
}


@pytest.mark.parametrize("field", OPENCV)
def test_equal_to_opencv(field):
    cv2 = pytest.importorskip("cv2")
    for image in pictures():
        image = np.ascontiguousarray(image)
        if field in ("decolorize", "convert_to_hsv") and image.shape[2] == 1:
            assert changed(image, **{field: True}) is image
            continue
        got = changed(image, **{field: 40 if field == "jpeg" else True})
        want = OPENCV[field](cv2, image).reshape(image.shape)
        # Two builds of the JPEG codec may round differently.
        assert np.abs(got.astype(int) - want).max() <= 2 * (field == "jpeg"), image.shape


def test_worked_examples():
    red = [[[0, 0, 200]]]
    assert changed(red, decolorize=True).tolist() == [[[60, 60, 60]]]  # 0.299 * 200
    assert changed(red, convert_to_hsv=True).tolist() == [[[0, 255, 200]]]
    assert changed([[[10, 100, 255]]], inverse=True).tolist() == [[[245, 155, 0]]]
    assert changed([[[10, 100, 255]]], posterize=True).tolist() == [[[32, 96, 224]]]
    assert changed([[[3], [1], [2], [9], [8]]], erode=True).ravel().tolist() == [1, 1, 1, 2, 8]
    # Four of eight are 10, which becomes 0; one more of four at 20, 30 and 40: 255 / 4 each, 60 has two of them.
    line = np.array([10, 10, 10, 10, 20, 30, 60, 60])[None, :, None]
    assert changed(line, hist_eq=True).ravel().tolist() == [0, 0, 0, 0, 64, 128, 255, 255]
    assert (changed(np.full((9, 9, 3), 77), gauss_blur=True) == 77).all()


def test_salt_and_pepper():
    p = message_class("NoiseParameter")(saltpepper=True)
    p.saltpepper_param.fraction = 0.25
    p.saltpepper_param.value.append(255)
    image = np.zeros((20, 30, 3), np.uint8)
    out = noise.noisy(image, p, np.random.default_rng(0))
    white = (out == 255).all(axis=2)
    assert 110 < white.sum() <= 150  # 150 draws of 600, some twice
    assert not out[~white].any()
    assert not image.any()
    p.saltpepper_param.value.append(0)
    with pytest.raises(DataError, match="2 value"):
        noise.noisy(image, p, np.random.default_rng(0))


def test_one_of_several():
    kind = message_class("NoiseParameter")
    several = [kind(prob=0.25), kind(prob=0.75)]
    drawn = [several.index(noise.one_of(several, GENERATOR)) for _ in range(200)]
    assert 120 < sum(drawn) < 180
    assert noise.one_of(several[:1], GENERATOR) is several[0]


def test_refused():
    kind = message_class("NoiseParameter")
    for several, said in (
        ([kind(convert_to_lab=True)], "convert_to_lab"),
        ([kind(sigma=2)], "OpenCL"),
        ([kind(saltpepper=True)], "saltpepper_param"),
        ([kind(jpeg=101)], "1 .. 100"),
        ([kind(), kind()], "prob above 0"),
    ):
        with pytest.raises(ModelError, match=said):
            noise.check(several, "d")
    with pytest.raises(DataError, match="1 or 3 channels"):
        changed(np.zeros((2, 2, 4)), jpeg=50)
