"""PriorBox; see layers/prior_box.py for the definition."""

from typing import Any

import numpy as np

from caffelike.kernels.cuda.door import upload


def forward(boxes: Any, made: np.ndarray) -> None:
    """A copy of what was made with the shapes, in the computer's memory."""
    upload(made.reshape(-1), boxes.reshape(-1))
