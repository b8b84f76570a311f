import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError
from caffelike.testing import Case, labels

CONTRACT = [
    Case("embed_param { num_output: 5 input_dim: 4 }", [(3, 2)], inputs={"x": labels(4)}),
    Case("embed_param { num_output: 13 input_dim: 7 bias_term: false }", [(15,)], inputs={"x": labels(7)}),
]


def embed(options, shape):
    return OneLayer(f'type: "Embed" bottom: "x" top: "y" embed_param {{ {options} }}', x=shape)


def test_worked_example():
    layer = embed("num_output: 2 input_dim: 3", (2, 2))
    y = layer.forward(x=[[2, 0.9], [2, 1]], p0=[[1, 2], [3, 4], [5, 6]], p1=[10, 20])
    assert y.tolist() == [[[15, 26], [11, 22]], [[15, 26], [13, 24]]]
    dx = layer.backward([[[1, 2], [3, 4]], [[10, 20], [5, 6]]])
    assert layer.param(0).diff.tolist() == [[3, 4], [5, 6], [11, 22]]
    assert layer.param(1).diff.tolist() == [19, 32]
    assert not dx.any()


def test_without_bias():
    layer = embed("num_output: 1 input_dim: 2 bias_term: false", (1,))
    assert len(layer.net.params["l"]) == 1
    assert layer.forward(x=[1], p0=[[3], [4]]).tolist() == [[4]]


@pytest.mark.parametrize("bad", [-1, 3, float("nan"), float("inf")])
def test_index_outside(bad):
    layer = embed("num_output: 1 input_dim: 3", (2, 2))
    with pytest.raises(
        LabelError, match=r"Layer 'l' \(Embed\): index .* at \(1, 0\) of the bottom is outside 0 to 2"
    ) as e:
        layer.forward(x=[[0, 1], [bad, 2]])
    assert e.value.item == 1


def test_refused():
    with pytest.raises(ModelError, match="num_output and input_dim"):
        embed("num_output: 2", (1,))
