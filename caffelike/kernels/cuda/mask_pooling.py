"""MaskPooling; see layers/mask_pooling.py for the definition."""

from typing import Any

from caffelike.kernels.cuda import channel_scale


def forward(x: Any, mask: Any, y: Any) -> None:
    """y = x mask."""
    channel_scale.forward(x, mask, y, True)


def backward(dy: Any, x: Any, mask: Any, dx: Any, dmask: Any) -> None:
    """The product rule."""
    channel_scale.backward(dy, x, mask, dx, dmask, True, True, True)
