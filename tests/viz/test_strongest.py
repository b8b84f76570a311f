import numpy as np
import pytest

from caffelike import viz
from caffelike.viz import passes
from caffelike.viz.strongest import seen


def test_a_shuffled_set_gives_the_same_pictures(net):
    images = np.random.default_rng(3).standard_normal((12, 3, 16, 16)).astype(np.float32)
    order = np.random.default_rng(4).permutation(12)
    first = viz.strongest(net, images, "c2", 1, 5)
    second = viz.strongest(net, images[order], "c2", 1, 5)
    assert [one.image for one in first] == [int(order[two.image]) for two in second]
    assert [one.score for one in first] == [two.score for two in second]
    assert first[0].score >= first[-1].score


@pytest.mark.parametrize(
    ("blob", "place", "box"),
    [
        ("c1", (0, 5), (0, 4, 2, 7)),
        ("p1", (1, 1), (1, 1, 5, 5)),
        ("c2", (0, 0), (0, 0, 7, 7)),
        ("c2", (5, 5), (9, 9, 16, 16)),
    ],
)
def test_what_a_place_sees(net, blob, place, box):
    assert seen(net, blob, place) == box


@pytest.mark.parametrize("place", [None, (2, 3)])
def test_a_deconvolved_picture_stays_in_the_receptive_field(net, x, place):
    found, at = viz.deconvolve(net, x, "c2", 0, place)
    assert place is None or at == place
    top, left, bottom, right = seen(net, "c2", at)
    outside = found.copy()
    outside[:, top:bottom, left:right] = 0
    assert not outside.any()


def test_deconvnet_works_without_relus_gates(net, x):
    """Of one layer: the filter, times the unit's answer."""
    passes.show(net, x)
    values = net.blobs["c1"].data[0].copy()
    found, (row, column) = viz.deconvolve(net, x, "c1", 2, (4, 6))
    expected = values[2, 4, 6] * net.params["c1"][0].data[2]
    np.testing.assert_allclose(found[:, row - 1 : row + 2, column - 1 : column + 2], expected, rtol=1e-5, atol=1e-7)
