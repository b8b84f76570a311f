"""Covariance, whose numbers and their order are Gram's; see layers/covariance.py for the definition."""

from typing import Any

from caffelike.kernels.cuda import gram


def forward(x: Any, y: Any) -> None:
    """A product of each item's rows with themselves."""
    gram.forward(x, y)


def backward(dy: Any, x: Any, dx: Any) -> None:
    """Both of the pair's factors."""
    gram.backward(dy, x, dx)
