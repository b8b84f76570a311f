import itertools

import numpy as np
import pytest

import caffelike
from caffelike.errors import CaffelikeError, FileError, ModelError, ShapeError

X = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
IP = """layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
         inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0.5 } } }\n"""


def ip(name, bottom, top, extra="", output=3):
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{top}" {extra}'
        f' inner_product_param {{ num_output: {output} weight_filler {{ type: "gaussian" std: 0.5 }} }} }}\n'
    )


# Forward -----------------------------------------------------------------------------------------


def test_forward_takes_inputs_by_name_and_returns_views_of_the_outputs(build):
    net = build(X + IP)
    out = net.forward(x=np.ones((2, 3)))
    assert list(out) == ["y"]
    assert out["y"].tolist() == [[1.5, 1.5], [1.5, 1.5]]
    net.blobs["y"].data[...] = 7
    assert out["y"].tolist() == [[7, 7], [7, 7]]


def test_forward_names_what_is_wrong_with_the_inputs(build):
    net = build(X + IP)
    with pytest.raises(CaffelikeError, match="do not match net inputs: given z; needed x"):
        net.forward(z=np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"not batch sized: 'x' takes \(2, 3\), but \(3,\) was given"):
        net.forward(x=np.ones(3))
    with pytest.raises(ValueError, match=r"Layer 'ip'"):
        net.forward(x=np.ones((2, 4)))
    assert net.blobs["x"].shape == (2, 3)
    assert net.forward(x=np.ones((2, 3)))["y"].tolist() == [[1.5, 1.5], [1.5, 1.5]]


def test_the_net_follows_the_shape_of_its_input(build):
    net = build(X + IP)
    assert net.forward(x=np.ones((5, 3)))["y"].shape == (5, 2)
    assert net.forward(x=np.ones((1, 3)))["y"].tolist() == [[1.5, 1.5]]
    net.forward(x=np.array([[2.0]]))  # broadcasts, as assigning to .data does
    assert net.blobs["x"].data.tolist() == [[2, 2, 2]]
    net.forward(x=3)
    assert net.blobs["x"].data.tolist() == [[3, 3, 3]]


def test_start_and_end_run_a_part(build):
    net = build(X + ip("a", "x", "a") + ip("b", "a", "b") + ip("c", "b", "c"))
    whole = {name: net.forward(blobs=["a", "b", "c"], x=np.ones((2, 3)))[name].copy() for name in "abc"}
    net.blobs["a"].data[...] = whole["a"]
    net.blobs["c"].data[...] = 0
    out = net.forward(start="b", end="b")
    assert list(out) == ["b"]
    assert np.array_equal(out["b"], whole["b"])
    assert not net.blobs["c"].data.any()
    with pytest.raises(CaffelikeError, match="no layer 'q'; its layers are x, a, b, c"):
        net.forward(start="q")


def test_a_held_weight_view_always_takes_effect(build):
    net = build(X + IP)
    weight = net.params["ip"][0].data
    net.forward(x=np.ones((2, 3)))
    weight[...] = 2
    assert net.forward()["y"].tolist() == [[6, 6], [6, 6]]
    net.params["ip"][1].data[1] = 1
    assert net.forward()["y"].tolist() == [[6, 7], [6, 7]]


def test_reshaping_an_input_rebinds_by_itself(build):
    net = build(X + IP)
    net.forward(x=np.ones((2, 3)))
    net.blobs["x"].reshape(5, 3)
    assert net.forward(x=np.ones((5, 3)))["y"].shape == (5, 2)
    net.blobs["x"].reshape(1, 3)
    net.reshape()
    assert net.blobs["y"].data.shape == (1, 2)
    net.blobs["x"].reshape(1, 4)
    with pytest.raises(ShapeError, match="'ip'"):
        net.forward()


def test_data_keeps_its_identity_between_passes(build):
    net = build(X + IP)
    held = net.blobs["y"].data
    net.forward(x=np.ones((2, 3)))
    assert held.tolist() == [[1.5, 1.5], [1.5, 1.5]]
    assert net.blobs["y"].data is held


