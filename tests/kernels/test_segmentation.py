"""Interp, Upsample, Reorg and BN: the kernels that segmentation and YOLO nets spend their time in."""

import numpy as np
import pytest
from compare import check, empty, normal

from caffelike.errors import DataError


@pytest.mark.parametrize(
    ("shape", "out", "crop"),
    [
        ((2, 3, 5, 7), (13, 15), (0, 0)),
        ((1, 1, 1, 1), (1, 127), (0, 0)),
        ((2, 2, 13, 15), (1, 4), (0, 0)),
        ((3, 5, 9, 8), (9, 8), (0, 0)),
        ((1, 70, 12, 11), (33, 34), (1, 2)),
        ((0, 3, 4, 4), (7, 7), (0, 0)),
    ],
)
def test_interp(shape, out, crop, rng):
    check("interp", "forward", ["y"], x=normal(rng, *shape), y=empty(*shape[:2], *out), crop=crop)
    check("interp", "backward", ["dx"], atol=1e-5, dy=normal(rng, *shape[:2], *out), dx=empty(*shape), crop=crop)


@pytest.mark.parametrize(
    ("shape", "scale"),
    [((2, 3, 5, 7), (2, 2)), ((1, 1, 1, 1), (3, 1)), ((4, 9, 33, 17), (1, 5)), ((0, 2, 3, 3), (2, 2))],
)
def test_upsample_by_repeating(shape, scale, rng):
    large = (*shape[:2], shape[2] * scale[0], shape[3] * scale[1])
    check("upsample", "forward", ["y"], exact=["y"], x=normal(rng, *shape), mask=None, y=empty(*large), scale=scale)
    check("upsample", "backward", ["dx"], dy=normal(rng, *large), mask=None, dx=empty(*shape), scale=scale)


@pytest.mark.parametrize(
    ("shape", "large"), [((2, 3, 5, 7), (13, 15)), ((5, 40, 16, 15), (32, 31)), ((0, 2, 3, 3), (6, 6))]
)
def test_upsample_by_a_mask(shape, large, rng):
    mask = rng.integers(-1, large[0] * large[1], shape).astype(np.float32)
    numbers = {"mask": mask, "scale": (2, 2)}
    y, dy = empty(*shape[:2], *large), normal(rng, *shape[:2], *large)
    check("upsample", "forward", ["y"], exact=["y"], x=normal(rng, *shape), y=y, **numbers)
    check("upsample", "backward", ["dx"], exact=["dx"], dy=dy, dx=empty(*shape), **numbers)
    if mask.size:
        from caffelike.kernels.cpu import upsample

        mask[-1, 1, 2, 1] = large[0] * large[1]
        with pytest.raises(DataError, match=f"place {large[0] * large[1]}, but planes of {large[0]}x{large[1]}"):
            upsample.forward(normal(rng, *shape), mask, y, (2, 2))


@pytest.mark.parametrize(
    ("shape", "stride"), [((2, 8, 6, 4), 2), ((1, 9, 3, 3), 3), ((3, 64, 26, 26), 2), ((0, 4, 2, 2), 2)]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_reorg(shape, stride, reverse, rng):
    n, c, h, w = shape
    s = stride
    top = (n, c // (s * s), h * s, w * s) if reverse else (n, c * s * s, h // s, w // s)
    numbers = {"stride": stride, "reverse": reverse}
    check("reorg", "forward", ["y"], exact=["y"], x=normal(rng, *shape), y=empty(*top), **numbers)
    check("reorg", "backward", ["dx"], exact=["dx"], dy=normal(rng, *top), dx=empty(*shape), **numbers)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 1, 1), (5, 40), (3, 130, 13, 15), (0, 2, 3, 3)])
@pytest.mark.parametrize("statistics", ["batch", "running", "none"])
@pytest.mark.parametrize("inplace", [False, True])
def test_bn(shape, statistics, inplace, rng):
    blob = (1, shape[1], 1, 1)
    x, dy = 3 + 2 * normal(rng, *shape), normal(rng, *shape)
    y = x if inplace else empty(*shape)
    got = check(
        "bn", "forward", ["y", "batch_mean", "batch_variance", "mean", "variance", "deviation", "normal"],
        rtol=1e-5, atol=1e-5, x=x, y=y, batch_mean=np.zeros(blob, np.float32), batch_variance=np.ones(blob, np.float32),
        slope=normal(rng, *blob), bias=normal(rng, *blob), mean=normal(rng, *blob),
        variance=rng.uniform(0.5, 2, blob).astype(np.float32), deviation=np.ones(shape[1], np.float32),
        normal=np.zeros(shape, np.float32), statistics=statistics, eps=1e-5, share=0.1,
    )  # fmt: skip
    check(
        "bn", "backward", ["dx", "dslope", "dbias"], rtol=2e-5, atol=2e-5, dy=dy, slope=normal(rng, *blob),
        deviation=got["deviation"], normal=got["normal"], dx=dy if inplace else empty(*shape),
        dslope=normal(rng, *blob), dbias=normal(rng, *blob), statistics=statistics, beta=1,
    )  # fmt: skip


def test_bn_without_running_statistics_and_what_only_backward_reads(rng):
    x = normal(rng, 3, 4, 5, 6)
    slope, bias = normal(rng, 1, 4, 1, 1), normal(rng, 1, 4, 1, 1)
    nothing = dict.fromkeys(("batch_mean", "batch_variance", "mean", "variance", "deviation", "normal"))
    numbers = {"statistics": "batch", "eps": 1e-9, "share": 0.0}
    for y in (empty(*x.shape), x):
        check("bn", "forward", ["y"], rtol=1e-5, atol=1e-5, x=x, y=y, slope=slope, bias=bias, **nothing, **numbers)


@pytest.mark.parametrize(("dimensions", "points", "channels"), [(2, 127, 1), (5, 300, 21), (3, 1, 5)])
@pytest.mark.parametrize("reverse", [False, True])
def test_permutohedral(dimensions, points, channels, reverse, rng):
    from caffelike.kernels.cpu import permutohedral
    from caffelike.layers import _permutohedral

    lattice = _permutohedral.Lattice(rng.uniform(0, 3, (points, dimensions)), np.float32)
    arguments = (lattice.places, lattice.weights, lattice.neighbours, reverse)
    values = normal(rng, channels, points)
    got = permutohedral.blur(values, *arguments)
    np.testing.assert_allclose(got, _permutohedral.blur(values, *arguments), rtol=1e-4, atol=1e-5)
