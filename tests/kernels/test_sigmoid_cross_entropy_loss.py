import numpy as np
import pytest
from compare import check, empty, normal


@pytest.mark.parametrize("shape", [(1, 1), (0, 3), (13, 15), (7, 3, 127, 5)])
@pytest.mark.parametrize("ignore_label", [None, 1, 0])
@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
@pytest.mark.parametrize("weighted", [(None, ()), ("items", ()), ("values", (0.5, 3.0))])
def test_against_definition(shape, ignore_label, normalization, weighted, rng):
    x, target = 10 * normal(rng, *shape), np.round(2 * rng.random(shape)).astype(np.float32) / 2
    x.reshape(-1)[3:4], x.reshape(-1)[4:5] = 200, -200
    sizes = {"items": shape[:1], "values": shape}
    weight = np.abs(normal(rng, *sizes[weighted[0]])) if weighted[0] else None
    arrays = {"x": x, "target": target, "weight": weight}
    options = {"normalization": normalization, "ignore_label": ignore_label, "class_weight": weighted[1]}
    stem = "sigmoid_cross_entropy_loss"
    check(stem, "forward", ["loss"], rtol=1e-5, loss=empty(), **arrays, **options)
    dloss = np.float32(2).reshape(())
    check(stem, "backward", ["dx"], dloss=dloss, dx=empty(*shape), **arrays, **options)


def test_ignored_values_may_be_anything(rng):
    x, target = normal(rng, 4, 9), np.zeros((4, 9), np.float32)
    x[1, 2], x[2, 3], target[1, 2], target[2, 3] = np.nan, np.inf, -1, -1
    options = {"normalization": "VALID", "ignore_label": -1, "class_weight": ()}
    arrays = {"x": x, "target": target, "weight": None}
    check("sigmoid_cross_entropy_loss", "forward", ["loss"], loss=empty(), **arrays, **options)
    dloss = np.ones((), np.float32)
    check("sigmoid_cross_entropy_loss", "backward", ["dx"], dloss=dloss, dx=empty(4, 9), **arrays, **options)
