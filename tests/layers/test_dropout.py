import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case(shapes=[(2, 3, 5)]),
    Case("dropout_param { dropout_ratio: 0.2 }", [(1001,)]),
    Case("dropout_param { dropout_ratio: 0 }", [(7, 13)]),
    Case(shapes=[(2, 3, 5)], phase=1),
    Case("dropout_param { dropout_ratio: 0.25 scale_train: false }", [(7, 13)]),
    Case("dropout_param { dropout_ratio: 0.25 scale_train: false }", [(7, 13)], phase=1),
    Case("dropout_param { sample_weights_test: true }", [(2, 3, 5)], phase=1),
]


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example_values_are_kept_and_scaled_or_dropped(top):
    layer = OneLayer(f'type: "Dropout" bottom: "x" top: "{top}" dropout_param {{ dropout_ratio: 0.75 }}', x=(10000,))
    y = layer.forward(x=2)
    assert set(y.tolist()) == {0, 8}
    assert abs((y > 0).mean() - 0.25) < 0.02
    np.testing.assert_array_equal(layer.backward(1), y / 2)


def test_other_values_in_the_next_pass_and_the_same_for_a_seed():
    layers = []
    for _ in range(2):
        caffelike.set_random_seed(5)
        layers.append(OneLayer('type: "Dropout" bottom: "x" top: "y"', x=(100,)))
    passes = [[layer.forward(x=1).tolist() for _ in range(2)] for layer in layers]
    assert passes[0] == passes[1]
    assert passes[0][0] != passes[0][1]


def test_identity_while_testing():
    layer = OneLayer('type: "Dropout" bottom: "x" top: "y"', caffelike.TEST, x=(3,))
    assert layer.forward(x=[1, 2, 3]).tolist() == [1, 2, 3]
    assert layer.backward([4, 5, 6]).tolist() == [4, 5, 6]


@pytest.mark.parametrize("ratio", [1, -0.5])
def test_ratio_refused(ratio):
    with pytest.raises(ModelError, match=f"dropout_ratio is {ratio}"):
        OneLayer(f'type: "Dropout" bottom: "x" top: "y" dropout_param {{ dropout_ratio: {ratio} }}', x=(3,))


def test_forks_worked_example():
    text = 'type: "Dropout" bottom: "x" top: "y" dropout_param { dropout_ratio: 0.25 %s }'
    unscaled = text.replace("%s", "scale_train: false")
    y = OneLayer(unscaled, x=(10000,)).forward(x=2)
    assert set(y.tolist()) == {0, 2}
    layer = OneLayer(unscaled, caffelike.TEST, x=(3,))
    assert layer.forward(x=[4, 8, 12]).tolist() == [3, 6, 9]
    assert layer.backward([4, 8, 12]).tolist() == [3, 6, 9]
    y = OneLayer(text.replace("%s", "sample_weights_test: true"), caffelike.TEST, x=(10000,)).forward(x=3)
    assert set(y.tolist()) == {0, 4}
