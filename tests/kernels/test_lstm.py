"""The LSTM kernel on sizes that fill tiles, panels and blocks of k, and that do not."""

import numpy as np
import pytest
from compare import check, empty, normal

# steps, batch, features, units, static features: one step, one sequence, one unit; several blocks of each
SIZES = [
    (1, 1, 5, 1, 0),
    (1, 70, 3, 13, 4),
    (3, 9, 300, 260, 0),
    (3, 1, 20, 50, 0),
    (4, 13, 7, 48, 3),
    (2, 130, 5, 97, 0),
    (4, 2, 1, 15, 0),
]


def arguments(size, exposed, rng):
    steps, batch, features, units, static = size
    state = {name: normal(rng, 1, batch, units) for name in ("h", "c")}
    given = {
        "x": normal(rng, steps, batch, features),
        "cont": rng.integers(0, 2, (steps, batch)).astype(np.float32),
        "x_static": normal(rng, batch, static) if static else None,
        "weight_x": normal(rng, 4 * units, features) / np.float32(features) ** 0.5,
        "bias": normal(rng, 4 * units),
        "weight_static": normal(rng, 4 * units, static) if static else None,
        "weight_h": normal(rng, 4 * units, units) / np.float32(units) ** 0.5,
    }
    for name, values in state.items():
        given |= {f"{name}_start": values if exposed else None, f"{name}_state": None if exposed else values}
        given[f"{name}_end"] = empty(1, batch, units) if exposed else None
    return given


@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_against_the_definition(size, exposed, rng):
    steps, batch, _, units, static = size
    given = arguments(size, exposed, rng)
    ends = ["h_end", "c_end"] if exposed else ["h_state", "c_state"]
    kept = {
        "hidden": empty(steps + 1, batch, units),
        "cells": empty(steps + 1, batch, units),
        "gates": empty(steps, batch, 4, units),
    }
    y = empty(steps, batch, units)
    nothing = dict.fromkeys(kept)
    check("lstm", "forward", ["y", *ends], rtol=1e-5, atol=1e-5, **given, **nothing, y=y)
    got = check("lstm", "forward", ["y", *ends, *kept], rtol=1e-5, atol=1e-5, **given, **kept, y=y)
    wanted = {f"d{name}": empty(*given[name].shape) for name in ("x", "weight_x", "bias", "weight_h")}
    for name in ("x_static", "weight_static"):
        wanted[f"d{name}"] = empty(*given[name].shape) if static else None
    for name in ("h", "c"):
        wanted[f"d{name}_start"] = empty(1, batch, units) if exposed else None
        given[f"d{name}_end"] = normal(rng, 1, batch, units) if exposed else None
    outputs = [name for name, array in wanted.items() if array is not None]
    given |= {name: got[name] for name in kept} | {"dy": normal(rng, steps, batch, units)}
    first = check("lstm", "backward", outputs, rtol=1e-4, atol=3e-5, **given, **wanted, beta=0)
    again = check("lstm", "backward", outputs, rtol=1e-4, atol=3e-5, **given, **(wanted | first), beta=1)
    np.testing.assert_allclose(again["dweight_h"], 2 * first["dweight_h"], 1e-4, 1e-5)
    np.testing.assert_array_equal(again["dx"], first["dx"])
    for output in outputs:  # each by itself
        alone = dict.fromkeys(wanted) | {output: wanted[output]}
        got = check("lstm", "backward", [output], rtol=1e-4, atol=3e-5, **given, **alone, beta=0)
        np.testing.assert_array_equal(got[output], first[output])


def test_nothing_to_do(rng):
    for size in ((0, 3, 2, 4, 0), (3, 0, 2, 4, 0)):
        steps, batch, _, units, _ = size
        given, y = arguments(size, False, rng), empty(steps, batch, units)
        check("lstm", "forward", ["y", "h_state", "c_state"], **given, y=y, hidden=None, cells=None, gates=None)
