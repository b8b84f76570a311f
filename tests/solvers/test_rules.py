"""The update rules against numbers worked out by hand, and every fast kernel against its definition."""

import importlib
import math

import numpy as np
import pytest

from caffelike import device, registry
from caffelike.layer import parameters
from caffelike.solvers import rule

f32 = np.float32


def module(kind):
    return importlib.import_module(registry.solvers[kind].__module__)


def run(kind, weight, gradient, histories, function=None, scale=1.0, l2=0.0, l1=0.0, rate=0.1, **constants):
    """One update of copies; returns weight, diff, histories and the answer."""
    function = function or module(kind).update
    w, g, *h = (np.array(a, f32) for a in (weight, gradient, *histories))
    names = parameters(module(kind).update)
    numbers = [constants[n] if n == "iteration" else f32(constants[n]) for n in names[names.index("rate") + 1 :]]
    finite = function(w, g, *h, f32(scale), f32(l2), f32(l1), f32(rate), *numbers)
    return w, g, h, bool(finite)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_every_solver_type_is_registered():
    assert list(registry.solvers) == ["AdaDelta", "AdaGrad", "Adam", "Nesterov", "RMSProp", "SGD"]


def test_sgd():
    w, g, (v,), finite = run("SGD", [1.0, -2.0], [0.5, 1.0], [[0.2, 0.0]], momentum=0.9)
    close(v, [0.9 * 0.2 + 0.1 * 0.5, 0.1])
    close(g, v)
    close(w, [1 - 0.23, -2.1])
    assert finite


def test_scale_and_decay_come_before_the_rule():
    _, g, _, _ = run("SGD", [2.0, -2.0, 0.0], [1.0, 1.0, 1.0], [[0, 0, 0]], scale=0.5, l2=0.25, rate=1, momentum=0)
    close(g, [0.5 + 0.5, 0.5 - 0.5, 0.5])
    _, g, _, _ = run("SGD", [2.0, -2.0, 0.0], [1.0, 1.0, 1.0], [[0, 0, 0]], scale=0.5, l1=0.25, rate=1, momentum=0)
    close(g, [0.75, 0.25, 0.5])  # the sign of 0 is 0


def test_nesterov():
    w, g, (v,), _ = run("Nesterov", [1.0], [0.5], [[0.2]], momentum=0.9)
    close(v, [0.23])
    close(g, [1.9 * 0.23 - 0.9 * 0.2])
    close(w, 1 - g)


def test_adagrad():
    w, g, (s,), _ = run("AdaGrad", [1.0], [3.0], [[16.0]], delta=1.0)
    close(s, [25.0])
    close(g, [0.1 * 3 / 6])
    close(w, [0.95])


def test_rmsprop():
    _, g, (s,), _ = run("RMSProp", [1.0], [2.0], [[1.0]], rms_decay=0.5, delta=0.0)
    close(s, [2.5])
    close(g, [0.1 * 2 / math.sqrt(2.5)])


def test_adadelta():
    _, g, (s, u), _ = run("AdaDelta", [1.0], [2.0], [[1.0], [3.0]], rate=0.5, momentum=0.5, delta=1.0)
    step = 2 * math.sqrt((3 + 1) / (2.5 + 1))
    close(s, [2.5])
    close(u, [0.5 * 3 + 0.5 * step**2])
    close(g, [0.5 * step])


def test_adam_corrects_its_means():
    constants = {"momentum": 0.9, "momentum2": 0.999, "delta": 1e-8}
    _, g, (m, v), _ = run("Adam", [1.0], [2.0], [[0.0], [0.0]], iteration=0, **constants)
    close(m, [0.2])
    np.testing.assert_allclose(v, [0.004], rtol=1e-4)
    np.testing.assert_allclose(g, [0.1], rtol=1e-4)  # the first step is the rate itself
    _, g, _, _ = run("Adam", [1.0], [2.0], [[0.2], [0.004]], iteration=1, **constants)
    np.testing.assert_allclose(g, [0.1], rtol=1e-4)


ON = pytest.mark.parametrize("on", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def fast_update(kind, on):
    """The kernel of a device, called with arrays in the computer's memory."""
    kernel = device.kernel(kind.lower(), "update", on)
    if kernel is None or on == "cpu":
        return kernel
    door = device.use()

    def update(*arguments):
        moved = [door.on_device(a) if isinstance(a, np.ndarray) else a for a in arguments]
        answer = bool(kernel(*moved))
        for host, there in zip(arguments, moved, strict=True):
            if isinstance(host, np.ndarray):
                host[...] = door.on_host(there)
        return answer

    return update


@ON
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", list(registry.solvers))
def test_weights_that_are_not_finite_are_told(kind, bad, on):
    names = parameters(module(kind).update)
    constants = dict.fromkeys(("momentum", "momentum2", "rms_decay"), 0.5) | {"delta": 1e-8, "iteration": 3}
    histories = np.ones((names.index("scale") - 2, 40))
    gradient = np.ones(40)
    functions = [module(kind).update]
    if fast := fast_update(kind, on):
        functions.append(fast)
    for function in functions:
        with np.errstate(all="ignore"):
            assert run(kind, np.ones(40), gradient, histories, function, **constants)[3]
            for place in (0, 17, 39):
                broken = gradient.copy()
                broken[place] = bad
                weight, *_, finite = run(kind, np.ones(40), broken, histories, function, **constants)
                assert finite == np.isfinite(weight).all()
                assert not finite or np.isinf(bad)  # an infinite gradient may mean a step of 0 (AdaGrad)


@ON
@pytest.mark.parametrize("kind", list(registry.solvers))
@pytest.mark.parametrize("size", [1, 13, 127, 4096, 70001])
def test_kernel_agrees_with_the_definition(kind, size, on):
    if on == "cuda" and device.simulated():
        size = min(size, 300)
    fast = fast_update(kind, on)
    if fast is None:
        pytest.skip(f"no fast kernel for {kind}")
    names = parameters(module(kind).update)
    random = np.random.default_rng(size)
    constants = {"momentum": 0.9, "momentum2": 0.99, "rms_decay": 0.8, "delta": 1e-3, "iteration": 5}
    weight, gradient = random.standard_normal((2, size))
    histories = random.random((names.index("scale") - 2, size))
    for l2, l1 in ((0.0, 0.0), (0.01, 0.0), (0.0, 0.01)):
        numbers = {"scale": 0.5, "l2": l2, "l1": l1, **constants}
        expected = run(kind, weight, gradient, histories, **numbers)
        got = run(kind, weight, gradient, histories, fast, **numbers)
        for mine, theirs in zip((*got[:2], *got[2]), (*expected[:2], *expected[2]), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-6)
        assert got[3] == expected[3]


def test_regularise_leaves_a_plain_gradient_alone():
    gradient = np.array([0.1, -0.3], f32)
    kept = gradient.copy()
    rule.regularise(np.ones(2, f32), gradient, f32(1), f32(0), f32(0))
    assert (gradient == kept).all()
