import gc

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
