"""OpenCV's ximgproc, which only the contrib package has."""

from typing import Any

import numpy as np

from caffelike.errors import CaffelikeError

HOW = (
    "pip uninstall opencv-python opencv-python-headless; pip install 'caffelike[proposals]' (it brings"
    " opencv-contrib-python-headless<5, which takes their place)"
)


def ximgproc(what: str) -> Any:
    """The module. Raises CaffelikeError with what to install."""
    try:
        import cv2
    except ImportError as error:
        raise CaffelikeError(f"{what} needs OpenCV with its contrib modules: {HOW}") from error
    if not hasattr(cv2, "ximgproc"):
        raise CaffelikeError(
            f"{what} needs OpenCV's contrib modules, but this OpenCV {cv2.__version__} is without: {HOW}"
        )
    return cv2.ximgproc


def boxes(rectangles: Any, scores: Any, count: int) -> np.ndarray:
    """(n, 5) from OpenCV's rectangles (x, y, width, height), in their order."""
    x, y, w, h = np.asarray(rectangles, np.float64).reshape(-1, 4)[:count].T
    return np.stack([y, x, y + h, x + w, np.asarray(scores, np.float64).reshape(-1)[:count]], axis=1)
