import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("jmmd_param { sigma: 1.3 }", [(4, 3, 2), (5, 3, 2), (4, 3), (5, 3)], differentiable=False, batch=False,
         special=False),
    Case("jmmd_param { sigma: 2 label_kernel_num: 3 label_back_propagate: false kernel_num: 2 }",
         [(4, 3), (4, 3), (4, 2), (4, 2), (4,)], tops=2, differentiable=False, batch=False, special=False),
    Case("jmmd_param { sigma: 0.7 label_kernel_num: 2 kernel_num: 2 fix_gamma: true }",
         [(6, 3), (6, 3), (6, 2), (6, 2)], batch=False),
]  # fmt: skip


def jmmd(options, source, target, source_p, target_p):
    text = 'type: "JMMDLoss" bottom: "s" bottom: "t" bottom: "sp" bottom: "tp" top: "l"'
    return OneLayer(f"{text} jmmd_param {{ {options} }}", s=source, t=target, sp=source_p, tp=target_p)


def by_definition(values, mixture, scale, widths, sigmas):
    s, t, sp, tp = values

    def k(a, b, ap, bp):
        features = sum(np.exp(-scale * w * ((a - b) ** 2).sum()) for w in widths)
        return features * sum(np.exp(-((ap - bp) ** 2).sum() / sigma) for sigma in sigmas)

    return np.mean(
        [
            k(s[a], s[b], sp[a], sp[b]) + k(t[c], t[d], tp[c], tp[d])
            - k(s[a], t[d], sp[a], tp[d]) - k(s[b], t[c], sp[b], tp[c])
            for a, b, c, d in mixture
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "sigmas"),
    [("sigma: 1.3", [1.3]), ("sigma: 0.8 label_kernel_num: 2 label_kernel_mul: 3", [0.8 / 3, 0.8])],
)
def test_worked_example(options, sigmas):
    """With two items a domain there are two quadruples but for their order, drawn twice; 20 slopes."""
    rng = np.random.default_rng(0)
    values = [rng.standard_normal((2, 3)), rng.standard_normal((2, 3)) + 1, rng.random((2, 2)), rng.random((2, 2))]
    layer = jmmd(f"kernel_num: 3 {options}", (2, 3), (2, 3), (2, 2), (2, 2))
    items = np.concatenate(values[:2])
    scale = 1 / np.mean([((x - y) ** 2).sum() for i, x in enumerate(items) for j, y in enumerate(items) if i != j])
    mixtures = [[(0, 1, 0, 1)] * n + [(0, 1, 1, 0)] * (2 - n) for n in range(3)]
    wanted = [by_definition(values, mixture, scale, [0.5, 1, 2], sigmas) for mixture in mixtures]
    seen = set()
    for _ in range(16):
        loss = float(layer.forward(s=values[0], t=values[1], sp=values[2], tp=values[3]))
        way = int(np.argmin(np.abs(np.array(wanted) - loss)))
        assert abs(wanted[way] - loss) < 1e-6
        seen.add(way)
        for array, grad in zip(values, layer.backward(1), strict=True):
            for place in np.ndindex(array.shape):
                ends = []
                for step in (1e-4, -1e-4):
                    array[place] += step
                    ends.append(by_definition(values, mixtures[way], scale, [0.5, 1, 2], sigmas))
                    array[place] -= step
                assert abs((ends[0] - ends[1]) / 2e-4 - grad[place]) < 1e-4
    assert len(seen) > 1


def test_predictions_may_get_no_gradient():
    layer = jmmd("sigma: 1 label_back_propagate: false", (3, 2), (3, 2), (3, 2), (3, 2))
    rng = np.random.default_rng(1)
    layer.forward(**{name: rng.standard_normal((3, 2)) for name in ("s", "t", "sp", "tp")})
    downs = layer.backward(1)
    assert [bool(grad.any()) for grad in downs] == [True, True, False, False]


def test_single_items_and_refusals():
    layer = jmmd("sigma: 1", (1, 3), (4, 3), (1, 2), (4, 2))
    assert layer.forward(s=1, t=np.arange(12).reshape(4, 3), sp=0, tp=1) == 0
    assert not any(grad.any() for grad in layer.backward(1))
    with pytest.raises(ModelError, match="needs sigma"):
        jmmd("", (2, 3), (2, 3), (2, 2), (2, 2))
    with pytest.raises(ModelError, match="label_kernel_num"):
        jmmd("sigma: 1 label_kernel_num: 0", (2, 3), (2, 3), (2, 2), (2, 2))
    with pytest.raises(ShapeError, match="same features"):
        jmmd("sigma: 1", (2, 3), (2, 3), (2, 2), (2, 3))
    with pytest.raises(ShapeError, match="a prediction for each item"):
        jmmd("sigma: 1", (2, 3), (2, 3), (3, 2), (2, 2))
