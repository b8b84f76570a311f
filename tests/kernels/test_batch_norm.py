import numpy as np
import pytest
from compare import check, empty, normal


@pytest.mark.parametrize("shape", [(5,), (1, 3), (13, 15), (0, 3, 2), (3, 5, 15, 40), (1, 2, 1, 1)])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("use_global_stats", [False, True])
@pytest.mark.parametrize("passes", [0.0, 2.5])
def test_against_definition(shape, inplace, use_global_stats, passes, rng):
    channels = shape[1] if len(shape) > 1 else 1
    x, dy = 3 * normal(rng, *shape) + 5, normal(rng, *shape)
    y, dx = (x, dy) if inplace else (empty(*shape), empty(*shape))
    arrays = {
        "mean": passes * normal(rng, channels),
        "variance": passes * np.abs(normal(rng, channels)),
        "factor": np.array([passes], np.float32),
        "deviation": np.ones(channels, np.float32),
        "scale": None,
        "bias": None,
        "normal": None,
    }
    options = {"use_global_stats": use_global_stats, "fraction": 0.9, "eps": 1e-5}
    outputs = ["y", "mean", "variance", "factor", "deviation"]
    got = check("batch_norm", "forward", outputs, rtol=1e-5, atol=5e-6, x=x, y=y, **arrays, **options)
    check("batch_norm", "forward", ["y"], rtol=1e-5, atol=5e-6, x=x, y=y, **arrays | {"deviation": None}, **options)
    check(
        "batch_norm",
        "backward",
        ["dx"],
        rtol=1e-5,
        atol=5e-6,
        dy=dy,
        y=got["y"],
        deviation=got["deviation"],
        dx=dx,
        use_global_stats=use_global_stats,
        beta=0,
        **dict.fromkeys(("scale", "normal", "dscale", "dbias")),
    )
