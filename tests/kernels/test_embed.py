import numpy as np
import pytest
from compare import check, empty, normal

from caffelike.errors import LabelError
from caffelike.kernels.cpu import embed


@pytest.mark.parametrize(
    ("shape", "rows", "width"), [((1,), 1, 1), ((5, 13), 7, 127), ((300,), 1000, 100), ((0, 3), 4, 5)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_against_the_definition(shape, rows, width, bias, rng):
    x = rng.integers(0, rows, shape).astype(np.float32) + np.float32(0.25)
    given = {"x": x, "weight": normal(rng, rows, width), "bias": normal(rng, width) if bias else None}
    check("embed", "forward", ["y"], exact=("y",), **given, y=empty(*shape, width))
    down = {"dweight": empty(rows, width), "dbias": empty(width) if bias else None}
    outputs = [name for name, array in down.items() if array is not None]
    dy = normal(rng, *shape, width)
    got = check("embed", "backward", outputs, rtol=1e-5, atol=1e-5, dy=dy, x=x, **down, beta=0)
    check("embed", "backward", outputs, rtol=1e-5, atol=1e-5, dy=dy, x=x, **(down | got), beta=1)


@pytest.mark.parametrize("value", [-1, 3, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 400, 999])
def test_no_index(value, at, rng):
    """Named by the kernel as by the definition, wherever it is."""
    x = np.full((500, 2), -0.5, np.float32)
    x.reshape(-1)[at] = value
    given = {"x": x, "weight": normal(rng, 3, 300), "bias": None, "y": empty(500, 2, 300)}
    from caffelike.layers import embed as definition

    texts = []
    for module in (embed, definition):
        with pytest.raises(LabelError) as caught:
            module.forward(**given)
        assert caught.value.item == at // 2
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
