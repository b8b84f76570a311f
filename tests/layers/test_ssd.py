"""What SSD's layers share: coding, overlaps, suppression."""

import numpy as np
import pytest

from caffelike import device
from caffelike.layers import _ssd

RNG = np.random.default_rng(0)


def boxes(count):
    low = RNG.uniform(0, 0.7, (count, 2))
    return np.concatenate([low, low + RNG.uniform(0.05, 0.3, (count, 2))], axis=1).astype(np.float32)


@pytest.mark.parametrize("code", [_ssd.CORNER, _ssd.CENTER_SIZE, _ssd.CORNER_SIZE])
@pytest.mark.parametrize("variances", [None, np.array([[0.1, 0.1, 0.2, 0.2]], np.float32)])
def test_decoding_undoes_encoding(code, variances):
    priors, wanted = boxes(20), boxes(20)
    np.testing.assert_allclose(
        _ssd.decoded(_ssd.encoded(wanted, priors, variances, code), priors, variances, code), wanted, atol=1e-5
    )


def test_worked_example_of_overlaps():
    a = np.array([[0, 0, 0.4, 0.4], [0.5, 0.5, 0.6, 0.6]], np.float32)
    b = np.array([[0.2, 0.2, 0.6, 0.6], [0.4, 0, 0.8, 0.4], [0.3, 0.3, 0.1, 0.1]], np.float32)
    np.testing.assert_allclose(_ssd.overlaps(a, b), [[0.04 / 0.28, 0, 0], [0.01 / 0.16, 0, 0]], rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 13, 127])
@pytest.mark.parametrize(("threshold", "eta"), [(0.45, 1.0), (0.9, 0.8), (0.0, 1.0)])
def test_kernel_keeps_what_the_definition_keeps(count, threshold, eta):
    candidates = boxes(count).reshape(count, 4)
    fast = device.kernel("ssd", "keep")
    assert fast(candidates, threshold, eta).tolist() == _ssd.keep(candidates, threshold, eta).tolist()


def test_a_shrinking_threshold_keeps_fewer():
    candidates = np.repeat(boxes(1), 30, axis=0) + RNG.normal(0, 0.01, (30, 4)).astype(np.float32)
    assert len(_ssd.keep(candidates, 0.95, 0.9)) < len(_ssd.keep(candidates, 0.95, 1.0))