def test_callbacks_see_every_layer_in_order(build):
    net = build("force_backward: true\n" + X + IP)
    seen = []
    net.before_forward(lambda i: seen.append(("before", i)))
    net.after_backward(lambda i: seen.append(("after", i)))
    net.forward()
    net.backward()
    assert seen == [("before", 0), ("before", 1), ("after", 1), ("after", 0)]


# Backward ----------------------------------------------------------------------------------------


def test_backward_adds_to_parameter_diffs_and_overwrites_bottom_diffs(build):
    net = build("force_backward: true\n" + X + IP)
    net.forward(x=np.ones((2, 3)))
    for times in (1, 2):
        out = net.backward(y=np.ones((2, 2)))
        assert out["x"].tolist() == [[1, 1, 1], [1, 1, 1]]
        assert net.params["ip"][0].diff.tolist() == [[2.0 * times] * 3] * 2
    net.clear_param_diffs()
    assert not net.params["ip"][0].diff.any()


def test_forward_backward_with_beta_zero_overwrites(build):
    net = build(X + ip("a", "x", "a") + 'layer { name: "l" type: "EuclideanLoss" bottom: "a" bottom: "x" top: "l" }')
    net.blobs["x"].data[...] = [[1, 2, 3], [4, 5, 6]]
    net.forward_backward(beta=0)
    once = net.arena_diff.copy()
    net.forward_backward(beta=0)
    assert np.array_equal(net.arena_diff, once)
    net.forward_backward(beta=1)
    assert np.allclose(net.arena_diff, 2 * once)


SHARED = (
    X
    + ip("a", "x", "a", 'param { name: "w" } param { name: "b" }')
    + ip("b", "a", "b", 'param { name: "w" } param { name: "b" }')
)


def test_shared_parameters_are_one_and_sum_their_gradients(build):
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "b" bottom: "x" top: "l" }'
    net = build(SHARED + loss)
    assert len(net.learnable) == 2
    net.params["a"][0].data[...] = 2
    assert (net.params["b"][0].data == 2).all()
    net.blobs["x"].data[...] = [[1, 2, 3], [4, 5, 6]]
    net.forward_backward(beta=0)
    both = net.params["a"][0].diff.copy()
    net.arena_diff[...] = 0
    net.run_backward(end=net._layer_names.index("b"))
    of_b = net.params["b"][0].diff.copy()
    net.arena_diff[...] = 0
    net.run_backward(start=net._layer_names.index("a"))
    assert np.allclose(both, of_b + net.params["a"][0].diff)


def test_strict_sharing_needs_equal_shapes_and_permissive_equal_counts(build):
    other = """layer {{ name: "c" type: "InnerProduct" bottom: "x" top: "c" param {{ name: "w" {mode} }}
               inner_product_param {{ num_output: 1 axis: 0 bias_term: false }} }}"""
    first = """layer { name: "s" type: "InnerProduct" bottom: "x" top: "s" param { name: "w" }
               inner_product_param { num_output: 2 } }"""
    with pytest.raises(ShapeError, match=r"'c' .*cannot share param 'w' owned by layer 's'.*PERMISSIVE"):
        build(X + first + other.format(mode=""))
    net = build(X + first + other.format(mode="share_mode: PERMISSIVE"))
    net.params["s"][0].data[...] = 3
    assert (net.params["c"][0].data == 3).all()


def test_mismatched_multipliers_of_a_shared_parameter_are_refused(build):
    with pytest.raises(ModelError, match="Shared param 'w' has mismatched lr_mult: 1 in layer 'a', 2 here"):
        build(
            X
            + ip("a", "x", "a", 'param { name: "w" lr_mult: 1 }')
            + ip("b", "a", "b", 'param { name: "w" lr_mult: 2 }')
        )


def test_parameters_lie_in_the_arenas(build):
    net = build(X + IP)
    weight = net.learnable[0]
    net.arena_data[weight.offset : weight.offset + weight.count] = 9
    assert (net.params["ip"][0].data == 9).all()
    net.params["ip"][1].diff[...] = 4
    bias = net.learnable[1]
    assert net.arena_diff[bias.offset] == 4


