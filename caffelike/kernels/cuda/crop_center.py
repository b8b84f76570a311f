"""CropCenter; see layers/crop_center.py for the definition."""

from typing import Any

from caffelike.kernels.cuda import crop
from caffelike.kernels.cuda.views import Sizes


def forward(x: Any, y: Any, margins: Sizes) -> None:
    """y = the middle of x."""
    crop.forward(x, y, margins)


def backward(dy: Any, dx: Any, margins: Sizes) -> None:
    """dx = dy in the middle, else 0."""
    crop.backward(dy, dx, margins)
