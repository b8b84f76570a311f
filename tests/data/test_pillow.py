import gc
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from caffelike.data import pillow


def picture(size):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    return pixels, Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (3000, 2000)])
def test_the_pixels_are_pillow_s(size):
    pixels, image = picture(size)
    found = pillow.words(image)
    np.testing.assert_array_equal(found.view(np.uint8).reshape(*size, 4)[:, :, :3], pixels)
    assert not found.flags.writeable


def test_they_outlive_the_image():
    pixels, image = picture((60, 50))
    found = pillow.words(image)
    del image
    gc.collect()
    others = [picture((60, 50))[1] for _ in range(50)]
    np.testing.assert_array_equal(found.view(np.uint8).reshape(60, 50, 4)[:, :, :3], pixels)
    assert others


def test_they_are_copied_where_they_cannot_be_had():
    class Old:
        """An image of a Pillow without the interface."""

        def tobytes(self, *arguments):
            assert arguments == ("raw", "RGBX")
            return bytes(range(8))

    class Split(Old):
        def __arrow_c_array__(self):
            raise ValueError("Image is in multiple array blocks")

    for image in (Old(), Split()):
        assert pillow.words(image).tobytes() == bytes(range(8))


def jpeg(size=(60, 50), **options):
    out = io.BytesIO()
    picture(size)[1].save(out, "JPEG", **options)
    return out.getvalue()


def pixels_of(file):
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def decoded(canvas, file):
    size = pillow.jpeg_size(file, False)
    return canvas.jpeg(file, size).view(np.uint8).reshape(*size[::-1], 4)[:, :, :3]


FILES = [jpeg(), jpeg((31, 7), progressive=True), jpeg((31, 7), subsampling=0), jpeg(quality=99), jpeg((300, 400))]


def test_one_canvas_for_many_jpegs():
    canvas = pillow.Canvas()
    for file in [*FILES, *FILES]:
        np.testing.assert_array_equal(decoded(canvas, memoryview(file)), pixels_of(file))


def test_each_thread_has_its_own_memory():
    canvas = pillow.Canvas()
    kept = decoded(canvas, FILES[0])
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(decoded, canvas, FILES[3]).result(), pixels_of(FILES[3]))
    np.testing.assert_array_equal(kept, pixels_of(FILES[0]))


def test_after_a_cut_jpeg_comes_the_next():
    canvas = pillow.Canvas()
    assert canvas.jpeg(FILES[0][:-400], (50, 60)) is None
    np.testing.assert_array_equal(decoded(canvas, FILES[3]), pixels_of(FILES[3]))


def test_a_canvas_without_the_interface(monkeypatch):
    monkeypatch.setattr(pillow, "_in_place", lambda image: None)
    canvas = pillow.Canvas()
    for file in FILES[:3]:
        np.testing.assert_array_equal(decoded(canvas, file), pixels_of(file))


def test_the_size_of_a_jpeg():
    turned = Image.Exif()
    turned[0x0112] = 6
    assert [pillow.jpeg_size(file, True) for file in FILES[:2]] == [(50, 60), (7, 31)]
    assert pillow.jpeg_size(jpeg(exif=turned), False) == (50, 60)
    assert pillow.jpeg_size(jpeg(exif=turned), True) is None
    gray, black = io.BytesIO(), io.BytesIO()
    picture((9, 9))[1].convert("L").save(gray, "JPEG")
    Image.new("CMYK", (9, 9)).save(black, "JPEG")
    frame = FILES[0].index(b"\xff\xc0")
    flat = FILES[0][: frame + 5] + b"\0\0" + FILES[0][frame + 7 :]
    twice = FILES[0][:frame] + FILES[0][frame : frame + 19] + FILES[0][frame:]
    for file in (gray.getvalue(), black.getvalue(), FILES[0][:100], FILES[0][:frame] + b"junk", flat, twice, b""):
        assert pillow.jpeg_size(file, False) is None
