import numpy as np

from caffelike import viz
from caffelike.viz.dream import objective


def test_a_dream_raises_its_objective(net, x):
    told = []
    found, before, after = viz.dream(
        net, x, "c2", octaves=1, steps=8, rate=0.5, jitter=1, progress=lambda *done: told.append(done[:2])
    )
    assert after > 2 * before  # LRN bounds what a layer can answer
    assert objective(net, found, "c2") == after
    assert found.shape == x.shape
    assert told == [(i + 1, 8) for i in range(8)]


def test_a_dream_works_at_every_octave(net, x):
    found, before, after = viz.dream(net, np.tile(x, (1, 3, 3)), "c2", 1, octaves=2, steps=3, jitter=2)
    assert found.shape == (3, 48, 48)
    assert after > before


def test_the_same_seed_gives_the_same_class(net):
    found = viz.class_model(net, 1, steps=12, jitter=1)
    np.testing.assert_array_equal(found, viz.class_model(net, 1, steps=12, jitter=1))
    noise = viz.class_model(net, 1, steps=0)
    assert objective(net, found, "score", 1) > 1.2 * objective(net, noise, "score", 1)
