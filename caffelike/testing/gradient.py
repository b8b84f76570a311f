"""Holding a layer's gradient against finite differences of its definition, in float64."""

from collections.abc import Sequence

import numpy as np

from caffelike.layer import Shape
from caffelike.testing.bench import Bench
from caffelike.testing.inputs import Inputs


def check_gradient(
    definition: str,
    shapes: Sequence[Shape],
    *,
    tops: int | None = None,
    phase: int = 0,
    inputs: Inputs | None = None,
    step: float = 1e-5,
    tolerance: float = 1e-5,
    features: int = 40,
    seed: int = 0,
) -> None:
    """Compare backward with (objective(x + step) - objective(x - step)) / (2 step), number by number.

    definition, shapes, tops, phase, inputs: see Bench. The objective is the sum of all tops, each number times a
    random weight. tolerance: of the difference, relative to the larger of 1 and the gradient. features: how many
    numbers of each bottom and parameter are tried, at random. Where the slopes on both sides differ (a kink, a jump)
    a number is passed over.

    Raises AssertionError naming blob, index, gradient and objectives of the first number that is wrong, or when more
    than half of a blob's numbers lie on kinks.
    """
    bench = Bench(definition, shapes, tops, phase, inputs=inputs, seed=seed)
    generator = np.random.default_rng(seed)
    weights = [generator.uniform(0.5, 1.5, np.shape(top)) for top in bench.forward()]
    gradients = bench.backward(weights)

    def objective() -> float:
        return sum(float(np.vdot(top, weight)) for top, weight in zip(bench.forward(), weights, strict=True))

    middle = objective()
    for label, gradient in gradients.items():
        values = bench.given[label].reshape(-1)
        chosen = generator.permutation(values.size)[:features]
        kinks = 0
        for feature in chosen:
            at = values[feature]
            values[feature] = at + step
            above = objective()
            values[feature] = at - step
            below = objective()
            values[feature] = at
            right, left = (above - middle) / step, (middle - below) / step
            if abs(right - left) > 1e-3 * max(1, abs(right), abs(left)):
                kinks += 1
                continue
            slope, got = (above - below) / (2 * step), gradient.reshape(-1)[feature]
            if not abs(got - slope) <= tolerance * max(1, abs(slope)):
                index = tuple(int(i) for i in np.unravel_index(feature, gradient.shape))
                raise AssertionError(
                    f"{bench.layer.type}: the gradient of '{label}' at index {index} (feature {feature}, value"
                    f" {at:.6g}) is {got:.9g}, but the objective goes from {below:.12g} to {above:.12g} over"
                    f" {2 * step:g}: slope {slope:.9g}. Definition: {definition}"
                )
        if 2 * kinks > chosen.size:
            raise AssertionError(
                f"{bench.layer.type}: {kinks} of {chosen.size} numbers of '{label}' lie on kinks of the objective;"
                f" choose other inputs. Definition: {definition}"
            )
