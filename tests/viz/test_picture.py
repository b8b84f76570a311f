import numpy as np
import pytest

from caffelike import viz
from caffelike.recipe import Recipe
from caffelike.viz import picture


def test_heat_goes_from_blue_to_red():
    colors = picture.heat(np.array([[0.0, 1.0, 2.0]]))[0]
    assert colors[0].tolist() == [0, 0, 128]
    np.testing.assert_allclose(colors[1], [128, 255, 128], atol=3)
    assert colors[2].tolist() == [128, 0, 0]
    assert (picture.heat(np.ones((2, 2))) == [0, 0, 128]).all()


def test_maps_are_tiles():
    assert picture.maps(np.zeros((5, 4, 6))).shape == (9, 20, 3)
    assert picture.filters(np.ones((4, 3, 5, 5))).shape == (11, 11, 3)
    assert picture.filters(np.ones((2, 2, 5, 5))).shape == (11, 11, 3)


def test_enlarge_is_bilinear_between_centres():
    np.testing.assert_allclose(picture.enlarge(np.array([[0.0, 4.0]]), (1, 4)), [[0, 1, 3, 4]])
    np.testing.assert_allclose(picture.enlarge(np.array([[1.0, 2.0], [3.0, 4.0]]), (2, 2)), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "recipe", [Recipe(mean=(104.0, 117.0, 123.0)), Recipe(color="RGB", scale=0.5), Recipe(color="gray")]
)
def test_an_input_becomes_its_picture_again(recipe):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    x = recipe.prepare(recipe.read(pixels), (1, recipe.channels, 6, 7))
    shown = picture.of_input(x, recipe)
    if recipe.color == "gray":
        assert (shown[..., 0] == recipe.read(pixels)[..., 0]).all()
    else:
        np.testing.assert_array_equal(shown, pixels)


def test_like_pictures_lie_together():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(0, 0.1, (10, 8)), rng.normal(5, 0.1, (10, 8))])
    for method in ("pca", "tsne"):
        points = viz.embedding(rows, method)
        np.testing.assert_array_equal(points, viz.embedding(rows, method))
        apart = np.linalg.norm(points[:10].mean(axis=0) - points[10:].mean(axis=0))
        assert apart > 2 * max(points[:10].std(), points[10:].std())
