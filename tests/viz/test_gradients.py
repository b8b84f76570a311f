import numpy as np

from caffelike import viz
from caffelike.viz import passes


def score(net, x, unit):
    passes.show(net, x)
    return float(net.blobs["score"].data[0, unit].sum())


def test_gradient_is_what_a_small_step_changes(net, x):
    rng = np.random.default_rng(0)
    for unit in (0, 1):
        found = viz.gradient(net, x, unit)
        step = rng.standard_normal(x.shape).astype(np.float32) * 1e-3
        change = score(net, x + step, unit) - score(net, x - step, unit)
        np.testing.assert_allclose(2 * np.vdot(found, step), change, rtol=2e-2, atol=2e-6)


def test_the_unit_is_by_default_the_strongest(net, x):
    passes.show(net, x)
    best = int(net.blobs["score"].data[0, :, 0, 0].argmax())
    np.testing.assert_array_equal(viz.gradient(net, x), viz.gradient(net, x, best))


def test_guided_lets_only_positive_gradients_pass_a_relu(net, x):
    passes.show(net, x)
    start = passes.one_unit(net, "score", 0)
    above = np.maximum(passes.down(net, "score", start, to="c1"), 0)[0]  # both ReLUs; the upper one only sees 1 / 36
    above *= net.blobs["c1"].data[0] > 0
    weight = net.params["c1"][0].data
    expected = np.zeros((3, 18, 18))
    for i in range(3):
        for j in range(3):
            expected[:, i : i + 16, j : j + 16] += np.tensordot(weight[:, :, i, j], above, (0, 0))
    np.testing.assert_allclose(viz.guided(net, x, 0), expected[:, 1:-1, 1:-1], rtol=1e-4, atol=1e-6)