def test_lr_mult_zero_and_propagate_down_stop_gradients(build):
    text = (
        X
        + ip("a", "x", "a", "param { lr_mult: 0 } param { lr_mult: 0 }")
        + ip("b", "a", "b")
        + 'layer { name: "l" type: "EuclideanLoss" bottom: "b" bottom: "x" top: "l" }'
    )
    net = build(text)
    needs = {node.name: node.needs_backward for node in net._nodes}
    assert not needs["a"]
    assert needs["b"]
    forced = build("force_backward: true\n" + text)
    assert {n.name: n.needs_backward for n in forced._nodes}["a"]
    stopped = build(
        text.replace('bottom: "b" bottom: "x"', 'bottom: "b" bottom: "x" propagate_down: false propagate_down: false')
    )
    assert not {n.name: n.needs_backward for n in stopped._nodes}["b"]


def test_loss_is_the_weighted_sum_over_all_tops_with_a_weight(build):
    text = (
        X
        + 'layer { name: "a" type: "Power" bottom: "x" top: "a" loss_weight: 0.25 }'
        + 'layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "x" top: "l" loss_weight: 10 }'
    )
    net = build(text)
    net.blobs["x"].data[...] = 2
    assert net.run_forward() == pytest.approx(0.25 * 12)
    assert net.blob_loss_weights["a"] == 0.25


def test_the_loss_weight_is_the_loss_blobs_diff_and_may_be_changed(build):
    net = build(X + ip("a", "x", "a") + 'layer { name: "l" type: "EuclideanLoss" bottom: "a" bottom: "x" top: "l" }')
    net.blobs["x"].data[...] = 1
    loss = net.forward_backward()
    gradient = net.arena_diff.copy()
    assert net.blobs["l"].diff == 1
    net.blobs["l"].diff[...] = 3
    assert net.forward_backward() == pytest.approx(3 * loss)
    assert np.allclose(net.arena_diff, 3 * gradient)


def test_an_explicit_loss_weight_that_is_also_read_counts_once(build):
    text = (
        X
        + ip("a", "x", "a")
        + 'layer { name: "l" type: "EuclideanLoss" bottom: "a" bottom: "x" top: "l" loss_weight: 2 }'
        + 'layer { name: "s" type: "Silence" bottom: "l" }'
    )
    net = build(text)
    net.blobs["x"].data[...] = 1
    assert net.run_forward() == pytest.approx(2 * float(net.blobs["l"].data))


def test_gradients_are_right_where_an_in_place_layer_overwrites_what_backward_reads(build):
    """Sigmoid's backward reads its output, which the in-place Power then squares."""
    chain = """force_backward: true
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 } } }
        layer { name: "s" type: "Sigmoid" bottom: "x" top: "s" }
        layer { name: "p" type: "Power" bottom: "s" top: "%s" power_param { power: 2 } }"""
    apart, in_place = build(chain % "p"), build(chain % "s")
    values = np.array([-1, 0, 0.5, 2], np.float32)
    gradients = []
    for net in (apart, in_place):
        net.forward(x=values)
        net.blobs[net.outputs[0]].diff[...] = 1
        gradients.append(net.backward()["x"].copy())
    sigmoid = 1 / (1 + np.exp(-values))
    assert np.allclose(gradients[0], 2 * sigmoid * sigmoid * (1 - sigmoid), atol=1e-6)
    assert np.allclose(gradients[1], gradients[0], atol=1e-6)


def test_backward_of_a_net_without_loss_warns(build, caplog):
    net = build(X + IP)
    with caplog.at_level("WARNING", "caffelike"):
        net.backward()
    assert "no loss in this net" in caplog.text


# Structure ---------------------------------------------------------------------------------------


