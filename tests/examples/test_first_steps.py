"""First steps with a net: fixed filters in a Convolution layer, and what first weights do to a deep net."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from caffelike import TRAIN, Net

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/NAME.py`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def filters():
    return importlib.import_module("fixed_filters")


@pytest.fixture
def initialisation():
    return importlib.import_module("initialisation")


def test_two_layers_of_1d_filters_are_one_of_their_product(filters):
    picture = np.random.default_rng(0).uniform(0, 255, (23, 31)).astype(np.float32)
    down, across = filters.gaussian(1.5), filters.gaussian(0.8)
    one, two = (filters.run(make(down, across), picture) for make in (filters.in_one, filters.in_two))
    assert one.shape == (23, 31)
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-4)


def test_gaussian_of_a_point_is_the_bell(filters):
    weights = filters.gaussian(2)
    picture = np.zeros((21, 21), np.float32)
    picture[10, 10] = 1
    blurred = filters.run(filters.in_two(weights, weights), picture)
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    assert blurred[10, 12] / blurred[10, 10] == pytest.approx(np.exp(-0.5), rel=1e-5)  # one deviation off
    assert blurred[12, 12] / blurred[10, 10] == pytest.approx(np.exp(-1), rel=1e-5)


def test_sobel_is_the_slope_of_a_plane(filters):
    rows, columns = np.mgrid[:12, :17].astype(np.float32)
    across, down = filters.sobel(3 * columns - 2 * rows)
    np.testing.assert_allclose(across[1:-1, 1:-1], 3, rtol=1e-5)
    np.testing.assert_allclose(down[1:-1, 1:-1], -2, rtol=1e-5)


def test_filters_are_not_learned(filters):
    from caffelike.schema import SolverParameter
    from caffelike.solvers import get_solver

    n = filters.NetSpec()
    n.data = filters.L.Input(shape={"dim": [1, 1, 6, 6]})
    n.y = filters.layer(n.data, (3, 3))
    n.scores = filters.L.InnerProduct(n.y, num_output=1, weight_filler={"type": "constant", "value": 1})
    n.loss = filters.L.Reduction(n.scores, operation=2, loss_weight=1)
    solver = get_solver(SolverParameter(net_param=n.to_proto(), base_lr=0.1, lr_policy="fixed"))
    solver.net.params["y"][0].data[...] = np.outer(filters.SMOOTH, filters.SLOPE)
    before = solver.net.params["scores"][0].data.copy()
    solver.net.blobs["data"].data[...] = np.arange(36).reshape(6, 6)
    solver.step(1)
    np.testing.assert_array_equal(solver.net.params["y"][0].data[0, 0], np.outer(filters.SMOOTH, filters.SLOPE))
    assert not np.array_equal(solver.net.params["scores"][0].data, before)


def test_bounds_of_the_first_lecture(initialisation):
    net = Net.build(initialisation.network("±sqrt(2/n)", 50), TRAIN)
    for name, n in (("ip1", 50), ("ip2", 100), ("scores", 100)):
        weights, bound = net.params[name][0].data, (2 / n) ** 0.5
        assert weights.shape[1] == n
        assert 0.95 * bound < np.abs(weights).max() <= bound
        assert abs(weights.mean()) < 0.05 * bound


@pytest.mark.parametrize("name", ["std 0.01", "±sqrt(2/n)", "xavier", "msra"])
def test_what_is_left_of_a_signal_follows_the_rule(initialisation, name):
    """Within a fifth a layer: 100 random units are not the mean of all; the fillers differ by half and more."""
    net = Net.build(initialisation.network(name, 49), TRAIN)
    data = np.random.default_rng(0).normal(0, 1, (200, 49)).astype(np.float32)
    measured = initialisation.shares(net, data)
    for layer in initialisation.SHOWN:
        ratio = (measured[layer - 1] / initialisation.expected(name, 49, layer)) ** (1 / layer)
        assert 0.8 < ratio < 1.2, (layer, ratio)
