import io

import numpy as np
import pytest
from PIL import Image

from caffelike.data.images import decode, read
from caffelike.data.pillow import Canvas
from caffelike.errors import DataError, FileError

HEIGHT, WIDTH = 23, 31


def smooth(channels):
    """An image without hard edges, different in each channel."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [127 + 90 * np.sin(x / (3 + c) + c) + 37 * np.cos(y / (2 + c)) for c in range(channels)]
    return np.stack(waves, -1).clip(0, 255).astype(np.uint8)


def file_of(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def files():
    rgb, rgba = Image.fromarray(smooth(3)), Image.fromarray(smooth(4))
    gray = Image.fromarray(smooth(1)[:, :, 0])
    palette = rgb.quantize(64)
    cmyk = Image.frombytes("CMYK", (WIDTH, HEIGHT), smooth(4).tobytes())
    deep = Image.fromarray(smooth(1)[:, :, 0].astype(np.uint16) * 200)
    turned = Image.Exif()
    found = {
        "png": file_of(rgb, "PNG"),
        "png with alpha": file_of(rgba, "PNG"),
        "png gray": file_of(gray, "PNG"),
        "png gray with alpha": file_of(Image.merge("LA", [gray, gray]), "PNG"),
        "png palette": file_of(palette, "PNG"),
        "png transparent palette": file_of(palette, "PNG", transparency=3),
        "png 1 bit": file_of(gray.convert("1"), "PNG"),
        "png 16 bits": file_of(deep, "PNG"),
        "jpeg": file_of(rgb, "JPEG", quality=90),
        "jpeg 444": file_of(rgb, "JPEG", subsampling=0),
        "jpeg progressive": file_of(rgb, "JPEG", progressive=True),
        "jpeg gray": file_of(gray, "JPEG"),
        "jpeg cmyk": file_of(cmyk, "JPEG"),
        "bmp": file_of(rgb, "BMP"),
        "bmp palette": file_of(palette, "BMP"),
        "tiff": file_of(rgb, "TIFF"),
        "webp": file_of(rgb, "WEBP", lossless=True),
        "gif": file_of(palette, "GIF"),
        "ppm": file_of(rgb, "PPM"),
    }
    for orientation in range(1, 9):
        turned[0x0112] = orientation
        found[f"jpeg turned {orientation}"] = file_of(rgb, "JPEG", exif=turned)
    return found


FILES = files()


@pytest.mark.parametrize("name", FILES)
def test_as_opencv_reads_it(name):
    cv2 = pytest.importorskip("cv2")
    data = np.frombuffer(FILES[name], np.uint8)
    np.testing.assert_array_equal(decode(FILES[name]), cv2.imdecode(data, cv2.IMREAD_COLOR))
    want = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)[:, :, None].astype(int)
    # libpng changed how it rounds the weights of gray; see _GRAY_PNG.
    assert np.abs(decode(FILES[name], "gray") - want).max() <= name.startswith("png")
    if "16" in name:
        with pytest.raises(DataError, match="more than 8 bits"):
            decode(FILES[name], "native")
    else:
        np.testing.assert_array_equal(
            decode(FILES[name], "native"), np.atleast_3d(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
        )


@pytest.mark.parametrize("mode", ["color", "gray", "native"])
def test_a_canvas_gives_the_same_pixels(mode):
    canvas = Canvas()
    for name, file in FILES.items():
        if not (mode == "native" and "16" in name):
            np.testing.assert_array_equal(decode(file, mode, canvas), decode(file, mode), name)


def test_channels_are_bgr_and_alpha_is_dropped():
    red = Image.new("RGBA", (2, 1), (255, 10, 0, 3))
    assert decode(file_of(red, "PNG")).tolist() == [[[0, 10, 255]] * 2]
    assert decode(file_of(red, "PNG"), "native").tolist() == [[[0, 10, 255, 3]] * 2]


def test_from_a_path(tmp_path):
    (tmp_path / "a.png").write_bytes(FILES["png"])
    np.testing.assert_array_equal(read(str(tmp_path / "a.png")), smooth(3)[:, :, ::-1])
    assert read(str(tmp_path / "a.png"), color=False).shape == (HEIGHT, WIDTH, 1)
    with pytest.raises(FileError, match="Could not open image"):
        read(str(tmp_path / "b.png"))


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(FILES["jpeg"][:-200])
    (tmp_path / "empty.png").touch()
    for name in ("text.jpg", "cut.jpg", "empty.png"):
        with pytest.raises(DataError, match=f"Could not load .*{name}"):
            read(str(tmp_path / name))
