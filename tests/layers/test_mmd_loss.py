import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("", [(4, 3, 2), (5, 3, 2)], differentiable=False, batch=False, special=False),
    Case("mmd_param { kernel_num: 2 kernel_mul: 3 fix_gamma: true }", [(6, 3), (6, 3)], batch=False),
]


def mmd(options, source, target):
    return OneLayer(f'type: "MMDLoss" bottom: "s" bottom: "t" top: "l" mmd_param {{ {options} }}', s=source, t=target)


def by_definition(s, t, quadruples, widths, scale):
    def k(a, b):
        return sum(np.exp(-scale * w * ((a - b) ** 2).sum()) for w in widths)

    return np.mean([k(s[a], s[b]) + k(t[c], t[d]) - k(s[a], t[d]) - k(s[b], t[c]) for a, b, c, d in quadruples])


def numbers(a, b):
    """One over the mean squared distance of two different items."""
    items = np.concatenate([a, b])
    return 1 / np.mean([((x - y) ** 2).sum() for i, x in enumerate(items) for j, y in enumerate(items) if i != j])


def test_worked_example():
    """With two items a domain there are two quadruples but for their order, drawn twice."""
    rng = np.random.default_rng(0)
    s, t = rng.standard_normal((2, 3)), rng.standard_normal((2, 3)) + 1
    layer = mmd("kernel_num: 3", (2, 3), (2, 3))
    scale, widths = numbers(s, t), [0.5, 1, 2]
    one, other = (by_definition(s, t, [(0, 1, c, 1 - c)], widths, scale) for c in (0, 1))
    seen = set()
    for _ in range(12):
        loss = float(layer.forward(s=s, t=t))
        ways = [n for n in range(3) if abs(loss - (n * one + (2 - n) * other) / 2) < 1e-6]
        assert ways
        seen.update(ways)
        ds, dt = layer.backward(1)
        # the gradient of the same mixture, by differences with the scale held
        mixture = [(0, 1, 0, 1)] * ways[0] + [(0, 1, 1, 0)] * (2 - ways[0])
        for values, grad in ((s, ds), (t, dt)):
            for place in np.ndindex(2, 3):
                ends = []
                for step in (1e-4, -1e-4):
                    values[place] += step
                    ends.append(by_definition(s, t, mixture, widths, scale))
                    values[place] -= step
                assert abs((ends[0] - ends[1]) / 2e-4 - grad[place]) < 1e-4
    assert len(seen) > 1


def test_the_scale_may_stay():
    layer = mmd("kernel_num: 1 fix_gamma: true", (2, 3), (2, 3))
    rng = np.random.default_rng(0)
    s, t = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    layer.forward(s=s, t=t)
    loss = float(layer.forward(s=5 * s, t=5 * t))
    values = [by_definition(5 * s, 5 * t, [(0, 1, c, 1 - c)], [1], numbers(s, t)) for c in (0, 1)]
    assert min(abs(loss - (n * values[0] + (2 - n) * values[1]) / 2) for n in range(3)) < 1e-6


def test_single_items_and_refusals():
    layer = mmd("", (1, 3), (4, 3))
    assert layer.forward(s=1, t=np.arange(12).reshape(4, 3)) == 0
    assert not any(grad.any() for grad in layer.backward(1))
    with pytest.raises(ModelError, match="kernel_num"):
        mmd("kernel_num: 0", (2, 3), (2, 3))
    with pytest.raises(ShapeError, match="same features"):
        mmd("", (2, 3), (2, 4))
