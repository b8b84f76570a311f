import numpy as np
import pytest
from compare import check, empty, normal

KEY = np.array([2**63 + 5, 99, 3], np.uint64)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("shape", [(1,), (13, 15), (0, 3), (127, 3, 100)])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("train", [False, True])
def test_against_definition(ratio, shape, inplace, train, rng):
    x, dy = normal(rng, *shape), normal(rng, *shape)
    x.reshape(-1)[3:4], x.reshape(-1)[5:6] = np.nan, np.inf
    options = {"ratio": ratio, "train": train, "factor": 1 / (1 - ratio) if train else 1.0}
    y, dx = (x, dy) if inplace else (empty(*shape), empty(*shape))
    mask = empty(*shape, dtype=np.uint8) if train else None
    got = check("dropout", "forward", ["y", "mask"], exact=["mask"], x=x, y=y, mask=mask, key=KEY, **options)
    check("dropout", "forward", ["y"], x=x, y=y, mask=None, key=KEY, **options)
    check("dropout", "backward", ["dx"], dy=dy, mask=got["mask"], dx=dx, **options)
