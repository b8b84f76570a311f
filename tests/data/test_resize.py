import numpy as np
import pytest

from caffelike.data.resize import resize, resize_cubic, resize_nearest, resizer
from caffelike.errors import DataError


def test_worked_example():
    image = np.array([[0, 100]], np.uint8)
    assert resize(image, 1, 4).tolist() == [[0, 25, 75, 100]]
    assert resize(np.array([[1, 2], [4, 6]], np.uint8), 1, 1).tolist() == [[3]]
    assert resize(image, 1, 2) is image


@pytest.mark.parametrize("kernels", ["", "numpy"])
def test_equal_to_opencv_to_the_bit(monkeypatch, kernels):
    monkeypatch.setenv("CAFFELIKE_KERNELS", kernels)
    cv2 = pytest.importorskip("cv2")
    generator = np.random.default_rng(5)
    for trial in range(300):
        rows, columns, height, width = (int(n) for n in generator.integers(1, 90, 4))
        if trial % 5 == 0:
            rows, columns = 2 * height, 2 * width
        if trial % 7 == 0:
            height = rows
        if trial % 11 == 0:
            columns = 2 * width
        image = generator.integers(0, 256, (rows, columns, *[(), (1,), (3,), (4,)][trial % 4]), np.uint8)
        want = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        got = resize(image, height, width)
        np.testing.assert_array_equal(got.reshape(want.shape), want, f"{image.shape} to {height}x{width}")


def test_large_sizes_too():
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(6).integers(0, 256, (375, 500, 3), np.uint8)
    for height, width in ((256, 256), (227, 227), (751, 333), (96, 1203)):
        np.testing.assert_array_equal(resize(image, height, width), cv2.resize(image, (width, height)))


@pytest.mark.parametrize("image", [np.zeros((2, 2)), np.zeros((0, 2), np.uint8), np.zeros(3, np.uint8)])
def test_what_cannot_be_resized(image):
    with pytest.raises(DataError, match="Cannot resize"):
        resize(image, 2, 2)
    with pytest.raises(DataError, match="sizes from 1 up"):
        resize(np.zeros((2, 2), np.uint8), 0, 2)


def test_nearest_is_opencv_s():
    cv2 = pytest.importorskip("cv2")
    generator = np.random.default_rng(6)
    for _ in range(200):
        rows, columns, height, width = (int(n) for n in generator.integers(1, 90, 4))
        labels = generator.integers(0, 256, (rows, columns), np.uint8)
        want = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(resize_nearest(labels, height, width), want)


CUBIC = np.array([[217, 163, 130, 69, 78], [10, 19, 4, 44, 208], [166, 233, 128, 155, 248], [186, 161, 139, 143, 239]])


def test_cubic_worked_example():
    """By OpenCV 4 without Intel's library."""
    tall = [
        [221, 143, 63],
        [127, 79, 98],
        [16, 5, 151],
        [87, 53, 199],
        [200, 134, 222],
        [195, 143, 217],
        [178, 140, 208],
    ]
    wide = [
        [189, 172, 145, 125, 110, 78, 63, 83, 99],
        [61, 87, 119, 92, 53, 58, 114, 199, 255],
        [187, 184, 178, 158, 140, 131, 156, 212, 250],
    ]
    for want in (tall, wide):
        got = resize_cubic(CUBIC.astype(np.uint8)[..., None], len(want), len(want[0]))
        assert got[..., 0].tolist() == want
        exact = resize_cubic(CUBIC.astype(np.float32)[..., None], len(want), len(want[0]))
        np.testing.assert_allclose(np.clip(exact[..., 0], 0, 255), want, atol=0.6)


def test_cubic_is_opencv_s():
    cv2 = pytest.importorskip("cv2")
    generator = np.random.default_rng(7)
    cv2.ipp.setUseIPP(False)
    try:
        for rows, columns, height, width in generator.integers(1, 70, (40, 4)).tolist():
            image = generator.integers(0, 256, (rows, columns, 3), np.uint8)
            want = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
            away = resizer("CUBIC")(image, height, width).astype(int) - want
            assert np.abs(away).max() <= 1
            assert np.count_nonzero(away) <= 2  # sums that end at a half
    finally:
        cv2.ipp.setUseIPP(True)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize(("word", "off"), [("AREA", 1), ("LANCZOS4", 0)])
def test_area_and_lanczos_are_opencv_s(word, off, kind):
    """uint8: one unit at some half of AREA, else equal; float32: to rounding."""
    cv2 = pytest.importorskip("cv2")
    generator = np.random.default_rng(8)
    other = wrong = 0
    for trial in range(80):
        rows, columns, height, width = (int(n) for n in generator.integers(1, 60, 4))
        if trial % 3 == 0:
            rows, columns = height + rows, width + columns
        if trial % 5 == 0:
            rows, columns = 2 * height, (2 + trial % 2) * width
        image = generator.integers(0, 256, (rows, columns, 3)).astype(kind)
        want = cv2.resize(image, (width, height), interpolation=getattr(cv2, f"INTER_{word}"))
        away = np.abs(resizer(word)(image, height, width).astype(np.float64) - want)
        assert away.max() <= (off if kind is np.uint8 else 1e-3), (image.shape, height, width)
        other, wrong = other + away.size, wrong + (away > 1e-3).sum()
    assert wrong <= 0.002 * other


def test_area_and_lanczos_worked_example():
    """Means of what a pixel covers: 2.5 by 1 pixels of (10, 20, 30, 40, 50) become (10 + 20 + 15) / 2.5 = 18."""
    line = np.array([[[10], [20], [30], [40], [50]]], np.uint8)
    assert resizer("AREA")(line, 1, 2).ravel().tolist() == [18, 42]
    assert resizer("AREA")(np.array([[[0], [100]]], np.uint8), 1, 4).ravel().tolist() == [0, 0, 100, 100]
    step = np.array([[[0]] * 8 + [[200]] * 8], np.float32).reshape(1, 16, 1)
    halved = resizer("LANCZOS4")(step, 1, 8).ravel()
    # A quarter pixel between two: the four weights on one side are sinc(t) sinc(t / 4) at 0.5, 1.5, 2.5, 3.5.
    t = np.arange(4) + 0.5
    weights = np.sinc(t) * np.sinc(t / 4)
    share = weights / (2 * weights.sum())
    far = [200 * share[3:].sum() + 200 * share[2], 200 * share[3]]
    np.testing.assert_allclose(halved[2:4], [far[1], 200 * (share[1] + share[2] + share[3])], atol=1e-3)
    np.testing.assert_allclose(halved + halved[::-1], 200, atol=1e-3)
