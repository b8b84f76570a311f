import numpy as np
import pytest

import caffelike
from caffelike import viz
from caffelike.errors import CaffelikeError


def test_cam_is_the_map_that_is_pooled(net, x):
    found = viz.cam(net, x, 1, enlarged=False)
    np.testing.assert_array_equal(found, net.blobs["r2"].data[0, 1])
    assert viz.cam(net, x, 1).shape == (16, 16)


def test_grad_cam_of_the_pooled_maps_is_cam(net, x):
    """The score is their mean, so each position's gradient is one over their number."""
    np.testing.assert_allclose(
        viz.grad_cam(net, x, 1, enlarged=False), viz.cam(net, x, 1, enlarged=False) / 36, rtol=1e-5, atol=1e-7
    )


def test_cam_through_an_inner_product(build_net, x):
    net = build_net(
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 5 kernel_size: 3'
        ' weight_filler { type: "xavier" } } } layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param {'
        ' pool: AVE global_pooling: true } } layer { name: "ip" type: "InnerProduct" bottom: "p" top: "ip"'
        ' inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }'
    )
    found = viz.cam(net, x, 2, enlarged=False)
    assert found.mean() == pytest.approx(float(net.blobs["ip"].data[0, 2]), rel=1e-4)


def test_cam_of_other_nets_says_what_to_use(build_net, x):
    net = build_net('layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2'
                    " kernel_size: 16 } }")  # fmt: skip
    with pytest.raises(CaffelikeError, match="grad_cam does not"):
        viz.cam(net, x)


@pytest.fixture
def build_net(tmp_path):
    def build(layers):
        caffelike.set_random_seed(1)
        path = tmp_path / "other.prototxt"
        path.write_text('input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 } ' + layers)
        return viz.open_net(path)

    return build