def test_outputs_are_unread_tops_in_alphabetical_order(build):
    net = build(X + ip("b", "x", "zeta") + ip("c", "x", "alpha"))
    assert net.outputs == ["alpha", "zeta"]
    assert net.inputs == ["x"]
    assert net._layer_names == ["x", "x_x_0_split", "b", "c"]
    assert [layer.type for layer in net.layers] == ["Input", "Split", "InnerProduct", "InnerProduct"]
    assert "x_x_0_split_1" in net.blobs
    assert net.bottom_names["c"] == ["x_x_0_split_1"]
    assert net.layer_dict["b"].blobs[0].shape == (3, 3)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (X + 'layer { name: "q" type: "Convolutoin" bottom: "x" top: "y" }', ModelError, "Did you mean Convolution"),
        (X + IP.replace('bottom: "x"', 'bottom: "xx"'), ModelError, r"net.prototxt:2.*Unknown bottom blob 'xx'"),
        (X + IP + IP.replace('"ip"', '"ip2"'), ModelError, "Top blob 'y' produced by multiple sources"),
        (X + IP.replace('top: "y"', 'top: "x"'), ModelError, r"'ip' \(InnerProduct\): cannot work in place"),
        (X + IP.replace('top: "y"', ""), ModelError, r"'ip' .*takes 1 .*top.* but 0 are given"),
        (X + IP.replace('top: "y"', 'top: "y" param {} param {} param {}'), ModelError, "2 parameter blob.* 3 param"),
        (X + IP.replace('top: "y"', 'top: "y" propagate_down: [true, true]'), ModelError, "propagate_down"),
        (X + IP.replace('top: "y"', 'top: "y" loss_weight: 1 loss_weight: 1'), ModelError, "loss_weight is given 2"),
    ],
)  # fmt: skip
def test_impossible_definitions_are_explained(build, text, error, message):
    with pytest.raises(error, match=message):
        build(text)


def test_a_missing_file_is_named():
    with pytest.raises(FileError, match=r"Could not open file /no/such\.prototxt"):
        caffelike.Net("/no/such.prototxt", caffelike.TEST)


def test_level_and_stages_choose_layers(build):
    text = X + IP + 'layer { name: "e" type: "Silence" bottom: "y" include { stage: "extra" min_level: 1 } }'
    assert "e" not in build(text)._layer_names
    assert "e" in build(text, level=1, stages=["extra"])._layer_names


def test_two_nets_of_one_seed_start_alike(build):
    text = X + ip("a", "x", "a")
    caffelike.set_random_seed(3)
    first = build(text).params["a"][0].data.copy()
    caffelike.set_random_seed(3)
    assert np.array_equal(build(text).params["a"][0].data, first)


# Weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["caffemodel", "caffemodel.h5"])
def test_weights_survive_saving_and_loading(build, tmp_path, suffix):
    text = X + ip("a", "x", "a") + ip("b", "a", "b")
    net = build(text)
    path = str(tmp_path / f"w.{suffix}")
    (net.save_hdf5 if suffix.endswith("h5") else net.save)(path)
    other = build(text, weights=path)
    third = build(text)
    third.copy_from(path)
    for loaded in (other, third):
        assert np.array_equal(loaded.arena_data, net.arena_data)


def test_weights_are_matched_by_name_and_the_rest_keeps_its_filler(build, tmp_path, caplog):
    net = build(X + ip("a", "x", "a") + ip("b", "a", "b"))
    net.save(tmp_path / "w.caffemodel")
    with caplog.at_level("INFO", "caffelike"):
        other = build(X + ip("a", "x", "a") + ip("fresh", "a", "b"), weights=tmp_path / "w.caffemodel")
    assert np.array_equal(other.params["a"][0].data, net.params["a"][0].data)
    assert other.params["fresh"][0].data.std() > 0
    assert "Ignoring source layer b" in caplog.text


def test_a_shape_that_differs_is_refused_with_the_cure(build, tmp_path):
    build(X + ip("a", "x", "a")).save(tmp_path / "w.caffemodel")
    with pytest.raises(
        caffelike.CaffelikeError,
        match=r"Cannot copy param 0 weights from layer 'a'; shape mismatch.  Source param shape is 3 3 \(9\);"
        r" target param shape is 4 3 \(12\).*rename the layer",
    ):
        build(X + ip("a", "x", "a", output=4), weights=tmp_path / "w.caffemodel")


def test_a_net_shares_anothers_weights(build):
    text = X + ip("a", "x", "a")
    train, test = build(text), build(text)
    test.share_with(train)
    train.params["a"][0].data[...] = 5
    assert (test.params["a"][0].data == 5).all()
    test.forward(x=np.ones((2, 3)))
    assert test.blobs["a"].data[0, 0] == pytest.approx(15)


# Forks' words ------------------------------------------------------------------------------------


