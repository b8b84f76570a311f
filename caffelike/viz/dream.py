"""Pictures that a net makes up: inceptionism (DeepDream), and the picture of a class."""

from collections.abc import Callable

import numpy as np

from caffelike.graph.net import Net
from caffelike.viz import passes
from caffelike.viz.picture import enlarge

Progress = Callable[[int, int, float], None]
"""Told after each step: steps done, steps in all, the objective."""


def dream(
    net: Net,
    x: np.ndarray,
    layer: str,
    unit: int | None = None,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    rate: float = 1.5,
    jitter: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[np.ndarray, float, float]:
    """Change the input x (C, H, W) until a layer answers more strongly; the objective before and after.

    The objective is half the sum of squares of the layer's blob (Mordvintsev, Olah and Tyka, 2015), or, with `unit`,
    the sum of that channel. Each octave works on a picture `scale` times larger than the one before, up to x's own
    size, and hands on the details that it found. A step climbs the gradient, scaled so that its mean absolute value is
    `rate`, at a picture moved by up to `jitter` pixels. The net's input is reshaped to each octave, so it must take any
    size: no InnerProduct. Values stay within -128 .. 128, or within what x spans where that is more.
    """
    rng = np.random.default_rng(seed)
    blob = passes.blob_of(net, layer)
    x = np.asarray(x, np.float32)
    low, high = float(min(x.min(), -128)), float(max(x.max(), 128))
    sizes = [tuple(max(16, round(n / scale**k)) for n in x.shape[1:]) for k in range(octaves)][::-1]
    details = np.zeros((len(x), *sizes[0]), np.float32)
    before = objective(net, x, blob, unit)
    done = 0
    for size in sizes:
        base = _resized(x, size)
        details = _resized(details, size)
        picture = base + details
        for _ in range(steps):
            dy, dx = (int(n) for n in rng.integers(-jitter, jitter + 1, 2)) if jitter else (0, 0)
            picture = np.roll(picture, (dy, dx), (1, 2))
            value = objective(net, picture, blob, unit)
            slope = passes.down(net, blob, _slope(net, blob, unit))[0]
            picture = picture + slope * (rate / (np.abs(slope).mean() + 1e-12))
            picture = np.clip(np.roll(picture, (-dy, -dx), (1, 2)), low, high).astype(np.float32)
            done += 1
            if progress:
                progress(done, steps * octaves, value)
        details = picture - base
    after = objective(net, picture, blob, unit)
    return picture, before, after


def class_model(
    net: Net,
    label: int,
    steps: int = 200,
    rate: float = 1.0,
    decay: float = 0.01,
    jitter: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> np.ndarray:
    """The input (C, H, W) that a class's score likes best (Simonyan, Vedaldi and Zisserman, 2013), from faint noise.

    Climbs the score before the softmax less `decay` times half the input's sum of squares; rate: the mean absolute
    change of a number in a step. The score is summed over positions where the net has several.
    """
    rng = np.random.default_rng(seed)
    blob = passes.scores(net)
    shape = net.input_blobs[0].shape[1:]
    picture = rng.normal(0, 1, shape).astype(np.float32)
    for step in range(steps):
        move = tuple(int(n) for n in rng.integers(-jitter, jitter + 1, 2)) if jitter else (0, 0)
        moved = np.roll(picture, move, (1, 2))
        value = objective(net, moved, blob, label)
        slope = passes.down(net, blob, _slope(net, blob, label))[0]
        slope = slope / (np.abs(slope).mean() + 1e-12) - decay * moved
        picture = np.roll(moved + rate * slope, (-move[0], -move[1]), (1, 2)).astype(np.float32)
        if progress:
            progress(step + 1, steps, value)
    return picture


def objective(net: Net, x: np.ndarray, layer: str, unit: int | None = None) -> float:
    """What `dream` climbs, for the input x (C, H, W)."""
    blob = passes.blob_of(net, layer)
    passes.show(net, x)
    values = net.blobs[blob].data[0]
    return float(np.vdot(values, values) / 2 if unit is None else values[unit].sum())


def _slope(net: Net, blob: str, unit: int | None) -> np.ndarray:
    return net.blobs[blob].data.copy() if unit is None else passes.one_unit(net, blob, unit)


def _resized(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    return values if values.shape[1:] == size else np.stack([enlarge(plane, size) for plane in values])
