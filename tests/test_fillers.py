import numpy as np
import pytest

from caffelike import fillers
from caffelike.errors import ModelError
from caffelike.schema import FillerParameter


def filled(shape, seed=1, name="conv1", **options):
    array = np.empty(shape, np.float32)
    fillers.fill(array, FillerParameter(**options), seed, name, 0)
    return array


def test_constant():
    assert filled((2, 3), type="constant", value=0.5).tolist() == [[0.5] * 3] * 2


def test_uniform_stays_in_its_bounds_and_fills_them():
    sample = filled((1000,), type="uniform", min=-2, max=6)
    assert -2 <= sample.min() < -1.9
    assert 5.9 < sample.max() < 6


def test_gaussian_has_its_mean_and_deviation():
    sample = filled((100, 100), type="gaussian", mean=3, std=0.1)
    assert abs(sample.mean() - 3) < 0.005
    assert abs(sample.std() - 0.1) < 0.005


def test_sparse_gaussian_keeps_sparse_elements_of_each_column_on_average():
    sample = filled((200, 500), type="gaussian", std=1, sparse=10)
    assert abs((sample != 0).sum(axis=0).mean() - 10) < 1


def test_positive_unitball_rows_sum_to_one():
    sample = filled((4, 3, 5), type="positive_unitball")
    assert sample.min() >= 0
    assert np.allclose(sample.reshape(4, -1).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("norm", "fan"), [("FAN_IN", 3 * 5 * 5), ("FAN_OUT", 64 * 5 * 5), ("AVERAGE", (3 + 64) * 25 / 2)]
)
def test_xavier_and_msra_follow_the_fan(norm, fan):
    xavier = filled((64, 3, 5, 5), type="xavier", variance_norm=FillerParameter.VarianceNorm.Value(norm))
    bound = np.sqrt(3 / fan)
    assert 0.97 * bound < np.abs(xavier).max() <= bound
    msra = filled((64, 3, 5, 5), type="msra", variance_norm=FillerParameter.VarianceNorm.Value(norm))
    assert abs(msra.std() / np.sqrt(2 / fan) - 1) < 0.05


def test_bilinear_is_the_interpolation_kernel():
    sample = filled((2, 1, 4, 4), type="bilinear")
    ramp = np.array([0.25, 0.75, 0.75, 0.25])
    assert np.allclose(sample, np.outer(ramp, ramp))
    with pytest.raises(ModelError, match="square"):
        filled((1, 1, 3, 4), type="bilinear")


def test_values_depend_on_seed_and_layer_name_alone():
    one = filled((50,), type="gaussian")
    assert np.array_equal(one, filled((50,), type="gaussian"))
    assert not np.array_equal(one, filled((50,), type="gaussian", seed=2))
    assert not np.array_equal(one, filled((50,), type="gaussian", name="conv2"))


def test_an_unknown_filler_lists_near_names():
    with pytest.raises(ModelError, match=r"Unknown filler type: gausian .*Did you mean gaussian"):
        filled((2,), type="gausian")


def test_sparse_elsewhere_is_refused():
    with pytest.raises(ModelError, match="only 'gaussian' does"):
        filled((2,), type="xavier", sparse=3)


@pytest.mark.parametrize("slope", [{"alpha": 0.5}, {"negative_slope": 0.5}])
def test_msra_for_a_leaky_relu(slope):
    plain, leaky = (filled((64, 75), type="msra", **options) for options in ({}, slope))
    np.testing.assert_allclose(leaky, plain / np.sqrt(1.25), rtol=1e-6)
    with pytest.raises(ModelError, match="takes no 'alpha'"):
        filled((2, 2), type="xavier", **slope)


def test_a_net_may_say_so():
    import caffelike
    from caffelike.schema import NetParameter, text

    net = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 75 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
            inner_product_param { num_output: 64 weight_filler { type: "msra" alpha: 0.25 } } }"""
    made = caffelike.Net.build(text.parse(net, NetParameter, "n").message, 0)
    assert abs(made.params["ip"][0].data.std() - np.sqrt(2 / (1.0625 * 75))) < 0.005
