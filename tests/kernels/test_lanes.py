"""Convolution with an image in each lane."""

import numpy as np
import pytest
from reference import conv_backward, conv_forward, conv_out

from caffelike.kernels import launch
from caffelike.kernels.cpu import convolution, correlate, lanes
from caffelike.kernels.cpu.correlate import Window

CASES = [  # images, channels, results, size, kernel, stride, pad, dilation
    (lanes.WIDE, 1, 20, (12, 12), (5, 5), (1, 1), (0, 0), (1, 1)),
    (2 * lanes.WIDE, 20, 50, (9, 7), (5, 5), (1, 1), (0, 0), (1, 1)),
    (lanes.WIDE + 1, 3, 7, (13, 15), (3, 2), (2, 1), (1, 2), (1, 1)),
    (3, 16, 11, (1, 17), (1, 3), (1, 3), (0, 2), (1, 2)),
    (lanes.LANES + 5, 2, 1, (5, 6), (3, 3), (3, 2), (3, 4), (2, 1)),
]


def random(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def near(got, wanted):
    assert np.abs(got - wanted).max() <= 4e-6 * max(1.0, float(np.abs(wanted).max()))


@pytest.mark.parametrize("case", CASES)
def test_against_float64_and_correlate(case, rng):
    n, c, rows, size, *window = case
    x, w, bias = random(rng, n, c, *size), random(rng, rows, c, *window[0]), random(rng, rows)
    y = np.full((n, rows, *conv_out(size, *window)), np.nan, np.float32)
    for given, relu in ((bias, False), (None, True)):
        wanted = conv_forward(x, w, given, *window, 1)
        lanes.convolve(x, w, given, y, Window(*window), relu, None)
        near(y, np.maximum(wanted, 0) if relu else wanted)
        same = np.empty_like(y)
        correlate.correlate(x, w, given, same, Window(*window), 1, relu=relu)
        np.testing.assert_array_equal(y, same)
    packed = lanes.pack_weights(w, np.empty(lanes.packed_size(w), np.float32))
    lanes.convolve(x, w, None, same, Window(*window), True, packed)
    np.testing.assert_array_equal(y, same)

    dy = random(rng, *y.shape)
    dx, dw = np.full_like(x, np.nan), np.full_like(w, np.nan)
    wanted = conv_backward(dy, x, w, *window, 1)
    lanes.gradients(dy, x, w, dx, dw, Window(*window), False)
    near(dx, wanted[0])
    near(dw, wanted[1])
    lanes.gradients(dy, x, w, None, dw, Window(*window), True)
    near(dw, 2 * wanted[1])


def test_bits_do_not_depend_on_threads(rng):
    most = launch.get_num_threads()
    if most < 2:
        pytest.skip("one processor")
    n, c, rows, size, *window = CASES[1]
    x, w = random(rng, n, c, *size), random(rng, rows, c, *window[0])
    results = []
    for threads in (1, 2):
        launch.set_num_threads(threads)
        y, dx, dw = (np.empty(s, np.float32) for s in ((n, rows, *conv_out(size, *window)), x.shape, w.shape))
        lanes.convolve(x, w, None, y, Window(*window), False, None)
        lanes.gradients(y, x, w, dx, dw, Window(*window), False)
        results.append((y, dx, dw))
    launch.set_num_threads(most)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_layers_use_it_for_full_units(rng):
    window = Window((5, 5), (1, 1), (0, 0), (1, 1))
    assert lanes.fits(window, (64, 20, 12, 12), (64, 50, 8, 8), 1) == (50 % lanes.ROWS == 0)
    assert not lanes.fits(window, (40, 20, 12, 12), (40, 50, 8, 8), 1) or lanes.WIDE < 32  # a unit of 64, a third empty
    assert not lanes.fits(window, (64, 20, 12, 12), (64, 50, 8, 8), 2)
    assert not lanes.fits(window, (64, 3, 224, 224), (64, 50, 220, 220), 1)
    x, w = random(rng, 64, 1, 9, 9), random(rng, 20, 1, 5, 5)
    y, same = np.empty((64, 20, 5, 5), np.float32), np.empty((64, 20, 5, 5), np.float32)
    arguments = ((5, 5), (1, 1), (0, 0), (1, 1), 1)
    convolution.forward(x, w, None, y, *arguments)
    packed = convolution.pack(x, w, y, *arguments)
    convolution.forward_packed(x, w, packed, None, same, *arguments, False)
    np.testing.assert_array_equal(y, same)
