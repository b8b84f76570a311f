"""What a fork writes as one layer computes what the two layers do that BVLC Caffe has for it."""

import numpy as np
import pytest

import caffelike
from caffelike.check import check
from caffelike.schema import NetParameter, text

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 6 dim: 5 } } }\n'
FILLER = 'weight_filler { type: "gaussian" std: 0.3 }'
PAIRS = [
    (
        'type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 %s relu: true negative_slope: 0.25 }',
        'type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 %s }',
        'type: "ReLU" bottom: "y" top: "y" relu_param { negative_slope: 0.25 }',
    ),
    (
        'type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 %s fuse_type: FUSED_CONV_RELU }',
        'type: "Convolution" convolution_param { num_output: 3 kernel_size: 3 %s }',
        'type: "ReLU" bottom: "y" top: "y"',
    ),
    (
        'type: "InnerProduct" inner_product_param { num_output: 7 %s relu: true }',
        'type: "InnerProduct" inner_product_param { num_output: 7 %s }',
        'type: "ReLU" bottom: "y" top: "y"',
    ),
    (
        'type: "BatchNorm" batch_norm_param { relu: true }',
        'type: "BatchNorm"',
        'type: "ReLU" bottom: "y" top: "y"',
    ),
    (
        'type: "LRN" lrn_param { fuse_type: FUSED_POOL_MAX pooling_param { kernel_size: 3 stride: 2 } }',
        'type: "LRN" top: "n" lrn_param {}',
        'type: "Pooling" bottom: "n" top: "y" pooling_param { kernel_size: 3 stride: 2 }',
    ),
]


def run(definition):
    caffelike.set_random_seed(7)
    net = caffelike.Net.build(text.parse(f"force_backward: true\n{definition}", NetParameter, "n").message, 0)
    net.blobs["x"].data[...] = np.random.default_rng(0).standard_normal((2, 4, 6, 5))
    net.forward()
    net.blobs["y"].diff[...] = np.random.default_rng(1).standard_normal(net.blobs["y"].shape)
    net.backward()
    params = [blob.diff.copy() for blobs in net.params.values() for blob in blobs]
    return [net.blobs["y"].data.copy(), net.blobs["x"].diff.copy(), *params]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0][:60])
def test_one_layer_is_two(pair):
    fused, first, second = (part.replace("%s", FILLER) for part in pair)
    one = f'{INPUT}layer {{ name: "a" bottom: "x" top: "y" {fused} }}'
    top = "" if 'top: "n"' in first else 'top: "y"'
    two = f'{INPUT}layer {{ name: "a" bottom: "x" {top} {first} }}\nlayer {{ name: "b" {second} }}'
    for got, want in zip(run(one), run(two), strict=True):
        np.testing.assert_array_equal(got, want)
    assert np.ptp(run(one)[0]) > 0


def test_the_check_takes_it_apart_too(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(INPUT + f'layer {{ name: "a" bottom: "x" top: "y" {PAIRS[0][0].replace("%s", FILLER)} }}')
    assert [p for p in check(path) if p.level == "error"] == []


def test_concat_of_flat_maps_with_channels_last():
    """SSD's predictions of several maps, as Intel's fork joins them without layers of their own."""
    maps = INPUT + 'layer { name: "z" type: "Input" top: "z" input_param { shape { dim: [2, 3, 1, 2] } } }'
    fused = maps + (
        'layer { name: "l" type: "Concat" bottom: "x" bottom: "z" top: "y"'
        " concat_param { axis: 1 per_fla_fuse: true } }"
    )
    caffelike.set_random_seed(7)
    net = caffelike.Net.build(text.parse("force_backward: true\n" + fused, NetParameter, "n").message, 0)
    rng = np.random.default_rng(0)
    for name in ("x", "z"):
        net.blobs[name].data[...] = rng.standard_normal(net.blobs[name].shape)
    net.forward()
    flat = [net.blobs[name].data.transpose(0, 2, 3, 1).reshape(2, -1) for name in ("x", "z")]
    np.testing.assert_array_equal(net.blobs["y"].data, np.concatenate(flat, axis=1))
    net.blobs["y"].diff[...] = dy = rng.standard_normal(net.blobs["y"].shape).astype(np.float32)
    net.backward()
    np.testing.assert_array_equal(net.blobs["z"].diff, dy[:, 120:].reshape(2, 1, 2, 3).transpose(0, 3, 1, 2))
