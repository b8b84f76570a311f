from fractions import Fraction

import numpy as np
import pytest
from reference import conv_backward, conv_forward, conv_out

from caffelike.kernels import launch
from caffelike.kernels.cpu import choice, winograd, winograd_weights
from caffelike.kernels.cpu.correlate import Window
from caffelike.kernels.cpu.transforms import matrices

# batch, channels, outputs, size, window, pad, group
CASES = [
    (1, 3, 5, (9, 11), 3, (1, 1), 1),
    (3, 8, 12, (13, 13), 3, (1, 1), 1),
    (1, 8, 24, (28, 28), 3, (0, 1), 1),
    (2, 10, 18, (30, 70), 3, (1, 1), 2),
    (9, 8, 16, (13, 13), 3, (1, 1), 2),
    (2, 4, 8, (5, 5), 3, (2, -1), 1),
    (2, 6, 20, (27, 27), 5, (2, 2), 2),
    (1, 7, 9, (40, 35), 5, (2, 2), 1),
    (1, 1, 1, (5, 5), 5, (0, 0), 1),
    (2, 3, 9, (33, 15), 3, (1, 1), 1),  # M rows of tiles fill a vector
    (1, 4, 8, (21, 16), 5, (2, 2), 1),
    (1, 100, 70, (8, 7), 3, (1, 1), 2),  # few tiles for so many weights
    (30, 3, 9, (7, 8), 3, (1, 1), 1),  # several maps in a vector
]


@pytest.mark.parametrize(("m", "r"), [(4, 3), (2, 3), (2, 5)])
def test_matrices_are_exact(m, r):
    at, g, bt = matrices(m, r)
    n = m + r - 1
    d, w = [Fraction(i * i - 3, i + 1) for i in range(n)], [Fraction(i + 2, 3) for i in range(r)]
    dot = lambda a, b: sum(x * y for x, y in zip(a, b, strict=True))  # noqa: E731
    products = [dot(u, w) * dot(v, d) for u, v in zip(g, bt, strict=True)]
    assert [dot(row, products) for row in at] == [dot(w, d[i : i + r]) for i in range(m)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mirrored", [False, True])
def test_against_direct(case, mirrored, rng):
    n, c, o, size, r, pad, group = case
    x = rng.standard_normal((n, c, *size)).astype(np.float32)
    w = rng.standard_normal((c, o // group, r, r) if mirrored else (o, c // group, r, r)).astype(np.float32)
    bias = rng.standard_normal(o).astype(np.float32)
    plain = w
    if mirrored:
        plain = w.reshape(group, c // group, o // group, r, r).swapaxes(1, 2)[..., ::-1, ::-1]
        plain = plain.reshape(o, c // group, r, r)
    cut = tuple(slice(max(0, -p), s - max(0, -p)) for p, s in zip(pad, size, strict=True))
    wanted = conv_forward(x[(..., *cut)], plain, bias, (r, r), (1, 1), tuple(max(0, p) for p in pad), (1, 1), group)
    most = launch.get_num_threads()
    for m in (4, 2) if r == 3 else (2,):
        results = []
        for threads in sorted({1, min(2, most)}):
            launch.set_num_threads(threads)
            y = np.full(wanted.shape, np.nan, np.float32)
            winograd.convolve(x, w, bias, y, m, pad, group, mirrored)
            results.append(y)
            assert np.abs(y - wanted).max() <= 5e-6 * np.abs(wanted).max()
        room = np.empty(winograd.packed_size(w, group, mirrored, m), np.float32)
        results.append(np.empty_like(y))
        packed = winograd.pack_weights(w, group, mirrored, m, room)
        winograd.convolve(x, w, bias, results[-1], m, pad, group, mirrored, packed=packed)
        clipped = np.empty_like(y)
        winograd.convolve(x, w, bias, clipped, m, pad, group, mirrored, relu=True)
        launch.set_num_threads(most)
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)
        np.testing.assert_array_equal(clipped, np.maximum(y, 0))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("block", [4_000_000, 100])
def test_weight_gradient_against_direct(case, block, rng, monkeypatch):
    n, c, o, size, r, pad, group = case
    monkeypatch.setattr(winograd_weights, "_BLOCK", block)
    x = rng.standard_normal((n, c, *size)).astype(np.float32)
    out = conv_out(size, (r, r), (1, 1), pad, (1, 1))
    d = rng.standard_normal((n, o, *out)).astype(np.float32)
    shape = (o, c // group, r, r)
    cut = tuple(slice(max(0, -p), s - max(0, -p)) for p, s in zip(pad, size, strict=True))
    pads = tuple(max(0, p) for p in pad)
    wanted = conv_backward(d, x[(..., *cut)], np.zeros(shape), (r, r), (1, 1), pads, (1, 1), group)[1]
    most = launch.get_num_threads()
    for m in (4, 2) if r == 3 else (2,):
        results = []
        for threads in sorted({1, min(2, most)}):
            launch.set_num_threads(threads)
            dw = np.full(shape, np.nan, np.float32)
            winograd_weights.weight_gradient(x, d, dw, m, pad, group, False)
            results.append(dw)
            assert np.abs(dw - wanted).max() <= 8e-6 * np.abs(wanted).max()
        twice = dw.copy()
        winograd_weights.weight_gradient(x, d, twice, m, pad, group, True)
        launch.set_num_threads(most)
        np.testing.assert_array_equal(results[0], results[-1])
        np.testing.assert_array_equal(twice, dw + dw)


def test_choice():
    three, five = Window((3, 3), (1, 1), (1, 1), (1, 1)), Window((5, 5), (1, 1), (2, 2), (1, 1))
    assert choice.best_form(three, (1, 64, 224, 224), (1, 64, 224, 224), 1) == 4
    assert choice.best_form(five, (10, 96, 27, 27), (10, 256, 27, 27), 2) == 2
    assert choice.best_form(three, (1, 3, 224, 224), (1, 64, 224, 224), 1) == 0
    assert choice.best_form(three, (1, 512, 7, 7), (1, 512, 7, 7), 1) == 2
    assert choice.best_form(three, (4, 512, 7, 7), (4, 512, 7, 7), 1) == 4  # four maps fill a vector
    assert choice.best_form(three, (1, 16, 14, 14), (1, 32, 14, 14), 1) == 0
    assert choice.best_form_of_weights(three, (4, 512, 7, 7), (4, 512, 7, 7), 1) == 4
    assert choice.best_form_of_weights(three, (1, 512, 7, 7), (1, 512, 7, 7), 1) == 2
    assert choice.best_form_of_weights(three, (1, 16, 14, 14), (1, 32, 14, 14), 1) == 0
    strided = three._replace(stride=(2, 2))
    assert choice.best_form(strided, (1, 64, 224, 224), (1, 64, *conv_out((224, 224), *strided)), 1) == 0
    assert choice.best_form(three, (0, 64, 28, 28), (0, 64, 28, 28), 1) == 0
    choice.set_direct(True)
    try:
        assert choice.best_form(three, (1, 64, 224, 224), (1, 64, 224, 224), 1) == 0
    finally:
        choice.set_direct(False)
