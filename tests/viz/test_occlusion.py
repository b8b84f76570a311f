import numpy as np

from caffelike import viz

# The first class is a bright red patch.
WEIGHT = np.zeros((2, 4, 3, 3), np.float32)
WEIGHT[0, 0] = 1


def test_covering_what_matters_counts(net):
    net.params["c1"][0].data[...] = 0
    net.params["c1"][0].data[0, 2, 1, 1] = 1
    net.params["c2"][0].data[...] = WEIGHT
    x = np.zeros((3, 16, 16), np.float32)
    x[2, 8:12, 4:8] = 5
    found = viz.occlusion(net, x, 0, size=4, step=4)
    assert found.probability.shape == found.best.shape == found.activation.shape == (4, 4)
    assert found.places[2, 1].tolist() == [8, 4]
    for values in (found.probability, found.activation):
        assert np.unravel_index(values.argmin(), values.shape) == (2, 1)
    assert (np.delete(found.best.reshape(-1), 9) == 0).all()
