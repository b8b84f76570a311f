import numpy as np
import pytest
from PIL import Image

from caffelike.errors import CaffelikeError, DataError
from caffelike.recipe import Recipe

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)  # RGB


def prepare(recipe, picture, shape):
    return recipe.prepare(recipe.read(picture), shape)


def test_channels_mean_and_scale():
    found = prepare(Recipe(color="BGR", mean=(1, 2, 3), scale=0.5), PICTURE, (1, 3, 4, 6))
    want = (PICTURE[:, :, ::-1].astype(np.float32) - [1, 2, 3]) * 0.5
    assert found.dtype == np.float32
    assert found.tolist() == want.transpose(2, 0, 1).tolist()
    assert prepare(Recipe(color="RGB"), PICTURE, (1, 3, 4, 6))[0].tolist() == PICTURE[:, :, 0].tolist()


def test_a_file_floats_and_gray_are_the_same_picture(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "p.png")
    want = prepare(Recipe(), PICTURE, (1, 3, 4, 6))
    assert prepare(Recipe(), tmp_path / "p.png", (1, 3, 4, 6)).tolist() == want.tolist()
    assert prepare(Recipe(), PICTURE / 255, (1, 3, 4, 6)).tolist() == want.tolist()
    gray = np.full((4, 6), 7, np.uint8)
    assert prepare(Recipe(color="gray"), gray, (1, 1, 4, 6)).tolist() == np.full((1, 4, 6), 7.0).tolist()
    assert prepare(Recipe(color="BGR"), gray, (1, 3, 4, 6)).tolist() == np.full((3, 4, 6), 7.0).tolist()


@pytest.mark.parametrize(
    ("recipe", "columns"),
    [
        (Recipe(resize="warp", size=(4, 6)), [1, 2, 3, 4]),  # 4x6, its middle 2x4
        (Recipe(resize="shorter", size=(4, 4)), [1, 2, 3, 4]),
        (Recipe(resize="none"), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_what_is_cut_out(recipe, columns):
    red = prepare(Recipe(**{**vars(recipe), "color": "RGB"}), PICTURE, (1, 3, 2, 4))[0]
    rows = [1, 2] if recipe.resize != "none" else range(4)
    assert red.tolist() == [[PICTURE[y, x, 0] for x in columns] for y in rows]


def test_pad_keeps_the_whole_picture():
    found = prepare(Recipe(resize="pad", pad=99), PICTURE, (1, 3, 6, 6))
    assert found[:, [0, 5]].tolist() == np.full((3, 2, 6), 99.0).tolist()
    assert found[2, 1:5].tolist() == PICTURE[:, :, 0].tolist()


def test_a_mean_image_is_cut_like_the_picture():
    mean = PICTURE[:, :, ::-1].transpose(2, 0, 1).astype(np.float32)
    for image in (mean, mean[:, 1:3, 1:5]):  # of the resized picture's size, and of the input's
        recipe = Recipe(size=(4, 6), mean_image=image)
        assert not prepare(recipe, PICTURE, (1, 3, 2, 4)).any()
    with pytest.raises(DataError, match="smaller than the 2x4"):
        prepare(Recipe(size=(4, 6), mean_image=mean[:, :1]), PICTURE, (1, 3, 2, 4))


@pytest.mark.parametrize("resize", ["warp", "shorter", "pad", "none"])
def test_boxes_come_back_to_the_picture(resize):
    recipe = Recipe(resize=resize)
    shape = (1, 3, 50, 50) if resize != "none" else (1, 3, 40, 80)
    picture = (40, 80)
    height, width = recipe._content(picture, shape)
    scale = np.array([width / 80, height / 40] * 2)
    offset = np.array([(width - shape[3]) / 2, (height - shape[2]) / 2] * 2)
    box = np.array([30.0, 10, 50, 30])
    shares = (box * scale - offset) / np.array([shape[3], shape[2]] * 2)
    np.testing.assert_allclose(recipe.to_picture(shares[None], picture, shape), box[None])
    assert recipe.to_picture(np.array([[-9, -9, 9, 9]]), picture, shape).tolist() == [[0, 0, 80, 40]]


def test_json_and_back():
    recipe = Recipe(color="RGB", size=(256, 256), mean=(1, 2, 3), labels=("a", "b"), scale=0.25)
    assert Recipe.from_json(recipe.to_json(), "here") == recipe
    with pytest.raises(CaffelikeError, match=r"here: a recipe has .* but not \['colour'\]"):
        Recipe.from_json('{"colour": "RGB"}', "here")
    with pytest.raises(CaffelikeError, match="here: this is no JSON"):
        Recipe.from_json("{", "here")


def test_wrong_values():
    with pytest.raises(CaffelikeError, match="color is BGR, RGB or gray, not 'rgb'"):
        Recipe(color="rgb")
    with pytest.raises(CaffelikeError, match="1 or 3 values for BGR, but 2"):
        Recipe(mean=(1, 2))
    with pytest.raises(CaffelikeError, match=r"\(1, 1, 4, 6\), but this recipe makes \(N, 3, H, W\) of BGR"):
        prepare(Recipe(), PICTURE, (1, 1, 4, 6))
    with pytest.raises(DataError, match="not int64"):
        Recipe().read(PICTURE.astype(np.int64))
