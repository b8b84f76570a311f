import numpy as np
import pytest
from reference import conv_backward, conv_forward, conv_out

from caffelike.kernels import launch
from caffelike.kernels.cpu import convolution, deconvolution, unpacked
from caffelike.kernels.cpu.correlate import Window, correlate
from caffelike.layers import convolution as convolution_layer
from caffelike.layers import pooling

# batch, channels in, channels out, size, kernel, stride, pad, dilation, group
CASES = [
    (1, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, 9, (23, 30), (11, 11), (4, 4), (0, 0), (1, 1), 1),
    (3, 16, 20, (13, 17), (5, 5), (1, 1), (2, 2), (1, 1), 2),
    (2, 16, 24, (14, 14), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (1, 24, 70, (13, 13), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 5, 17, (29, 31), (7, 7), (2, 2), (3, 3), (1, 1), 1),
    (2, 12, 16, (15, 15), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    (2, 6, 10, (9, 35), (1, 1), (2, 2), (0, 0), (1, 1), 2),
    (3, 4, 8, (7, 40), (1, 1), (2, 3), (0, 0), (1, 1), 4),
    (1, 2, 3, (127, 9), (3, 2), (3, 1), (2, 0), (1, 1), 1),
    (2, 6, 4, (15, 13), (3, 3), (2, 1), (2, 3), (2, 3), 2),
    (1, 4, 4, (15, 15), (3, 3), (1, 1), (4, 4), (4, 4), 4),
    (2, 3, 5, (7, 6), (3, 3), (1, 1), (3, 4), (1, 1), 1),  # pad beyond the kernel
    (2, 4, 6, (37,), (5,), (2,), (2,), (1,), 2),
    (2, 2, 4, (5, 6, 7), (3, 2, 3), (1, 2, 1), (1, 0, 1), (1, 1, 2), 2),
    (1, 1, 2, (2, 3, 2, 3), (2, 2, 1, 2), (1,) * 4, (0, 1, 0, 0), (1,) * 4, 1),
    (40, 1, 20, (12, 12), (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (2, 5, 5, (14, 13), (3, 3), (1, 1), (1, 1), (1, 1), 5),
    (2, 3, 3, (19, 37), (5, 5), (1, 2), (2, 2), (1, 1), 3),
    (1, 3, 3, (4, 70), (5, 5), (1, 1), (2, 1), (1, 1), 3),
    (1, 2, 2, (2, 2), (3, 3), (2, 2), (2, 2), (1, 1), 2),
    (1, 3, 3, (15, 130), (3, 5), (2, 2), (1, 0), (1, 2), 3),
    (2, 2, 2, (9,), (3,), (1,), (1,), (1,), 2),
    (1, 40, 9, (90, 83), (3, 3), (1, 1), (1, 1), (1, 1), 1),  # in bands
    (1, 24, 8, (150, 61), (5, 4), (2, 2), (2, 1), (1, 1), 1),
    (0, 3, 4, (5, 5), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (3, 14, 26, (23, 37), (1, 1), (1, 1), (0, 0), (1, 1), 2),  # by dot products
    (9, 128, 832, (7, 7), (1, 1), (1, 1), (0, 0), (1, 1), 8),  # weights' gradient: rows pass by packed channels
    (9, 832, 64, (7, 7), (1, 1), (1, 1), (0, 0), (1, 1), 8),  # and channels pass by packed rows
]


def random(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def near(got, wanted, scale=2e-6):
    assert got.shape == wanted.shape
    limit = scale * max(1.0, float(np.abs(wanted).max(initial=0)))
    assert np.abs(got - wanted).max(initial=0) <= limit


def squares(y):
    return y.reshape(*y.shape[:2], y.shape[2] // 2, 2, y.shape[3] // 2, 2)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = launch.get_num_threads()
    if before < request.param:
        pytest.skip("one processor")
    launch.set_num_threads(request.param)
    yield request.param
    launch.set_num_threads(before)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("biased", [True, False])
def test_convolution(case, biased, threads, rng):
    n, c, o, size, *window, group = case
    x, w = random(rng, n, c, *size), random(rng, o, c // group, *window[0])
    bias = random(rng, o) if biased else None
    y = np.full((n, o, *conv_out(size, *window)), np.nan, np.float32)
    convolution.forward(x, w, bias, y, *window, group)
    near(y, conv_forward(x, w, bias, *window, group))
    clipped = np.full_like(y, np.nan)
    convolution.forward_packed(x, w, None, bias, clipped, *window, group, True)
    np.testing.assert_array_equal(clipped, np.maximum(y, 0))
    packed = convolution.pack(x, w, y, *window, group)
    clipped[...] = np.nan
    convolution.forward_packed(x, w, packed, bias, clipped, *window, group, True)
    np.testing.assert_array_equal(clipped, np.maximum(y, 0))
    more = convolution.merges(x, w, y, *window, group)
    if "add" in more:
        clipped[...] = before = random(rng, *y.shape)
        convolution.forward_packed(x, w, packed, bias, clipped, *window, group, True, add=True)
        near(clipped, np.maximum(y + before, 0))
    if "halved" in more:
        halved = np.full((*y.shape[:2], y.shape[2] // 2, y.shape[3] // 2), np.nan, np.float32)
        convolution.forward_packed(x, w, packed, bias, clipped, *window, group, True, halved=halved)
        np.testing.assert_array_equal(halved, np.maximum(squares(y).max(axis=(3, 5)), 0))

    dy = random(rng, *y.shape)
    wanted = conv_backward(dy, x, w, *window, group)
    dx, dw, db = (np.full(a.shape, np.nan, np.float32) for a in (x, w, w[:, 0, ..., 0].reshape(o, -1)[:, 0]))
    convolution.backward(dy, x, w, dx, dw, db, *window, group, 0)
    for got, true in zip((dx, dw, db), wanted, strict=True):
        near(got, true, 4e-6)
    convolution.backward(dy, x, w, None, dw, None, *window, group, 1)
    near(dw, 2 * wanted[1], 4e-6)
    convolution.backward(dy, x, w, None, None, db, *window, group, 1)
    near(db, 2 * wanted[2], 4e-6)


@pytest.mark.parametrize("case", CASES)
def test_deconvolution(case, threads, rng):
    n, o, c, size, *window, group = case  # the convolution whose gradient it is maps o to c channels
    small = conv_out(size, *window)
    x, w, bias = random(rng, n, c, *small), random(rng, c, o // group, *window[0]), random(rng, o)
    # the size a deconvolution gives, which drops what the convolution's stride would have ignored
    size = tuple((m - 1) * s + d * (k - 1) + 1 - 2 * p for m, k, s, p, d in zip(small, *window, strict=True))
    y = np.full((n, o, *size), np.nan, np.float32)
    deconvolution.forward(x, w, bias, y, *window, group)
    near(y, conv_backward(x, np.zeros_like(y), w, *window, group)[0] + bias.reshape(-1, *(1,) * len(size)))

    dy = random(rng, *y.shape)
    dx, dw, db = np.full_like(x, np.nan), np.full_like(w, np.nan), np.full_like(bias, np.nan)
    deconvolution.backward(dy, x, w, dx, dw, db, *window, group, 0)
    near(dx, conv_forward(dy, w, None, *window, group))
    near(dw, conv_backward(x, dy, w, *window, group)[1], 4e-6)
    near(db, dy.sum(axis=(0, *range(2, dy.ndim)), dtype=np.float64), 4e-6)
    deconvolution.backward(dy, x, w, None, dw, db, *window, group, 1)
    near(dw, 2 * conv_backward(x, dy, w, *window, group)[1], 4e-6)


def test_bits_do_not_depend_on_threads(rng):
    most = launch.get_num_threads()
    if most < 2:
        pytest.skip("one processor")
    for case in CASES:
        n, c, o, size, *window, group = case
        x, w, b = random(rng, n, c, *size), random(rng, o, c // group, *window[0]), random(rng, o)
        results = []
        for threads in (1, 2):
            launch.set_num_threads(threads)
            y = np.empty((n, o, *conv_out(size, *window)), np.float32)
            convolution.forward(x, w, b, y, *window, group)
            dx, dw, db = np.empty_like(x), np.empty_like(w), np.empty_like(b)
            convolution.backward(np.sin(y), x, w, dx, dw, db, *window, group, 0)
            results.append((y, dx, dw, db))
        launch.set_num_threads(most)
        for one, two in zip(*results, strict=True):
            np.testing.assert_array_equal(one, two)


def test_packed_weights_for_winograd(rng):
    x, w, bias = random(rng, 1, 64, 56, 56), random(rng, 64, 64, 3, 3), random(rng, 64)
    window = ((3, 3), (1, 1), (1, 1), (1, 1), 1)
    one, two = np.empty_like(x), np.empty_like(x)
    convolution.forward(x, w, bias, one, *window)
    convolution.forward_packed(x, w, convolution.pack(x, w, two, *window), bias, two, *window, False)
    np.testing.assert_array_equal(one, two)
    before = two[...] = random(rng, *two.shape)
    convolution.forward_packed(x, w, None, bias, two, *window, True, add=True)
    near(two, np.maximum(one + before, 0))


@pytest.mark.parametrize("size", [(28, 28), (14, 14), (16, 72)])
def test_maxima_of_squares_are_those_of_the_pooling_layer(size, threads, rng):
    x, w, bias = random(rng, 2, 32, *size), random(rng, 40, 32, 3, 3), random(rng, 40)
    x[0, 3, 4, 5], x[1, :, :5, :5], bias[7], bias[9] = np.nan, np.nan, np.inf, -np.inf
    y = np.empty((2, 40, *size), np.float32)
    window = ((3, 3), (1, 1), (1, 1), (1, 1), 1)
    assert convolution.merges(x, w, y, *window) == ("add", "halved")
    for relu in (False, True):
        convolution.forward_packed(x, w, None, bias, y, *window, relu)
        wanted, halved = (np.empty((2, 40, size[0] // 2, size[1] // 2), np.float32) for _ in range(2))
        pooling.forward(y, wanted, None, None, "MAX", (2, 2), (2, 2), (0, 0), None, False, True)
        convolution.forward_packed(x, w, None, bias, y, *window, relu, halved=halved)
        np.testing.assert_array_equal(halved, wanted)


@pytest.mark.parametrize(("size", "stride", "side"), [(7, 1, 1), (14, 1, 1), (14, 2, 1), (7, 1, 3)])
@pytest.mark.parametrize(("bias", "relu"), [(True, True), (False, False)])
def test_panels_of_a_column_more_than_three_vectors(size, stride, side, bias, relu):
    """Maps of 49 and 196 pixels; several blocks of k, and a number of outputs that tiles do not divide."""
    rng = np.random.default_rng(0)
    pad, out = side // 2, (size - 1) // stride + 1
    x, weight = (rng.standard_normal(s, np.float32) for s in ((1, 290, size, size), (21, 290, side, side)))
    b = rng.standard_normal(21).astype(np.float32) if bias else None
    want = np.empty((1, 21, out, out), np.float32)
    convolution_layer.forward(x, weight, b, want, (side,) * 2, (stride,) * 2, (pad,) * 2, (1, 1), 1)
    y = np.full_like(want, np.nan)
    correlate(x, weight, b, y, Window((side,) * 2, (stride,) * 2, (pad,) * 2, (1, 1)), 1, relu=relu)
    np.testing.assert_allclose(y, np.maximum(want, 0) if relu else want, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize(
    "shape",  # channels, size, outputs, kernel, stride, pad, dilation
    [
        (3, (20, 93), 32, (3, 3), (2, 2), (1, 1), (1, 1)),
        (3, (11, 64), 9, (3, 5), (1, 1), (1, 2), (1, 1)),
        (1, (17, 197), 10, (7, 7), (2, 2), (3, 3), (1, 1)),
        (16, (9, 52), 8, (5, 5), (1, 1), (0, 0), (1, 1)),  # more steps of k than a block has
        (2, (40, 146), 5, (3, 2), (3, 1), (2, 0), (2, 2)),
    ],
)
def test_lines_of_planes_give_what_panels_give(shape, threads, rng, monkeypatch):
    channels, size, rows, *pairs = shape
    window = Window(*pairs)
    shapes = (3, channels, *size), (rows, channels, *pairs[0]), rows
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in shapes)
    results = []
    assert unpacked.fits(rows, window.out(size)[1], channels)
    for fits in (True, False):
        monkeypatch.setattr(unpacked, "fits", lambda *_, fits=fits: fits)
        for bias, relu, add in ((b, True, False), (None, False, True)):
            y = np.ones((3, rows, *window.out(size)), np.float32)
            correlate(x, w, bias, y, window, 1, relu=relu, add=add)
            results.append(y)
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[3])
