import numpy as np
import pytest
from one_layer import OneLayer, image

import caffelike
from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("interp_param { height: 7 width: 5 }", [(2, 3, 4, 9)]),
    Case("interp_param { height: 1 width: 13 }", [(2, 1, 5, 13)]),
    Case("interp_param { zoom_factor: 3 pad_beg: -1 pad_end: -2 }", [(1, 2, 7, 8)]),
    Case("interp_param { shrink_factor: 2 }", [(2, 2, 7, 8)]),
    Case("interp_param { zoom_factor: 8 }", [(1, 3, 13, 15)]),
    Case("interp_param { use_blob_size: true }", [(2, 3, 4, 5), (2, 1, 9, 3)]),
]


def interp(options, *shapes):
    names = [f"b{i}" for i in range(len(shapes))]
    bottoms = "".join(f'bottom: "{n}" ' for n in names)
    return OneLayer(
        f'type: "Interp" {bottoms} top: "y" interp_param {{ {options} }}', **dict(zip(names, shapes, strict=True))
    )


def test_worked_example():
    layer = interp("zoom_factor: 3", (1, 1, 2, 3))
    y = layer.forward(b0=image([0, 3, 9], [12, 15, 18]))
    rows = [[0, 1, 2, 3, 5, 7, 9], [4, 5, 6, 7, 9 - 1 / 3, 10 + 1 / 3, 12], [8, 9, 10, 11, 12 + 1 / 3, 13 + 2 / 3, 15]]
    np.testing.assert_allclose(y, image(*rows, [12, 13, 14, 15, 16, 17, 18]), rtol=1e-6)
    dx = layer.backward(np.ones((1, 1, 4, 7)))
    # a pixel's share along an axis: 1 + 2/3 + 1/3 at the ends, once more 2/3 + 1/3 in the middle
    np.testing.assert_allclose(dx, image([4, 6, 4], [4, 6, 4]), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "shape", "out"),
    [
        ("zoom_factor: 8", (1, 1, 60, 45), (473, 353)),
        ("shrink_factor: 2", (1, 1, 1025, 2049), (513, 1025)),
        ("shrink_factor: 4 zoom_factor: 2", (1, 1, 9, 13), (5, 7)),
        ("height: 6 width: 6", (1, 1, 1, 1), (6, 6)),
        ("zoom_factor: 1 pad_beg: -1", (1, 1, 4, 5), (3, 4)),
    ],
)
def test_sizes(options, shape, out):
    assert interp(options, shape).net.blobs["y"].shape == (1, 1, *out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "needs one of"),
        ("zoom_factor: 2 height: 3 width: 3", "needs one of"),
        ("height: 3", "at least 1"),
        ("shrink_factor: 0", "at least 1"),
        ("zoom_factor: 2 pad_beg: 1", "must not be above 0"),
        ("use_blob_size: true", "second bottom"),
    ],
)
def test_options_refused(options, message):
    with pytest.raises(ModelError, match=rf"Layer 'l' \(Interp\).*{message}"):
        interp(options, (1, 1, 4, 4))


def test_shapes_refused():
    with pytest.raises(ShapeError, match="4 axes"):
        interp("zoom_factor: 2", (1, 4, 4))
    with pytest.raises(ShapeError, match="leave nothing"):
        interp("zoom_factor: 2 pad_beg: -4", (1, 1, 4, 4))


def test_a_pyramid_of_poolings_learns_to_segment(tmp_path):
    """PSPNet's parts, narrow: BN, means of the image in several sizes, enlarged and joined, a loss for every pixel."""
    levels = "".join(
        f"""
        layer {{ name: "pool{k}" type: "Pooling" bottom: "a" top: "pool{k}"
            pooling_param {{ pool: AVE kernel_size: {k} stride: {k} }} }}
        layer {{ name: "conv{k}" type: "Convolution" bottom: "pool{k}" top: "conv{k}"
            convolution_param {{ num_output: 4 kernel_size: 1 bias_term: false weight_filler {{ type: "msra" }} }} }}
        layer {{ name: "bn{k}" type: "BN" bottom: "conv{k}" top: "bn{k}"
            bn_param {{ slope_filler {{ type: "constant" value: 1 }} momentum: 0.95 }} }}
        layer {{ name: "interp{k}" type: "Interp" bottom: "bn{k}" top: "interp{k}"
            interp_param {{ height: 6 width: 6 }} }}"""
        for k in (6, 3, 2)
    )
    joined = " ".join(f'bottom: "interp{k}"' for k in (6, 3, 2))
    path = tmp_path / "net.prototxt"
    path.write_text(f"""
        layer {{ name: "in" type: "Input" top: "data" top: "label" input_param {{
            shape {{ dim: [4, 3, 12, 12] }} shape {{ dim: [4, 1, 12, 12] }} }} }}
        layer {{ name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param {{
            num_output: 8 kernel_size: 3 stride: 2 pad: 1 bias_term: false weight_filler {{ type: "msra" }} }} }}
        layer {{ name: "a/bn" type: "BN" bottom: "a" top: "a" bn_param {{ momentum: 0.95 }} }}
        layer {{ name: "a/relu" type: "ReLU" bottom: "a" top: "a" }}
        {levels}
        layer {{ name: "joined" type: "Concat" bottom: "a" {joined} top: "joined" }}
        layer {{ name: "score" type: "Convolution" bottom: "joined" top: "score"
            convolution_param {{ num_output: 4 kernel_size: 1 weight_filler {{ type: "msra" }} }} }}
        layer {{ name: "large" type: "Interp" bottom: "score" top: "large" interp_param {{ height: 12 width: 12 }} }}
        layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "large" bottom: "label" top: "loss"
            loss_param {{ ignore_label: 255 }} }}""")
    (tmp_path / "solver.prototxt").write_text(f'net: "{path}" base_lr: 0.05 momentum: 0.9 lr_policy: "fixed"')
    solver = caffelike.get_solver(str(tmp_path / "solver.prototxt"))
    data, label = solver.net.blobs["data"].data, solver.net.blobs["label"].data
    data[...], label[...] = 0, 3
    for i in range(4):  # a rectangle of another colour and place in each; the seam is ignored
        rows, columns = slice(1 + i, 7 + i), slice(6 - i, 11 - i)
        data[i, i % 3, rows, columns] = 1
        label[i, 0, rows, columns] = i % 3
        label[i, 0, rows.stop] = 255
    losses = []
    for _ in range(60):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    assert losses[-1] < 0.2 * losses[0], losses
    guess = solver.net.blobs["large"].data.argmax(axis=1)
    counts = label[:, 0] != 255
    assert (guess == label[:, 0])[counts].mean() > 0.95
