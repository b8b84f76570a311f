"""Made pictures for examples: coloured shapes on a grey ground, what to say about them, and a small net that looks."""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from caffelike import NetSpec
from caffelike import layers as L

SIDE = 64  # pixels
SHAPES = ("circle", "square", "triangle")
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 230), "yellow": (230, 220, 40)}
SIDES = ("left", "right")


class Picture(NamedTuple):
    """Two different shapes beside each other: (colour, shape) of the left one and of the right one."""

    left: tuple[str, str]
    right: tuple[str, str]


def some(count: int, rng: np.random.Generator) -> list[Picture]:
    """Pictures, no two alike."""
    found: dict[Picture, None] = {}
    while len(found) < count:
        colours = rng.choice(list(COLOURS), 2, replace=False)
        shapes = rng.choice(SHAPES, 2, replace=False)
        left, right = ((str(c), str(s)) for c, s in zip(colours, shapes, strict=True))
        found[Picture(left, right)] = None
    return list(found)


def draw(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """(3, SIDE, SIDE) uint8, BGR: places and sizes are a little different every time."""
    return labelled(picture, rng)[0]


def labelled(picture: Picture, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What `draw` gives, and for each pixel (SIDE, SIDE) 0 on the ground, else 1 + the place of its shape in SHAPES."""
    image = Image.fromarray(rng.integers(100, 140, (SIDE, SIDE, 3), dtype=np.uint8))
    labels = Image.new("L", image.size)
    pen, marker = ImageDraw.Draw(image), ImageDraw.Draw(labels)
    for (colour, shape), middle in zip(picture, (SIDE // 4, 3 * SIDE // 4), strict=True):
        x, y, half = middle + int(rng.integers(-2, 3)), int(rng.integers(16, SIDE - 16)), int(rng.integers(9, 13))
        box = (x - half, y - half, x + half, y + half)
        for on, fill in ((pen, COLOURS[colour]), (marker, 1 + SHAPES.index(shape))):
            if shape == "circle":
                on.ellipse(box, fill)
            elif shape == "square":
                on.rectangle(box, fill)
            else:
                on.polygon([(x - half, y + half), (x + half, y + half), (x, y - half)], fill)
    return np.asarray(image)[:, :, ::-1].transpose(2, 0, 1).copy(), np.asarray(labels).copy()


def looking(features: int = 64) -> list[Any]:
    """Layers from `data` (N, 3, SIDE, SIDE) to `features` (N, features): three convolutions and a full layer."""
    n = NetSpec()
    n.data = L.Input()
    top = n.data
    for i, channels in enumerate((16, 32, 32), 1):
        options = {"num_output": channels, "kernel_size": 5 if i == 1 else 3, "stride": 2, "pad": 1}
        top = n[f"conv{i}"] = L.Convolution(top, weight_filler={"type": "msra"}, **options)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
    n.features = L.InnerProduct(top, num_output=features, weight_filler={"type": "xavier"})
    return list(n.to_proto().layer)[1:]
