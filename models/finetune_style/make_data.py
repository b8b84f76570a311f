"""Renders photographs in five styles, as pictures to fine-tune on.

usage: python models/finetune_style/make_data.py PHOTOS    (a folder of JPEG or PNG files, 20 or more)

Writes train/<style>/ and test/<style>/ in the working folder, 256 x 256 pixels; every fourth photograph is for testing.
The styles are plain, noir, vintage, haze and soft, each with a strength that is drawn for each picture.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

SIZE = 256


def plain(pixels: np.ndarray, strength: float) -> np.ndarray:
    """As it is."""
    return pixels


def noir(pixels: np.ndarray, strength: float) -> np.ndarray:
    """Black and white, with more contrast."""
    gray = pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    return (gray - 128) * (1.2 + strength) + 110


def vintage(pixels: np.ndarray, strength: float) -> np.ndarray:
    """Yellowed, with pale blacks."""
    gray = pixels.mean(axis=2, keepdims=True)
    old = gray * np.array([1.0, 0.85, 0.6]) * 0.8 + np.array([50, 40, 30])
    return pixels + (old - pixels) * (0.5 + strength / 2)


def haze(pixels: np.ndarray, strength: float) -> np.ndarray:
    """A veil of bluish white."""
    return pixels + (np.array([205, 215, 225]) - pixels) * (0.35 + strength / 3)


def soft(pixels: np.ndarray, strength: float) -> np.ndarray:
    """Out of focus."""
    image = Image.fromarray(pixels.astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(2 + 2 * strength)), float)


STYLES: tuple[Callable[[np.ndarray, float], np.ndarray], ...] = (haze, noir, plain, soft, vintage)


def render(photos: list[Path]) -> None:
    """All photographs in all styles."""
    random = np.random.default_rng(0)
    for number, path in enumerate(photos):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR), float)
        for style in STYLES:
            folder = Path("train" if number % 4 else "test", style.__name__)
            folder.mkdir(parents=True, exist_ok=True)
            made = np.clip(style(pixels, random.random()), 0, 255).astype(np.uint8)
            Image.fromarray(made).save(folder / f"{path.stem}.jpg", quality=92)


if __name__ == "__main__":
    found = sorted(p for p in Path(sys.argv[1]).iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(found) < 20:
        sys.exit(f"{sys.argv[1]} has {len(found)} photographs; 20 or more are needed")
    render(found)
    print(f"{len(found)} photographs in {len(STYLES)} styles")