def test_a_forks_field_that_would_change_numbers_is_refused_unless_it_says_the_default(build):
    text = X + 'layer { name: "b" type: "BatchNorm" bottom: "x" top: "b" batch_norm_param { %s } }'
    with pytest.raises(
        ModelError, match=r"'b' \(BatchNorm\): batch_norm_param.stats_batch_size belongs to the fork.* intel"
    ):
        build(text % "stats_batch_size: 4")
    build(text % "stats_batch_size: 0")


def test_a_hint_is_noted_once_and_ignored(build, caplog):
    text = X + ip("a", "x", "a").replace("num_output", "engine: MKLDNN num_output")
    with caplog.at_level("INFO", "caffelike"):
        build(text)
    assert caplog.text.count("changes no numbers here; ignored") == 1


# Packed weights and fused layers -------------------------------------------------------------------

CONV = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
        convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }"""


def test_packed_weights_notice_every_way_of_writing(build):
    net, other = build(CONV), build(CONV)
    other.share_with(net)
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 5)).astype(np.float32)
    first = net.forward(x=x)["c"].copy()
    held = net.params["c"][0].data
    net.forward()
    held *= 2
    assert np.allclose(net.forward()["c"], 2 * first, rtol=1e-5)
    assert np.allclose(other.forward(x=x)["c"], 2 * first, rtol=1e-5)
    del held
    net.forward()
    net.params["c"][0].data[...] *= 2
    assert np.allclose(net.forward()["c"], 4 * first, rtol=1e-5)
    assert np.allclose(other.forward()["c"], 4 * first, rtol=1e-5)


def test_fused_layers_show_what_single_ones_show_and_can_be_run_apart(build):
    net = build(CONV)
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 5)).astype(np.float32)
    fused = net.forward(x=x)["c"].copy()
    between = net.forward(end="c")["c"].copy()
    assert between.min() < 0
    assert np.array_equal(np.maximum(between, 0), fused)
    assert np.array_equal(net.forward(start="r")["c"], fused)
    seen = []
    net.after_forward(lambda i: seen.append(net.blobs["c"].data.min()))
    net.forward()
    assert seen[1] < 0
    assert seen[2] == 0


def test_a_leaky_relu_is_not_taken_for_a_plain_one(build):
    net = build(CONV.replace('"ReLU"', '"ReLU" relu_param { negative_slope: 0.5 }'))
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 5)).astype(np.float32)
    assert net.forward(x=x)["c"].min() < 0


NORMALISED = CONV.replace(
    'layer { name: "r"',
    """layer { name: "b" type: "BatchNorm" bottom: "c" top: "c" }
layer { name: "s" type: "Scale" bottom: "c" top: "c" scale_param { bias_term: true filler { value: 2 } } }
layer { name: "r\"""",
)


def test_batch_normalisation_folds_into_the_convolution_and_notices_writes(build):
    net = build(NORMALISED)
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 5)).astype(np.float32)
    steps = []

    def apart():
        for name in net._layer_names:
            net.forward(start=name, end=name)
        return net.blobs["c"].data.copy()

    for layer, index in (("b", 2), ("b", 0), ("b", 1), ("s", 0), ("s", 1), ("c", 1), ("c", 0)):
        net.params[layer][index].data[...] = np.random.default_rng(index).uniform(
            0.5, 2, net.params[layer][index].shape
        )
        net.blobs["x"].data[...] = x
        folded = net.forward()["c"].copy()
        assert np.allclose(folded, apart(), atol=1e-5)
        steps.append(folded)
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(steps))
    (whole,) = [steps for steps in net._plan._whole[1:] if steps]
    assert len(whole) == 1


def test_nothing_is_folded_where_gradients_will_be_asked_for(build):
    net = build("force_backward: true " + NORMALISED)
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 5)).astype(np.float32)
    net.forward(x=x)
    net.blobs["c"].diff[...] = 1
    net.backward()
    assert np.abs(net.params["s"][0].diff).max() > 0


