import numpy as np
import pytest

import caffelike
from caffelike import viz
from caffelike.errors import CaffelikeError, ModelError
from caffelike.viz import passes


def test_an_able_net_has_the_same_weights_and_learns_nothing(definition, x):
    plain = caffelike.Net(definition, caffelike.TEST)
    net = viz.able(plain)
    assert viz.able(net) is net
    plain.params["c1"][0].data[...] = 0.5
    assert (net.params["c1"][0].data == 0.5).all()
    viz.gradient(net, x)
    assert all((blob.diff == 0).all() for blobs in net.params.values() for blob in blobs)
    np.testing.assert_array_equal(net.forward(data=x[None])["prob"], plain.forward(data=x[None])["prob"])


def test_a_net_that_does_not_run_backward_says_what_to_do(definition, x):
    plain = caffelike.Net(definition, caffelike.TEST)
    with pytest.raises(ModelError, match=r"viz\.able"):
        viz.gradient(plain, x, 0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda net, x: viz.activations(net, x, "c9"), "no blob and no layer 'c9'. Its blobs are data, c1"),
        (lambda net, x: viz.gradient(net, x, 7), "units 0 to 1"),
        (lambda net, x: viz.filters(net, "r1"), "no layer with filters. These are: c1, c2"),
        (lambda net, x: viz.embedding(np.zeros((4, 2)), "umap"), "tsne or pca"),
    ],
)
def test_errors_name_the_cure(net, x, call, text):
    with pytest.raises(CaffelikeError, match=text):
        call(net, x)


def test_blobs_are_found_by_layer_too(net, x):
    assert passes.blob_of(net, "r1") == "c1"
    assert passes.scores(net) == "score"
    assert passes.last_maps(net) == "r2"
    assert viz.activations(net, x, "r1").shape == (4, 16, 16)
    assert viz.activations(net, np.stack([x, x]), "p1").shape == (2, 4, 8, 8)
    assert viz.filters(net).shape == (4, 3, 3, 3)
