"""Input values for layer checks: functions of (generator, shape) that return an array."""

from collections.abc import Callable, Mapping

import numpy as np

from caffelike.layer import Shape

Values = Callable[[np.random.Generator, Shape], np.ndarray]
Inputs = Mapping[str, "Values | np.ndarray | float"]


def normal(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Standard normal: what every blob gets that nothing is said about."""
    return generator.standard_normal(shape)


def positive(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Uniform in 0.5 .. 2."""
    return generator.uniform(0.5, 2, shape)


def away_from_zero(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """`positive` with random signs."""
    return positive(generator, shape) * generator.choice([-1, 1], shape)


def labels(classes: int) -> Values:
    """Whole numbers 0 .. classes - 1."""
    return lambda generator, shape: generator.integers(0, classes, shape).astype(np.float64)


def draw(inputs: Inputs, name: str, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    """The float64 values that `inputs` says for the blob `name`."""
    source = inputs.get(name, normal)
    values = source(generator, shape) if callable(source) else np.broadcast_to(source, shape)
    return np.array(values, np.float64)
