import pytest
from one_layer import OneLayer

from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(4, 5), (4, 5, 1, 1)], tops=1),
    Case(
        "loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 7 }",
        [(3, 4, 2, 5)] * 3,
        inputs={"weight": lambda generator, shape: generator.integers(0, 3, shape)},
    ),
    *(Case(f"loss_param {{ normalization: {mode} }}", [(2, 3, 2, 2)] * 3) for mode in ("FULL", "BATCH_SIZE", "NONE")),
]


@pytest.mark.parametrize(
    ("options", "divisor"),
    [
        ("", 2),
        ("loss_param { normalization: NONE }", 1),
        ("loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 8 }", 8),
    ],
)
def test_worked_example(options, divisor):
    text = f'type: "SmoothL1LossOHEM" bottom: "x" bottom: "t" bottom: "w" top: "l" top: "e" {options}'
    layer = OneLayer(text, x=(2, 4), t=(2, 4, 1, 1), w=(2, 4))
    value, each = layer.forward(
        x=[[0.5, 2, 1, 9], [-1, 0, 4, 0]],
        t=[[[[0]], [[0]], [[3]], [[0]]], [[[0]], [[0]], [[0]], [[0.5]]]],
        w=[[1, 1, 1, 0], [2, 1, 0.5, 1]],
    )
    # differences 0.5, 2, -2, 0; -2, 0, 2, -0.5
    assert each.tolist() == [[[[0.125 + 1.5 + 1.5]]], [[[1.5 + 1.5 + 0.125]]]]
    assert value == 6.25 / divisor
    dx, dt, dw = layer.backward(divisor, 5)
    assert dx.tolist() == [[0.5, 1, -1, 0], [-2, 0, 0.5, -0.5]]
    assert dt.ravel().tolist() == (-dx).ravel().tolist()
    assert not dw.any()
