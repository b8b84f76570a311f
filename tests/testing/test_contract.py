"""The contract finds what it is there to find: layers broken on purpose, one way at a time."""

import numpy as np
import pytest

from caffelike.layers import bias, elu, tanh
from caffelike.testing import Bench, check_gradient, check_layer, labels

TANH = ("TanH", "", [(2, 3)])


def test_a_sound_layer_passes():
    check_layer(*TANH)
    check_layer("SoftmaxWithLoss", shapes=[(4, 5), (4,)], inputs={"label": labels(5)})


def test_wrong_gradient(monkeypatch):
    def backward(dy, y, dx):
        np.multiply(dy, 1 - y, out=dx)

    monkeypatch.setattr(tanh, "backward", backward)
    with pytest.raises(AssertionError, match=r"gradient of 'x' at index \(\d, \d\) \(feature \d.*objective goes from"):
        check_layer(*TANH)


def test_nothing_but_kinks():
    with pytest.raises(AssertionError, match="6 of 6 numbers of 'x' lie on kinks"):
        check_gradient('type: "ReLU"', [(2, 3)], inputs={"x": 0})


@pytest.mark.parametrize(
    ("module", "backward", "example", "message"),
    [
        (tanh, lambda dy, y, dx: None, TANH, "is nan, but the objective"),
        (
            tanh,
            lambda dy, x, dx: np.multiply(dy, 1 - np.tanh(x) ** 2, out=dx),
            TANH,
            "backward reads something that backward_reads does not list",
        ),
        (
            bias,
            lambda dy, dx, dbias: (np.copyto(dx, dy), np.copyto(dbias, dy.sum(axis=0))),
            ("Bias", "", [(2, 3)]),
            "unsupported|NoneType",
        ),
        (
            bias,
            lambda dy, dx, dbias: (
                np.copyto(dx, dy) if dx is not None else None,
                np.copyto(dbias, dy.sum(axis=0)) if dbias is not None else None,
            ),
            ("Bias", "", [(2, 3)]),
            "beta 1 adds to gradients of 1: bias differs in 3 of 3 numbers",
        ),
    ],
)
def test_broken_backward(monkeypatch, module, backward, example, message):
    monkeypatch.setattr(module, "backward", backward)
    with pytest.raises((AssertionError, TypeError), match=message) as caught:
        check_layer(*example)
    assert caught.value.__notes__ == [f"Checked: {example[0]}  with bottoms [(2, 3)]"]


def test_out_of_place_only(monkeypatch):
    def forward(x, y, alpha):
        np.maximum(x, 0, out=y)
        y += alpha * (np.exp(np.minimum(x, 0)) - 1)  # x is y by now

    monkeypatch.setattr(elu, "forward", forward)
    with pytest.raises(AssertionError, match="in place: top 0 differs"):
        check_layer("ELU", "", [(2, 3)])


def fake_kernel(monkeypatch, **functions):
    """A kernel file for TanH that holds these functions."""
    monkeypatch.setattr("caffelike.device.kernel_devices", lambda stem: ["cpu"])
    monkeypatch.setattr("caffelike.device.kernel", lambda stem, name, device: functions.get(name))


def test_kernel_with_other_parameters(monkeypatch):
    fake_kernel(monkeypatch, forward=lambda y, x: None)
    with pytest.raises(AssertionError, match=r"forward takes \['y', 'x'\], the definition \['x', 'y'\]"):
        check_layer(*TANH)


def test_kernel_with_other_results(monkeypatch):
    def forward(x, y):
        y[:12] = np.tanh(x[:12])  # forgets the rest of a long array

    fake_kernel(monkeypatch, forward=forward)
    with pytest.raises(AssertionError, match=r"cpu kernel with bottoms \[\(13, 3\)\]: top 0 differs in 3 of 39"):
        check_layer(*TANH)


def test_bench_runs_no_layer_that_works_on_blobs():
    with pytest.raises(TypeError, match="Filter works on blobs itself"):
        Bench('type: "Filter"', [(2, 3), (2,)])


def test_kernel_that_loses_a_nan(monkeypatch):
    def forward(x, y):
        np.tanh(np.nan_to_num(x), out=y)

    fake_kernel(monkeypatch, forward=forward)
    with pytest.raises(AssertionError, match=r"given NaN and infinities in \['x'\]: top 0 differs in 1 of 6 .* nan"):
        check_layer(*TANH)
    check_layer(*TANH, special=False)


def test_a_product_may_spread_a_nan_but_not_lose_it(monkeypatch):
    example = ("InnerProduct", "inner_product_param { num_output: 2 }", [(2, 3)])

    def spreads(x, weight, bias, y, axis, transpose):
        y[...] = x @ weight.T + bias + 0 * x.sum()

    fake_kernel(monkeypatch, forward=spreads)
    check_layer(*example)

    def loses(x, weight, bias, y, axis, transpose):
        y[...] = np.where(np.isfinite(x), x, 0) @ weight.T + bias

    fake_kernel(monkeypatch, forward=loses)
    with pytest.raises(AssertionError, match="top 0 is finite in 4 places where it must not be"):
        check_layer(*example)