def test_gradients_of_a_normalised_chain_in_place_equal_those_apart(build):
    """BatchNorm's backward reads its output, Scale's its input: the same values, overwritten in place."""
    text = """force_backward: true
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
        layer { name: "b" type: "BatchNorm" bottom: "x" top: "b" }
        layer { name: "s" type: "Scale" bottom: "b" top: "%s" scale_param { filler { value: 2 } } }
        layer { name: "r" type: "ReLU" bottom: "%s" top: "%s" }"""
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    gradients = []
    for names in (("s", "s", "r"), ("b", "b", "b")):
        net = build(text % names, caffelike.TRAIN)
        net.forward(x=x)
        net.blobs[net.outputs[0]].diff[...] = x
        gradients.append([net.backward()["x"].copy(), net.params["s"][0].diff.copy()])
    assert np.allclose(gradients[0][0], gradients[1][0], atol=1e-6)
    assert np.allclose(gradients[0][1], gradients[1][1], atol=1e-6)


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("relu", ["", "negative_slope: 0.25", "negative_slope: -0.5", None])
@pytest.mark.parametrize("bottom", ["c", "b"])  # the first is in place
def test_normalised_chains_that_learn_give_in_one_step_what_their_layers_give(build, bottom, relu, share):
    text = f"""force_backward: true
        layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 3 dim: 2 dim: 5 dim: 7 }} }} }}
        layer {{ name: "t" type: "Input" top: "t" input_param {{ shape {{ dim: 3 dim: 4 dim: 5 dim: 7 }} }} }}
        layer {{ name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {{ num_output: 4 kernel_size: 1
                bias_term: false weight_filler {{ type: "gaussian" std: 1 }} }} }}
        layer {{ name: "b" type: "BatchNorm" bottom: "c" top: "{bottom}" }}
        layer {{ name: "s" type: "Scale" bottom: "{bottom}" top: "{bottom}" scale_param {{ bias_term: true
                filler {{ type: "gaussian" std: 1 }} bias_filler {{ type: "gaussian" std: 1 }} }} }}"""
    if relu is not None:
        text += f'layer {{ name: "r" type: "ReLU" bottom: "{bottom}" top: "{bottom}" relu_param {{ {relu} }} }}\n'
    text += f'layer {{ name: "l" type: "EuclideanLoss" bottom: "{bottom}" bottom: "t" top: "l" }}\n'
    rng = np.random.default_rng(0)
    x, t = (rng.standard_normal((3, channels, 5, 7)).astype(np.float32) for channels in (2, 4))
    results = []
    for whole in (True, False):
        caffelike.set_random_seed(1)
        net = build(text, caffelike.TRAIN)
        net.blobs["x"].data[...], net.blobs["t"].data[...] = x, t
        if whole and share:
            net.share_memory()
        if not whole:  # layer by layer
            net.before_forward(lambda i: None)
        loss = net.forward_backward()
        params = [blob for blobs in net.params.values() for blob in blobs]
        found = [loss, *(p.diff.copy() for p in params), *(p.data.copy() for p in params)]
        results.append(found if share else [*found, *(b.diff.copy() for b in net.blobs.values()), net.blobs["c"].data])
    for one, other in zip(*results, strict=True):
        assert np.allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("definition", "forks"),
    [('type: "LaneData"', "yolo"), ('type: "FocalLoss" focal_loss_param { }', "happynear"), ('type: "Nobodys"', "")],
)
def test_an_unknown_type_says_who_has_it(build, definition, forks):
    with pytest.raises(ModelError, match="Unknown layer type") as caught:
        build(X + f'layer {{ name: "l" {definition} bottom: "x" top: "y" }}')
    assert (f"It belongs to the fork(s) {forks}" if forks else "You can write it yourself") in str(caught.value)


def test_hdf5_weights_are_known_by_their_content(tmp_path):
    """Shared parameters, which such a file holds once, included."""
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "x" top: "{0}" param {{ name: "w" }} param {{ name: "b" }}'
    )
    layer += " inner_product_param {{ num_output: 2 }} }}\n"
    path = tmp_path / "net.prototxt"
    path.write_text('input: "x" input_shape { dim: 1 dim: 3 }\n' + layer.format("a") + layer.format("b"))
    net = caffelike.Net(path, caffelike.TEST)
    net.params["a"][0].data[...] = 7
    net.save_hdf5(tmp_path / "weights.bin")
    other = caffelike.Net(path, caffelike.TEST, weights=tmp_path / "weights.bin")
    assert other.params["b"][0].data.tolist() == [[7] * 3] * 2
