import numpy as np
import pytest
from google.protobuf import text_format
from one_layer import OneLayer, image

import caffelike
from caffelike.errors import ModelError, ShapeError
from caffelike.schema import NetParameter
from caffelike.testing import Case, positive

PARAMS = {"slope": positive, "variance": positive}

CONTRACT = [
    Case(f"bn_param {{ {options} }}", [shape], phase=phase, inputs=PARAMS, tolerance=1e-4)
    for options, shape, phase in [
        ("slope_filler { value: 1 } momentum: 0.5", (3, 2, 4, 5), 0),
        ("slope_filler { value: 1 } frozen: true", (3, 2, 4, 5), 0),
        ("slope_filler { value: 1 }", (3, 2, 5), 1),
        ("decay: 0.9 scale_filler { value: 1 }", (4, 3), 0),
        ("moving_average: true", (4, 3, 2, 2), 1),
        ("scale_filler { value: 1 }", (3, 2, 3, 3), 1),
        ("bn_mode: INFERENCE", (3, 2, 3, 3), 1),
    ]
]


def bn(options, shape=(1, 1, 1, 4), phase=caffelike.TRAIN, more="", tops='top: "y"'):
    return OneLayer(f'type: "BN" bottom: "x" {tops} {more} bn_param {{ {options} }}', phase, x=shape)


def running(layer):
    return [float(layer.param(i).data.ravel()[0]) for i in (2, 3)]


def test_worked_example_of_training():
    layer = bn("momentum: 0.75 eps: 0 slope_filler { value: 2 } bias_filler { value: 10 }")
    y = layer.forward(x=image([1, 1, 5, 5]))  # mean 3, biased variance 4
    assert y.tolist() == image([8, 8, 12, 12]).tolist()
    assert running(layer) == [0.75, 1]
    # slope (dy - mean(dy) - n mean(dy n)) / 2 with n = -1 -1 1 1, mean(dy) = 3, mean(dy n) = 1
    dx = layer.backward(image([1, 3, 2, 6]))
    assert dx.tolist() == image([-1, 1, -2, 2]).tolist()
    assert [float(layer.param(i).diff.ravel()[0]) for i in (0, 1)] == [4, 12]


@pytest.mark.parametrize(("options", "phase"), [("eps: 0", caffelike.TEST), ("eps: 0 frozen: true", caffelike.TRAIN)])
def test_running_statistics(options, phase):
    layer = bn(options, phase=phase)
    values = {"p0": 3, "p1": 1, "p2": 2, "p3": 4}
    assert layer.forward(x=image([2, 4, 0, 8]), **values).tolist() == image([1, 4, -2, 10]).tolist()
    assert running(layer) == [2, 4]
    assert layer.backward(image([2, 4, 0, 8])).tolist() == image([3, 6, 0, 12]).tolist()


def test_decay_counts_the_batch():
    layer = bn("decay: 0.75 scale_filler { value: 1 }")
    layer.forward(x=image([1, 1, 5, 5]))
    assert running(layer) == [2.25, 3]


def test_segnet_uses_the_batch_while_testing():
    layer = bn("scale_filler { value: 2 }", phase=caffelike.TEST, tops='top: "y" top: "m" top: "v"')
    y, mean, variance = layer.forward(x=image([1, 1, 5, 5]))
    assert y.tolist() == image([-2, -2, 2, 2]).tolist()
    assert (mean.tolist(), variance.tolist()) == ([[[[3]]]], [[[[4]]]])
    assert len(layer.net.params["l"]) == 2


def test_segnet_inference():
    layer = bn("bn_mode: INFERENCE", phase=caffelike.TEST)
    assert layer.forward(x=image([1, 2, 3, 4]), p0=3, p1=-1).tolist() == image([2, 5, 8, 11]).tolist()


def test_the_number_of_params_tells_the_dialect():
    assert len(bn("", more="param { } param { }").net.params["l"]) == 2
    assert len(bn("").net.params["l"]) == 4


def test_frozen_is_not_learned():
    specs = bn("frozen: true", more="param { lr_mult: 1 } param { lr_mult: 2 }").layer.message.param
    assert [s.lr_mult for s in specs] == [0, 0, 0, 0]
    specs = bn("momentum: 0.9", more="param { lr_mult: 1 } param { lr_mult: 2 }").layer.message.param
    assert [s.lr_mult for s in specs] == [1, 2, 0, 0]


def test_fuses_into_the_convolution():
    text = (
        'layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: [2, 3, 9, 9] }} }} }}'
        'layer {{ name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {{ num_output: 4 kernel_size: 3'
        ' weight_filler {{ type: "gaussian" std: 1 }} }} }}'
        'layer {{ name: "b" type: "BN" bottom: "c" top: "{top}" bn_param {{ slope_filler {{ value: 1.5 }} }} }}'
    )
    rng = np.random.default_rng(0)
    outs, weights = [], None
    values = [rng.uniform(0.5, 2, (1, 4, 1, 1)) for _ in range(4)]
    x = rng.standard_normal((2, 3, 9, 9))
    for top in ("c", "b"):
        message = text_format.Parse(text.format(top=top), NetParameter())
        net = caffelike.Net.build(message, caffelike.TEST)
        weights = net.params["c"][0].data.copy() if weights is None else weights
        net.params["c"][0].data[...] = weights
        for blob, value in zip(net.params["b"], values, strict=True):
            blob.data[...] = value
        net.blobs["x"].data[...] = x
        outs.append(next(iter(net.forward().values())).copy())
    np.testing.assert_allclose(outs[0], outs[1], rtol=1e-4, atol=1e-5)


def test_refused():
    with pytest.raises(ModelError, match="slope_filler and scale_filler"):
        bn("slope_filler { } scale_filler { }")
    with pytest.raises(ModelError, match="decay and bn_mode"):
        bn("decay: 0.5 bn_mode: LEARN")
    with pytest.raises(ModelError, match="across_spatial"):
        bn("across_spatial: false")
    with pytest.raises(ShapeError, match="2 axes"):
        bn("", (4,))
