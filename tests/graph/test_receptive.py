"""Receptive fields, worked out by hand and found by trying: which inputs change a pixel."""

import numpy as np
import pytest

import caffelike
from caffelike.graph.receptive import receptive_fields, widest

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 31 dim: 29 } } }\n'


def layer(type_, bottoms, top, options=""):
    named = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{top}" type: "{type_}" {named} top: "{top}" {options} }}\n'


def conv(bottom, top, options, type_="Convolution"):
    options = f'convolution_param {{ num_output: 2 weight_filler {{ type: "constant" value: 1 }} {options} }}'
    return layer(type_, bottom, top, options)


def fields(net):
    found = receptive_fields(net._nodes)
    return {node.name: widest(tops) for node, tops in zip(net._nodes, found, strict=True)}


CHAINS = {
    "convolutions": (conv("x", "a", "kernel_size: 5 stride: 2 pad: 1") + conv("a", "y", "kernel_size: 3"), (9, 9)),
    "dilated": (conv("x", "y", "kernel_h: 3 kernel_w: 2 dilation: 3"), (7, 4)),
    "deconvolution": (
        conv("x", "a", "kernel_size: 3 stride: 2") + conv("a", "y", "kernel_size: 4 stride: 2", "Deconvolution"),
        (5, 5),
    ),
    "pooling": (
        conv("x", "a", "kernel_size: 3")
        + layer("Pooling", "a", "y", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"),
        (5, 5),
    ),
    "within channels": (
        layer("LRN", "x", "y", "lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL alpha: 3 }"),
        (3, 3),
    ),
    "side by side": (
        conv("x", "a", "kernel_size: 5 pad: 2") + conv("x", "b", "kernel_size: 1") + layer("Concat", "a b", "y"),
        (5, 5),
    ),
    "side by side, askew": (  # 3 pixels from -2 on, and 1 pixel at 0; the first is cut to the second's places
        conv("x", "a", "kernel_size: 3 pad: 2")
        + layer("Crop", "a x", "cut", "crop_param { axis: 2 offset: 0 }")
        + layer("Eltwise", "cut x", "y"),
        (3, 3),
    ),
    "enlarged": (conv("x", "a", "kernel_size: 3") + layer("Upsample", "a", "y", "upsample_param { scale: 2 }"), (3, 3)),
    "turned": (
        conv("x", "a", "kernel_size: 3") + layer("Permute", "a", "y", "permute_param { order: [0, 2, 3, 1] }"),
        (3, 3),
    ),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_said_is_what_changes_a_pixel(build, chain):
    """The gradient of one pixel in the middle is not zero in a window of the size said, at the place said."""
    text, size = CHAINS[chain]
    net = build("force_backward: true\n" + INPUT + text, caffelike.TRAIN)
    field = fields(net)["y"]["x"]
    assert field.rounded() == size
    net.blobs["x"].data[...] = np.random.default_rng(0).uniform(1, 2, net.blobs["x"].shape)
    net.forward()
    y = net.blobs["y"]
    channels_last = chain == "turned"
    middle = (y.shape[1] // 2, y.shape[2] // 2) if channels_last else (y.shape[2] // 2, y.shape[3] // 2)
    widest_seen, first = np.zeros(2, int), []
    for shift in (0, 1):  # behind a stride of 1/2 two neighbours see differently much
        place = tuple(m + shift for m in middle)
        y.diff[...] = 0
        y.diff[(0, *place) if channels_last else (0, slice(None), *place)] = 1
        net.backward()
        seen = np.argwhere(net.blobs["x"].diff[0].any(0))
        widest_seen = np.maximum(widest_seen, seen.max(0) - seen.min(0) + 1)
        first.append(seen.min(0) == [b + s * p for b, s, p in zip(field.start, field.stride, place, strict=True)])
    assert tuple(widest_seen) == size
    assert np.any(first, axis=0).all()


def test_a_published_number():
    """VGG-16: 212 pixels behind pool5 (Araujo, Norris and Sim, "Computing receptive fields", Distill, 2019)."""
    from caffelike.summary import describe

    rows = {row.name: row for row in describe("models/vgg16/deploy.prototxt").layers}
    assert rows["pool5"].receptive_field["data"].size == (212, 212)
    assert rows["pool5"].receptive_field["data"].stride == (32, 32)


def test_everything_and_nothing(build):
    """All pixels behind InnerProduct; none through a shape; unknown behind what depends on the data."""
    net = build(
        'layer { name: "rois" type: "Input" top: "rois" input_param { shape { dim: 3 dim: 5 } } }\n'
        + INPUT
        + conv("x", "a", "kernel_size: 3")
        + layer("InnerProduct", "a", "ip", "inner_product_param { num_output: 2 }")
        + layer("Scale", "a ip", "weighed", "scale_param { axis: 0 }")
        + conv("weighed", "more", "kernel_size: 3")
        + layer("PriorBox", "a x", "boxes", "prior_box_param { min_size: 4 }")
        + layer("ROIPooling", "a rois", "parts", "roi_pooling_param { pooled_h: 2 pooled_w: 2 }")
        + layer("ReLU", "parts", "relu"),
        caffelike.TEST,
    )
    found = fields(net)
    assert found["a"]["x"].rounded() == (3, 3)
    for name in ("ip", "weighed", "more"):
        assert found[name]["x"].rounded() == (31, 29)
        assert found[name]["x"].stride == (0, 0)
    for name in ("rois", "boxes", "parts", "relu"):
        assert found[name] == {}
