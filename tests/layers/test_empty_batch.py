"""A batch may be empty: Filter makes such blobs, and what follows must take them."""

import pytest
from one_layer import OneLayer

CASES = {
    "Convolution": ("convolution_param { num_output: 4 kernel_size: 3 group: 2 }", (0, 4, 5, 3)),
    "Deconvolution": ("convolution_param { num_output: 4 kernel_size: 3 group: 2 }", (0, 4, 9, 7)),
    "Im2col": ("convolution_param { kernel_size: 3 }", (0, 36, 5, 3)),
    "InnerProduct": ("inner_product_param { num_output: 3 }", (0, 3)),
    "Pooling": ("pooling_param { kernel_size: 3 }", (0, 4, 5, 3)),
    "SPP": ("spp_param { pyramid_height: 2 }", (0, 20)),
    "LRN": ("", (0, 4, 7, 5)),
    "Embed": ("embed_param { num_output: 3 input_dim: 4 }", (0, 4, 7, 5, 3)),
    "Tile": ("tile_param { tiles: 3 }", (0, 12, 7, 5)),
    "Flatten": ("", (0, 140)),
    "Reshape": ("reshape_param { shape { dim: 0 dim: -1 dim: 7 } }", (0, 20, 7)),
    "Concat": ("", (0, 4, 7, 5)),
    "Slice": ("", (0, 4, 7, 5)),
    "Split": ("", (0, 4, 7, 5)),
}


@pytest.mark.parametrize("type_name", CASES)
def test_empty_batch(type_name):
    options, shape = CASES[type_name]
    layer = OneLayer(f'type: "{type_name}" bottom: "x" top: "y" {options}', x=(2, 4, 7, 5))
    layer.net.blobs["x"].reshape(0, 4, 7, 5)
    assert layer.forward().shape == shape
    assert layer.backward(0).shape == (0, 4, 7, 5)
    layer.net.blobs["x"].reshape(2, 4, 7, 5)
    assert layer.forward(x=1).shape[1:] == shape[1:]


@pytest.mark.parametrize("type_name", ["LSTM", "RNN"])
def test_no_sequences(type_name):
    layer = OneLayer(
        f'type: "{type_name}" bottom: "x" bottom: "cont" top: "y" recurrent_param {{ num_output: 2 }}',
        x=(3, 2, 4),
        cont=(3, 2),
    )
    layer.net.blobs["x"].reshape(3, 0, 4)
    layer.net.blobs["cont"].reshape(3, 0)
    assert layer.forward().shape == (3, 0, 2)
    layer.backward(0)
    assert not layer.param(0).diff.any()
