"""The RNN kernel on sizes that fill tiles, panels and blocks of k, and that do not."""

import numpy as np
import pytest
from compare import check, empty, normal

# steps, batch, features, units, static features: one step, few sequences, one unit; several blocks of each
SIZES = [
    (1, 1, 5, 1, 0),
    (1, 70, 3, 13, 4),
    (3, 9, 300, 260, 0),
    (3, 1, 20, 50, 0),
    (4, 13, 7, 48, 3),
    (2, 130, 5, 97, 0),
]


@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_against_the_definition(size, exposed, rng):
    steps, batch, features, units, static = size
    square = np.float32(units) ** 0.5
    given = {
        "x": normal(rng, steps, batch, features),
        "cont": rng.integers(0, 2, (steps, batch)).astype(np.float32),
        "x_static": normal(rng, batch, static) if static else None,
        "weight_x": normal(rng, units, features) / np.float32(features) ** 0.5,
        "bias_h": normal(rng, units),
        "weight_static": normal(rng, units, static) if static else None,
        "weight_h": normal(rng, units, units) / square,
        "weight_y": normal(rng, units, units) / square,
        "bias_y": normal(rng, units),
        "h_start": normal(rng, 1, batch, units) if exposed else None,
        "h_end": empty(1, batch, units) if exposed else None,
        "h_state": None if exposed else normal(rng, 1, batch, units),
    }
    end, y, hidden = "h_end" if exposed else "h_state", empty(steps, batch, units), empty(steps + 1, batch, units)
    check("rnn", "forward", ["y", end], rtol=1e-5, atol=1e-5, **given, y=y, hidden=None)
    got = check("rnn", "forward", ["y", end, "hidden"], rtol=1e-5, atol=1e-5, **given, y=y, hidden=hidden)
    names = ["x", "weight_x", "bias_h", "weight_h", "weight_y", "bias_y"]
    names += ["x_static", "weight_static"] if static else []
    names += ["h_start"] if exposed else []
    wanted = dict.fromkeys(("dx_static", "dweight_static", "dh_start"))
    wanted |= {f"d{name}": empty(*given[name].shape) for name in names}
    given |= {name: got[name] for name in ("y", "hidden")} | {"dy": normal(rng, steps, batch, units)}
    given["dh_end"] = normal(rng, 1, batch, units) if exposed else None
    outputs = [f"d{name}" for name in names]
    first = check("rnn", "backward", outputs, rtol=1e-4, atol=3e-5, **given, **wanted, beta=0)
    check("rnn", "backward", outputs, rtol=1e-4, atol=6e-5, **given, **(wanted | first), beta=1)
    for output in outputs:  # each by itself
        alone = dict.fromkeys(wanted) | {output: wanted[output]}
        got = check("rnn", "backward", [output], rtol=1e-4, atol=3e-5, **given, **alone, beta=0)
        np.testing.assert_array_equal(got[output], first[output])
