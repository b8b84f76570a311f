import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case, positive

RUNNING = {"variance": positive, "factor": positive}
CONTRACT = [
    Case(shapes=[(4, 3, 5, 7)], inputs=RUNNING, tolerance=1e-4),
    Case("batch_norm_param { moving_average_fraction: 0.9 eps: 0.001 }", [(6, 13)], inputs=RUNNING, tolerance=1e-4),
    Case(shapes=[(127,)], inputs=RUNNING, tolerance=1e-4),
    Case("batch_norm_param { use_global_stats: true }", [(2, 3, 15)], inputs=RUNNING),
    Case(shapes=[(2, 3, 2, 2, 2)], inputs=RUNNING, phase=1),
    Case("batch_norm_param { scale_bias: true }", [(4, 3, 5, 7)], inputs=RUNNING, tolerance=1e-4),
    Case("batch_norm_param { scale_bias: true }", [(15,)], inputs=RUNNING, tolerance=1e-4),
    Case("batch_norm_param { scale_filler { value: 2 } }", [(6, 3)], inputs=RUNNING, phase=1),
    Case("batch_norm_param { use_weight_bias: true bias_term: false }", [(6, 3, 5)], inputs=RUNNING, tolerance=1e-4),
]


def norm(options="", shape=(2, 1, 2), phase=caffelike.TRAIN, top="y", spec=""):
    return OneLayer(
        f'type: "BatchNorm" bottom: "x" top: "{top}" {spec} batch_norm_param {{ {options} }}', phase, x=shape
    )


@pytest.mark.parametrize("top", ["y", "x"])
def test_worked_example(top):
    layer = norm("eps: 0 moving_average_fraction: 0.5", top=top)
    y = layer.forward(x=[[[1, 1]], [[5, 5]]], p0=2, p1=6, p2=4)
    assert y.tolist() == [[[-1, -1]], [[1, 1]]]
    # mean 3 and variance 4 (unbiased: 16/3) join half of what was there
    np.testing.assert_allclose([layer.param(i).data[0] for i in range(3)], [4, 3 + 16 / 3, 3], rtol=1e-6)
    assert layer.backward([[[1, 2]], [[0, 1]]]).tolist() == [[[-0.25, 0.25]], [[-0.25, 0.25]]]


def test_running_statistics():
    layer = norm("eps: 0", phase=caffelike.TEST)
    assert layer.forward(x=[[[1, 2]], [[3, 4]]], p0=4, p1=8, p2=2).tolist() == [[[-0.5, 0]], [[0.5, 1]]]
    assert layer.backward(np.ones((2, 1, 2))).tolist() == [[[0.5, 0.5]], [[0.5, 0.5]]]
    layer = norm("eps: 4", phase=caffelike.TEST)  # nothing learned yet: mean and variance count as 0
    assert layer.forward(x=[[[1, 2]], [[3, 4]]], p0=4, p1=8, p2=0).tolist() == [[[0.5, 1]], [[1.5, 2]]]


def test_phase_decides_unless_told():
    assert norm(phase=caffelike.TEST).layer.options["use_global_stats"]
    assert not norm("use_global_stats: false", phase=caffelike.TEST).layer.options["use_global_stats"]


def test_statistics_are_not_learned():
    layer = norm()
    assert [own.lr_mult for own in layer.net.learnable] == [0, 0, 0]
    norm(spec="param { lr_mult: 0 } param { lr_mult: 0 }")
    with pytest.raises(ModelError, match="param 0 has lr_mult 1, but the running statistics are not learned"):
        norm(spec="param { }")


def test_channels_refused():
    layer = norm(shape=(2, 3))
    layer.net.blobs["x"].reshape(2, 4)
    with pytest.raises(ShapeError, match="for 3 channels"):
        layer.forward()


@pytest.mark.parametrize("phase", [caffelike.TRAIN, caffelike.TEST])
@pytest.mark.parametrize("kernels", [False, True])
def test_scale_and_bias_worked_example(phase, kernels):
    """NVIDIA's five blobs compute what BatchNorm and Scale do."""
    rng = np.random.default_rng(0)
    shape = (4, 3, 2, 5)
    x, dy = rng.standard_normal((2, *shape))
    scale, bias = rng.standard_normal((2, 3))
    one = OneLayer(
        'type: "BatchNorm" bottom: "x" top: "y" batch_norm_param { scale_bias: true }', phase, kernels, x=shape
    )
    assert [own.lr_mult for own in one.net.learnable] == [0, 0, 0, 1, 1]
    assert [one.param(i).data.tolist() for i in (3, 4)] == [[1] * 3, [0] * 3]
    two = norm(shape=shape, phase=phase)
    after = OneLayer('type: "Scale" bottom: "x" top: "y" scale_param { bias_term: true }', phase, x=shape)
    sums = {"p0": [1, 2, 3], "p1": [4, 5, 6], "p2": 2}
    y = one.forward(x=x, p3=scale, p4=bias, **sums)
    middle = two.forward(x=x, **sums)
    np.testing.assert_allclose(y, after.forward(x=middle, p0=scale, p1=bias), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one.backward(dy), two.backward(after.backward(dy)), rtol=1e-4, atol=1e-6)
    for i in range(3):
        np.testing.assert_allclose(one.param(i).data, two.param(i).data, rtol=1e-6)
    for i in range(2):
        np.testing.assert_allclose(one.param(3 + i).diff, after.param(i).diff, rtol=1e-4, atol=1e-6)


def test_which_words_mean_five_blobs():
    assert len(norm("filler { value: 1 }").layer.blobs) == 3  # Intel's files: a Scale layer follows
    layer = norm("scale_filler { value: 3 } bias_filler { value: 2 }")
    assert [layer.param(i).data.tolist() for i in (3, 4)] == [[3], [2]]
    assert len(norm("use_weight_bias: true bias_term: false filler { value: 2 }").layer.blobs) == 4
