import threading

import numpy as np
import pytest

import caffelike
from caffelike.blob import Storage
from caffelike.graph.memory import Lease, place
from caffelike.kernels import launch
from caffelike.kernels.cpu import eltwise
from caffelike.solvers import guard

NET = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 12 dim: 12 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "c1" type: "Convolution" bottom: "x" top: "c1"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "n1" type: "LRN" bottom: "c1" top: "n1" }
layer { name: "p1" type: "Pooling" bottom: "n1" top: "p1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "c2" type: "Convolution" bottom: "p1" top: "c2"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "s" type: "Eltwise" bottom: "p1" bottom: "c2" top: "s" }
layer { name: "r2" type: "ReLU" bottom: "s" top: "s" }
layer { name: "cat" type: "Concat" bottom: "s" bottom: "p1" top: "cat" }
layer { name: "flat" type: "Flatten" bottom: "cat" top: "flat" }
layer { name: "d" type: "Dropout" bottom: "flat" top: "flat" }
layer { name: "ip" type: "InnerProduct" bottom: "flat" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "score" type: "Softmax" bottom: "p1" top: "score" }
"""


def make(build, phase=caffelike.TRAIN, share=False):
    caffelike.set_random_seed(3)
    net = build(NET, phase)
    fill(net)
    if share:
        net.share_memory()
    return net


def fill(net, batch=2):
    rng = np.random.default_rng(1)
    net.blobs["x"].reshape(batch, 3, 12, 12)
    net.blobs["label"].reshape(batch)
    net.blobs["x"].data[...] = rng.standard_normal((batch, 3, 12, 12))
    net.blobs["label"].data[...] = np.arange(batch) % 4


def passes(net):
    losses = [net.forward_backward(beta=0), net.forward_backward(beta=1)]
    return losses, net.arena_diff.copy(), [blob.raw_data.copy() for blob in net.output_blobs]


def same(a, b):
    assert a[0] == b[0]
    np.testing.assert_array_equal(a[1], b[1])
    for x, y in zip(a[2], b[2], strict=True):
        np.testing.assert_array_equal(x, y)


def test_numbers_are_the_same_and_memory_is_less(build):
    net = make(build, share=True)
    same(passes(net), passes(make(build)))
    assert net.shares_memory
    assert net._plan.shared.arena.nbytes < 0.6 * net._plan.shared.wanted


def test_without_a_backward_pass_activations_take_turns(build):
    net, apart = make(build, caffelike.TEST, share=True), make(build, caffelike.TEST)
    for node in (*net._nodes, *apart._nodes):
        node.needs_backward = False
        node.bottom_backward = [False] * len(node.bottom)
    assert net.run_forward() == apart.run_forward()
    np.testing.assert_array_equal(net.output_blobs[1].raw_data, apart.output_blobs[1].raw_data)
    assert net._plan.shared.arena.nbytes < 0.8 * net._plan.shared.wanted


@pytest.mark.parametrize("look", ["blobs", "callback"])
def test_looking_ends_it_and_the_next_pass_shows_everything(build, look):
    net, apart = make(build, share=True), make(build)
    passes(net), passes(apart)
    if look == "callback":
        net.after_forward(lambda i: None)
    blobs = net.blobs
    assert not net.shares_memory
    same(passes(net), passes(apart))
    for name, blob in blobs.items():
        np.testing.assert_array_equal(blob.data, apart.blobs[name].data, err_msg=name)
        np.testing.assert_array_equal(blob.diff, apart.blobs[name].diff, err_msg=name)


def test_another_shape_gets_another_arena(build):
    net, apart = make(build, share=True), make(build)
    passes(net), passes(apart)
    for one in (net, apart):
        fill(one, 5)
    net.share_memory()
    same(passes(net), passes(apart))
    assert net.shares_memory


def test_shapes_that_change_inside_a_pass_end_it(build):
    text = """
    layer { name: "in" type: "Input" top: "x" top: "keep"
      input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
    layer { name: "a" type: "Power" bottom: "x" top: "a" power_param { scale: 2 } }
    layer { name: "b" type: "Power" bottom: "a" top: "b" power_param { shift: 1 } }
    layer { name: "f" type: "Filter" bottom: "b" bottom: "keep" top: "f" }
    layer { name: "c" type: "Power" bottom: "f" top: "c" power_param { scale: 3 } }
    layer { name: "d" type: "Power" bottom: "c" top: "d" power_param { shift: -1 } }
    """
    net = build(text)
    net.blobs["x"].data[...] = np.arange(12).reshape(4, 3)
    net.blobs["keep"].data[...] = [1, 0, 0, 1]
    net.share_memory()
    net.run_forward()
    assert not net.shares_memory
    want = (np.arange(12).reshape(4, 3)[[0, 3]] * 2 + 1) * 3 - 1
    np.testing.assert_array_equal(net.blobs["d"].data, want)


def test_the_guard_finds_where_a_loss_went_wrong(build):
    class Solver:
        iter, last_snapshot = 7, ""
        net = make(build, share=True)

    passes(Solver.net)
    Solver.net.params["c2"][0].data[0, 0, 0, 0] = np.nan
    assert not np.isfinite(Solver.net.forward_backward())
    assert "First at parameter 0 of layer 'c2'" in str(guard.bad_loss(Solver, np.nan))
    Solver.net.share_memory()
    Solver.net.forward_backward()
    assert "First at the update of parameter" in str(guard.bad_update(Solver))


def test_leases_that_overlap_in_time_do_not_overlap_in_place():
    rng = np.random.default_rng(0)
    wanted = []
    for _ in range(60):
        first = int(rng.integers(40))
        wanted.append(Lease([Storage()], int(rng.integers(1, 500)), first, first + int(rng.integers(12))))
    size = place(wanted)
    for i, a in enumerate(wanted):
        assert a.offset % 16 == 0
        assert a.offset + a.count <= size
        for b in wanted[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert a.offset + a.count <= b.offset or b.offset + b.count <= a.offset
    assert size < 0.6 * sum(lease.count for lease in wanted)


def test_scratch_memory_lies_where_no_blob_does(build, monkeypatch):
    monkeypatch.setattr(launch, "_HUGE", 1)
    nets, results, own = [], [], []

    def work():
        for share in (True, False):
            nets.append(make(build))
            fill(nets[-1], 40)
            if share:
                nets[-1].share_memory()
            results.append([passes(nets[-1]) for _ in range(3)])
            own.append({role for role, value in vars(launch._local).items() if isinstance(value, np.ndarray)})

    thread = threading.Thread(target=work)  # it has no scratch memory yet
    thread.start()
    thread.join()
    assert own[0] < own[1]
    for shared, apart in zip(*results, strict=True):
        same(shared, apart)
    shared = nets[0]._plan.shared
    for first in range(2 * len(nets[0]._nodes)):
        for last in (first, first + 2):
            free = np.ones(shared.arena.size, bool)
            for lease in shared._leases:
                if lease.first <= last and lease.last >= first:
                    free[lease.offset : lease.offset + lease.count] = False
            spare = shared.spare(first, last)
            assert sum(array.size for array in spare) == free.sum()
            for array in spare:
                begin = (array.ctypes.data - shared.arena.ctypes.data) // 4
                assert free[begin : begin + array.size].all()


FIRE = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "a" type: "Convolution" bottom: "x" top: "a"
  convolution_param { num_output: 5 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "ra" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "x" top: "b"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "c1" type: "Concat" bottom: "a" bottom: "b" top: "c1" }
layer { name: "c" type: "Convolution" bottom: "c1" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "c2" type: "Concat" bottom: "c1" bottom: "c" top: "c2" }
%s
layer { name: "p" type: "Pooling" bottom: "c2" top: "p" pooling_param { global_pooling: true } }
"""
LATER = {
    "": 4,
    'layer { name: "r" type: "ReLU" bottom: "c2" top: "c2" }': 4,  # nobody reads the parts any more
    # c1 is read after it was overwritten as a part of c2, so c2 is a copy
    'layer { name: "r" type: "TanH" bottom: "c2" top: "c2" } layer { name: "q" type: "Pooling" bottom: "c1" top: "q"'
    " pooling_param { global_pooling: true } }": 2,
    'layer { name: "c3" type: "Concat" bottom: "c" bottom: "c" top: "c3" }': 4,  # an output, and a part twice
}


@pytest.mark.parametrize(("later", "parts"), LATER.items())
def test_bottoms_of_a_concat_of_one_image_are_made_in_its_top(build, later, parts):
    caffelike.set_random_seed(3)
    net = build(FIRE % later, caffelike.TEST)
    image = np.random.default_rng(1).standard_normal((1, 3, 9, 9)).astype(np.float32)
    two = np.concatenate([image, -image])
    expected = [{k: v.copy() for k, v in net.forward(x=x).items()} for x in (image, two)]
    net.share_memory()
    for x, wanted in [(image, expected[0]), (two, expected[1]), (image, expected[0])]:
        for name, values in net.forward(x=x).items():
            np.testing.assert_allclose(values, wanted[name], rtol=1e-6, atol=1e-6)
        assert net.shares_memory
        assert len(net._plan.shared._parts) == (parts if len(x) == 1 else 0)
    inside = net.forward(["c1"], x=image)["c1"]
    assert not net.shares_memory
    np.testing.assert_array_equal(inside, net.blobs["c1"].data)
    np.testing.assert_array_equal(inside[:, :5], net.blobs["a"].data)


def conv(name, bottom, outputs=32, size=1):
    return f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" convolution_param {{
      num_output: {outputs} kernel_size: {size} pad: {size // 2} weight_filler {{ type: "xavier" }} bias_filler {{ type:
      "gaussian" }} }} }}"""


def layer(kind, name, top, *bottoms, more=""):
    named = " ".join(f'bottom: "{b}"' for b in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" top: "{top}" {named} {more} }}'


SQUARES = "pooling_param { kernel_size: 2 stride: 2 }"
START = f"""{layer("Input", "in", "x", more="input_param { shape { dim: 2 dim: 32 dim: 16 dim: 16 } }")}
  {conv("a", "x")} {layer("ReLU", "ra", "a", "a")} {conv("h", "a")} {conv("b", "h", size=3)}"""
MEAN = "pooling_param { pool: AVE global_pooling: true }"
ENDS = {  # what follows, and how many layers are done by an earlier one's kernel
    "sum": (layer("Eltwise", "s", "s", "a", "b") + layer("ReLU", "rs", "s", "s"), 1),
    "sum with a slope": (
        layer("Eltwise", "s", "s", "b", "a") + layer("ReLU", "rs", "s", "s", more="relu_param { negative_slope: .1 }"),
        1,
    ),
    "sum of normalised": (
        layer("BatchNorm", "n", "b", "b") + layer("Scale", "n2", "b", "b") + layer("Eltwise", "s", "s", "a", "b"),
        1,
    ),
    "two sums": (layer("Eltwise", "t", "t", "a", "b") + conv("c", "t") + layer("Eltwise", "s", "s", "c", "t"), 1),
    "sum of clipped": (layer("ReLU", "rb", "b", "b") + layer("Eltwise", "s", "s", "a", "b"), 0),
    "difference": (layer("Eltwise", "s", "s", "a", "b", more="eltwise_param { coeff: 1 coeff: -1 }"), 0),
    "sum with what is read later": (layer("Eltwise", "t", "t", "a", "b") + layer("Eltwise", "s", "s", "t", "a"), 0),
    "sum with its own bottom": (conv("c", "b") + layer("Eltwise", "s", "s", "b", "c"), 0),
    "sum with the input": (layer("Eltwise", "s", "s", "x", "b"), 0),
    "sum of three": (layer("Eltwise", "s", "s", "a", "b", "a"), 0),
    "maxima": (layer("ReLU", "rb", "b", "b") + layer("Pooling", "s", "s", "b", more=SQUARES), 1),
    "maxima of both signs": (layer("Pooling", "s", "s", "b", more=SQUARES), 1),
    "maxima read twice": (layer("Pooling", "t", "t", "b", more=SQUARES) + layer("Eltwise", "s", "s", "t", "t"), 1),
    "maxima of 1x1": (conv("c", "b") + layer("Pooling", "s", "s", "c", more=SQUARES), 0),
    "means": (layer("Pooling", "s", "s", "b", more=SQUARES.replace("{", "{ pool: AVE")), 0),
    "maxima with places": (layer("Pooling", "s", "s", "b", more='top: "places" ' + SQUARES), 0),
}


@pytest.mark.parametrize("case", ENDS)
def test_sums_and_maxima_are_made_by_the_convolution_before_them(build, case):
    end, count = ENDS[case]
    caffelike.set_random_seed(5)
    net = build(START + end + layer("Pooling", "out", "out", "s", more=MEAN), caffelike.TEST)
    x = np.random.default_rng(2).standard_normal((2, 32, 16, 16)).astype(np.float32)
    for blob in net.params.get("n", []):
        blob.data[...] = 0.5
    wanted = net.forward(x=x)["out"].copy()
    net.share_memory()
    for _ in range(2):
        np.testing.assert_allclose(net.forward(x=x)["out"], wanted, rtol=1e-5, atol=1e-5)
        assert len(net._plan.shared.merged) == count
    inner = net.blobs["b"].data  # ends it
    np.testing.assert_array_equal(net.forward(x=x)["out"], wanted)
    assert inner.any()


SLOPED = "relu_param { negative_slope: .1 }"
RESIDUAL = {  # how many sums hand their gradients on in one step
    "two readers": (layer("ReLU", "rs", "s", "s", more=SLOPED) + layer("Eltwise", "e", "e", "s", "s"), 1),
    "three readers": (layer("ReLU", "rs", "s", "s") + layer("Eltwise", "e", "e", "s", "s", "s"), 1),
    "two sums": (
        layer("ReLU", "rs", "s", "s") + conv("d", "s") + layer("Eltwise", "t", "t", "d", "s")
        + layer("ReLU", "rt", "t", "t") + layer("Eltwise", "e", "e", "t", "t"), 2,
    ),
    "one reader": (layer("ReLU", "rs", "s", "s") + layer("Power", "e", "e", "s"), 0),
    "no ReLU": (layer("Eltwise", "e", "e", "s", "s"), 0),
    "ReLU not in place": (layer("ReLU", "rs", "r", "s") + layer("Eltwise", "e", "e", "r", "r"), 0),
}  # fmt: skip


@pytest.mark.parametrize("case", RESIDUAL)
def test_sums_hand_their_gradient_on_in_one_step(build, case, monkeypatch):
    behind, count = RESIDUAL[case]
    text = START + layer("Eltwise", "s", "s", "a", "b") + behind + layer("Pooling", "out", "out", "e", more=MEAN)
    label = layer("Input", "label", "label", more="input_param { shape { dim: 2 } }")
    results, calls, one_step = [], [], eltwise._hand_on
    monkeypatch.setattr(eltwise, "_hand_on", lambda *args: (calls.append(args), one_step(*args)))
    for share in (False, True):
        caffelike.set_random_seed(5)
        net = build(text + label + layer("SoftmaxWithLoss", "loss", "loss", "out", "label"), caffelike.TRAIN)
        net.blobs["x"].data[...] = np.random.default_rng(2).standard_normal((2, 32, 16, 16))
        if share:
            net.share_memory()
        results.append(passes(net))
        assert len(calls) == (2 * count if share else 0)
    same(*results)


NORMAL = layer("BatchNorm", "n", "b", "b") + layer("Scale", "n2", "b", "b", more="scale_param { bias_term: true }")
SUM = NORMAL + layer("Eltwise", "s", "s", "a", "b")
CHAINS = {  # how many chains go through normalisation, sum, ReLU and Split in one step each way
    "two readers": (SUM + layer("ReLU", "rs", "s", "s") + layer("Eltwise", "e", "e", "s", "s"), 1),
    "three readers": (SUM + layer("ReLU", "rs", "s", "s", more=SLOPED) + layer("Eltwise", "e", "e", "s", "s", "s"), 1),
    "one reader": (SUM + layer("ReLU", "rs", "s", "s", more=SLOPED) + layer("Power", "e", "e", "s"), 1),
    "not in place": (
        layer("BatchNorm", "n", "m", "b") + layer("Scale", "n2", "m", "m") + layer("Eltwise", "s", "s", "m", "a")
        + layer("ReLU", "rs", "s", "s") + layer("Eltwise", "e", "e", "s", "s"), 1,
    ),
    "with itself": (NORMAL + layer("Eltwise", "s", "s", "b", "b") + layer("ReLU", "rs", "s", "s")
                    + layer("Eltwise", "e", "e", "s", "a"), 0),
    "normalised is clipped": (NORMAL + layer("ReLU", "rb", "b", "b") + layer("Eltwise", "s", "s", "a", "b")
                              + layer("ReLU", "rs", "s", "s") + layer("Power", "e", "e", "s"), 0),
    "no ReLU": (SUM + layer("Eltwise", "e", "e", "s", "s"), 0),
    "slope below 0": (SUM + layer("ReLU", "rs", "s", "s", more=SLOPED.replace(".1", "-1"))
                      + layer("Power", "e", "e", "s"), 0),
    "difference": (NORMAL + layer("Eltwise", "s", "s", "a", "b", more="eltwise_param { coeff: 1 coeff: -1 }")
                   + layer("ReLU", "rs", "s", "s") + layer("Power", "e", "e", "s"), 0),
    "changed once more": (SUM + layer("ReLU", "rs", "s", "s") + layer("Power", "p", "s", "s")
                          + layer("Power", "e", "e", "s"), 0),
}  # fmt: skip


@pytest.mark.parametrize("case", CHAINS)
def test_normalisation_goes_on_through_the_sum_behind_it(build, case):
    behind, count = CHAINS[case]
    label = layer("Input", "label", "label", more="input_param { shape { dim: 2 } }")
    end = layer("Pooling", "out", "out", "e", more=MEAN) + layer("SoftmaxWithLoss", "loss", "loss", "out", "label")
    nets = []
    for share in (False, True):
        caffelike.set_random_seed(5)
        net = build(START + behind + label + end, caffelike.TRAIN)
        net.blobs["x"].data[...] = np.random.default_rng(2).standard_normal((2, 32, 16, 16))
        net.share_memory(share)
        nets.append(net)
    own, shared = nets
    (losses, gradients, _), (wanted_losses, wanted, _) = passes(shared), passes(own)
    close = {"rtol": 1e-6, "atol": 1e-7} if case == "not in place" else {"rtol": 0}  # there only who shares fuses
    np.testing.assert_allclose(losses, wanted_losses, **close)
    np.testing.assert_allclose(gradients, wanted, **close)
    assert len(shared._plan.shared.summed) == count
    for net in nets:  # a backward pass by itself finds what it reads, though nobody shares any more
        net.clear_param_diffs()
        net.forward()
        net.backward()
    assert not shared.shares_memory
    np.testing.assert_allclose(shared.arena_diff, own.arena_diff, **close)


def test_a_part_of_a_pass_ends_sharing(build):
    net = build(START + layer("Pooling", "out", "out", "b", more=MEAN), caffelike.TEST)
    net.share_memory()
    net.run_forward()
    assert net.shares_memory
    net.run_forward(1)
    assert not net.shares_memory


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("adds", [False, True])
def test_chains_add_up_the_gradients_of_parameters_that_they_share(build, share, adds):
    gradients = []
    for named in ('param { name: "w" } param { name: "b" }', ""):
        text, x = START, "b"
        for k in "12":
            text += conv(f"c{k}", x) + layer("BatchNorm", f"n{k}", f"c{k}", f"c{k}")
            text += layer("Scale", f"s{k}", f"c{k}", f"c{k}", more="scale_param { bias_term: true }" + named)
            if adds:
                text += layer("Eltwise", f"e{k}", f"e{k}", x, f"c{k}")
            x = f"e{k}" if adds else f"c{k}"
            text += layer("ReLU", f"r{k}", x, x)
        label = layer("Input", "label", "label", more="input_param { shape { dim: 2 } }")
        end = layer("Pooling", "out", "out", x, more=MEAN) + layer("SoftmaxWithLoss", "loss", "loss", "out", "label")
        caffelike.set_random_seed(5)
        net = build(text + label + end, caffelike.TRAIN)
        net.input_blobs[0].data[...] = np.random.default_rng(2).standard_normal((2, 32, 16, 16))
        net.share_memory(share)
        net.forward_backward(beta=0)
        gradients.append([sum(net.params[s][i].diff for s in (("s1",) if named else ("s1", "s2"))) for i in (0, 1)])
    for together, apart in zip(*gradients, strict=True):
        np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-6)
