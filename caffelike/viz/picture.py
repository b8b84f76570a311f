"""From arrays to pictures: uint8 (H, W, 3) in RGB, and PNG files."""

import html
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from caffelike.data.resize import resize
from caffelike.files import atomic_path
from caffelike.recipe import Recipe

_GAP = 1  # pixels between tiles


def gray(values: np.ndarray) -> np.ndarray:
    """(..., H, W) as uint8 RGB, black for the least and white for the greatest value."""
    return np.repeat(_spread(values)[..., None], 3, axis=-1)


def signed(values: np.ndarray) -> np.ndarray:
    """(C, H, W) in an input's order of channels (3: BGR; else their sum) as uint8 RGB, 0 in the middle of the gray.

    The largest half percent of the values is cut, or a few would leave nothing to be seen of the others.
    """
    values = values[::-1] if len(values) == 3 else np.repeat(values.sum(axis=0, keepdims=True), 3, axis=0)
    size = np.abs(values)
    most = float(np.quantile(size, 0.995)) or float(size.max()) or 1.0
    return np.rint(127.5 + 127.5 * np.clip(values.transpose(1, 2, 0) / most, -1, 1)).astype(np.uint8)


def heat(values: np.ndarray) -> np.ndarray:
    """(H, W) as uint8 RGB: blue for the least value, then cyan, yellow, and red for the greatest."""
    at = _spread(values).astype(np.float32)[..., None] / 255
    return np.rint(255 * np.clip(1.5 - np.abs(4 * at - np.array([3, 2, 1])), 0, 1)).astype(np.uint8)


def over(picture: np.ndarray, values: np.ndarray, share: float = 0.5) -> np.ndarray:
    """A map (h, w) as heat over a picture (H, W, 3); share: how much of the heat."""
    color = heat(enlarge(values, picture.shape[:2]))
    return np.rint((1 - share) * picture + share * color).astype(np.uint8)


def filters(weights: np.ndarray) -> np.ndarray:
    """Filters (O, C, h, w) as one picture: in colour for C = 3 (BGR), else all O * C planes; each spread by itself."""
    if weights.shape[1] == 3:
        colored = [_spread(w)[::-1].transpose(1, 2, 0) for w in weights]
        return grid(np.stack(colored))
    return maps(weights.reshape(-1, *weights.shape[2:]))


def maps(values: np.ndarray) -> np.ndarray:
    """Maps (C, h, w) as one picture of tiles, each spread from black to white by itself."""
    return grid(np.stack([gray(plane) for plane in values]))


def grid(tiles: np.ndarray) -> np.ndarray:
    """Tiles (n, h, w, 3) side by side, in nearly a square, with white lines between them."""
    n, height, width = tiles.shape[:3]
    across = int(np.ceil(np.sqrt(n)))
    rows = -(-n // across)
    page = np.full((rows * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // across * (height + _GAP), i % across * (width + _GAP)
        page[top : top + height, left : left + width] = tile
    return page


def scatter(points: np.ndarray, pictures: Sequence[np.ndarray], side: int = 800, tile: int = 48) -> np.ndarray:
    """Pictures (H, W, 3), `tile` pixels wide, at their points (n, 2) of a white square of `side` pixels."""
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-12)
    page = np.full((side, side, 3), 255, np.uint8)
    for (across, up), picture in zip((points - low) / span, pictures, strict=True):
        small = resize(np.ascontiguousarray(picture), tile, tile)
        left, top = round(float(across) * (side - tile)), round(float(1 - up) * (side - tile))
        page[top : top + tile, left : left + tile] = small
    return page


def of_input(x: np.ndarray, recipe: Recipe | None) -> np.ndarray:
    """The picture (H, W, 3), uint8 RGB, that a net's input (C, H, W) was prepared from by a recipe."""
    recipe = recipe or Recipe()
    values = x / np.float32(recipe.scale or 1)
    mean = recipe._mean(values.shape)
    if mean is not None:
        values = values + mean
    values = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    if len(values) != 3:
        return np.repeat(values[0][..., None], 3, axis=-1)
    return values[:: -1 if recipe.color == "BGR" else 1].transpose(1, 2, 0)


def enlarge(values: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """A map (h, w) at another size (H, W), bilinear between the centres of its pixels, float32."""
    for axis, wanted in enumerate(size):
        have = values.shape[axis]
        at = np.clip((np.arange(wanted) + 0.5) * have / wanted - 0.5, 0, have - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape(-1, *(1,) * (1 - axis))
        values = values.take(low, axis) * (1 - share) + values.take(np.minimum(low + 1, have - 1), axis) * share
    return values.astype(np.float32)


def save(path: str | os.PathLike, picture: np.ndarray, least: int = 0) -> None:
    """Write a picture (H, W, 3), uint8, as PNG; one narrower than `least` pixels with each pixel several times."""
    from PIL import Image

    times = max(1, -(-least // max(1, picture.shape[1]))) if least else 1
    shown = picture.repeat(times, axis=0).repeat(times, axis=1)
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(shown)).save(temporary, format="PNG", optimize=True)


def page(folder: str | os.PathLike, title: str, shown: Sequence[tuple[str, str]]) -> Path:
    """Write index.html in `folder`, which shows its pictures: (file name, what it is). Returns its path."""
    figures = "\n".join(
        f'<figure><img src="{html.escape(name)}" alt="{html.escape(what)}"><figcaption>{html.escape(what)}</figcaption>'
        "</figure>"
        for name, what in shown
    )
    target = Path(folder) / "index.html"
    style = "body{font-family:sans-serif} figure{display:inline-block;margin:8px} img{max-width:480px}"
    with atomic_path(target) as temporary:
        Path(temporary).write_text(
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f"<style>{style}</style>\n<h1>{html.escape(title)}</h1>\n{figures}\n</html>\n",
            encoding="utf-8",
        )
    return target


def _spread(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
