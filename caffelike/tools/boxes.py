"""Pictures with the boxes that a detector found drawn into them."""

import os
from collections.abc import Sequence

from caffelike.files import atomic_path
from caffelike.inference import Found

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")
"""One a class, taken in turn."""


def draw(picture: str | os.PathLike, found: Sequence[Found], target: str | os.PathLike) -> None:
    """Write `picture` as PNG with a box, the class and the score of each object."""
    from PIL import Image, ImageDraw, ImageOps

    with Image.open(picture) as file:
        image = ImageOps.exif_transpose(file).convert("RGB")
    pen = ImageDraw.Draw(image)
    width = max(1, min(image.size) // 200)
    for item in reversed(found):  # the best on top
        color = COLORS[item.label % len(COLORS)]
        pen.rectangle(item.box, outline=color, width=width)
        text = f"{item.name or item.label} {item.score:.2f}"
        left, top, right, bottom = pen.textbbox(item.box[:2], text)
        pen.rectangle((left, top, right + 2, bottom + 2), fill=color)
        pen.text(item.box[:2], text, fill="white")
    with atomic_path(target) as temporary:
        image.save(temporary, format="PNG")
