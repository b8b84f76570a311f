"""Nets inside programs: batches, threads, pickles, memory, the end."""

import copy
import os
import pickle
import threading

import numpy as np
import pytest

import caffelike
from caffelike.errors import CaffelikeError, ShapeError

NET = """force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 2 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" convolution_param { num_output: 3 kernel_size: 3
        weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "Pooling" bottom: "conv" top: "y" pooling_param { pool: AVE global_pooling: true } }
"""
SUM = 'layer { name: "sum" type: "Reduction" bottom: "conv" top: "z" }'
GENERATOR = np.random.default_rng(5)


def images(n, size=6):
    return GENERATOR.standard_normal((n, 2, size, size)).astype(np.float32)


def one_by_one(net, x):
    return np.concatenate([net.forward(x=part[None])["y"].copy() for part in x])


# Batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4, 6, 8])
def test_forward_all(build, n):
    net = build(NET + SUM)
    x = images(n)
    out = net.forward_all(blobs=["conv"], x=x)
    assert {name: array.shape for name, array in out.items()} == {
        "conv": (n, 3, 4, 4),
        "y": (n, 3, 1, 1),
        "z": (-(-n // 4),),  # no batch axis: one for each batch
    }
    np.testing.assert_allclose(out["y"], one_by_one(net, x), rtol=1e-5, atol=1e-6)


def test_forward_backward_all_has_every_batch_of_every_blob(build):
    net = build(NET)
    x, dy = images(6), GENERATOR.standard_normal((6, 3, 1, 1)).astype(np.float32)
    blobs, diffs = net.forward_backward_all(blobs=["conv"], diffs=["conv", "y"], x=x, y=dy)
    assert set(blobs) == {"conv", "y"}
    assert set(diffs) == {"x", "conv", "y"}
    np.testing.assert_array_equal(diffs["y"], dy)
    for i in range(6):
        net.forward(x=x[i : i + 1])
        net.blobs["y"].diff[...] = dy[i]
        np.testing.assert_allclose(net.backward()["x"][0], diffs["x"][i], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(net.blobs["conv"].data[0], blobs["conv"][i], rtol=1e-5, atol=1e-6)


def test_batches_name_what_is_wrong(build):
    net = build(NET)
    with pytest.raises(CaffelikeError, match="at least one item"):
        net.forward_all(x=images(0))
    with pytest.raises(CaffelikeError, match=r"q is no input \(x\) and no output \(y\)"):
        net.forward_backward_all(q=images(1))
    with pytest.raises(ShapeError, match=r"equally long; these are \{'x': 2, 'w': 3\}"):
        net.forward_all(x=images(2), w=images(3))


# Threads -------------------------------------------------------------------------------------------


def in_threads(work, items):
    """`work(item)` for each item, all at once; their results in order. The first exception is raised."""
    results, errors = [None] * len(items), []
    start = threading.Barrier(len(items))

    def run(i):
        try:
            start.wait()
            results[i] = work(items[i])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def test_nets_in_threads_give_what_they_give_alone(build):
    first = build(NET)
    nets = [first, *(build(NET) for _ in range(3))]
    for net in nets[1:]:
        net.share_with(first)
    x = [images(4) for _ in nets]
    alone = [first.forward(x=part)["y"].copy() for part in x]

    def work(i):
        for _ in range(20):
            y = nets[i].forward(x=x[i])["y"].copy()
        return y

    for got, wanted in zip(in_threads(work, range(4)), alone, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_one_net_in_two_threads_is_an_error_and_goes_on_after_it(build):
    net = build(NET)
    inside, over = threading.Event(), threading.Event()

    def wait(layer):
        inside.set()
        assert over.wait(10)

    net.after_forward(wait)
    thread = threading.Thread(target=net.forward)
    thread.start()
    assert inside.wait(10)
    try:
        for use in (net.forward, net.backward, net.reshape, lambda: net.forward(x=images(4))):
            with pytest.raises(CaffelikeError, match="is running in another thread"):
                use()
    finally:
        over.set()
        thread.join()
    assert net.forward(x=images(4))["y"].shape == (4, 3, 1, 1)


def test_a_callback_may_run_the_net(build):
    net = build(NET)
    net.before_forward(lambda i: net.blobs["x"].data.fill(1) if i == 0 else None)
    assert net.forward(end="x")["x"].all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_the_child_runs_the_net_too(build):
    net = build(NET)
    x = images(4)
    wanted = net.forward(x=x)["y"].copy()
    child = os.fork()
    if child == 0:
        same = False
        try:
            same = np.array_equal(net.forward(x=x)["y"], wanted)
        finally:
            os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Pickles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_net_is_pickled_as_definition_and_weights(build, again):
    net = build(NET)
    net.blobs["x"].reshape(2, 2, 7, 7)
    net.reshape()
    net.after_forward(lambda layer: None)
    net.note = "mine"
    other = again(net)
    x = images(2, 7)
    np.testing.assert_array_equal(other.forward(x=x)["y"], net.forward(x=x)["y"])
    assert (other.blobs["x"].shape, other.note, other.phase, other.seed) == ((2, 2, 7, 7), "mine", net.phase, net.seed)
    other.params["conv"][0].data[...] = 0
    assert net.params["conv"][0].data.any()


def test_a_spec_is_pickled():
    from caffelike import layers as L

    n = caffelike.NetSpec()
    n.x = L.Input(shape={"dim": [1, 2]})
    n.y = L.ReLU(n.x)
    again = pickle.loads(pickle.dumps(n))
    assert again.to_proto() == n.to_proto()
    assert copy.deepcopy(n).to_proto() == n.to_proto()


# Memory ----------------------------------------------------------------------------------------------


def test_memory_is_given_back_when_asked(build):
    net = build(NET)
    net.forward(x=images(64, 12))
    x = images(1)
    net.forward(x=x)
    held = net.blobs["conv"].data
    wanted = net.forward(x=x)["y"].copy()
    assert net.blobs["conv"].data is held
    before = {name: blob.data_storage.array.size for name, blob in net.blobs.items()}
    net.reshape(shrink=True)
    after = {name: blob.data_storage.array.size for name, blob in net.blobs.items()}
    assert before["conv"] == 64 * 3 * 10 * 10
    assert (after["conv"], after["x"]) == (3 * 4 * 4, 2 * 6 * 6)
    assert np.array_equal(net.blobs["x"].data, x)
    np.testing.assert_array_equal(net.forward(x=x)["y"], wanted)
    assert not np.shares_memory(held, net.blobs["conv"].data)


# The end ---------------------------------------------------------------------------------------------


def test_a_closed_net_says_so_and_can_be_read(build):
    with build(NET) as net:
        wanted = net.forward(x=images(4))["y"].copy()
    np.testing.assert_array_equal(net.blobs["y"].data, wanted)
    assert net.params["conv"][0].data.any()
    for use in (net.forward, net.backward, net.reshape, lambda: net.forward_all(x=images(4))):
        with pytest.raises(CaffelikeError, match="is closed"):
            use()
    net.close()


# pycaffe's constructor ---------------------------------------------------------------------------------


def test_every_way_of_naming_weights(build, tmp_path):
    net = build(NET)
    file, weights = tmp_path / "net.prototxt", tmp_path / "w.caffemodel"
    net.save(weights)
    ways = [
        caffelike.Net(file, caffelike.TEST, weights=weights),
        caffelike.Net(file, caffelike.TEST, 0, None, str(weights)),
        caffelike.Net(file, caffelike.TEST, weights),
        caffelike.Net(file, str(weights), caffelike.TEST),
        caffelike.Net(str(file), str(weights)),
        caffelike.Net(network_file=file, phase=caffelike.TEST, level=1, weights=weights),
    ]
    for way in ways:
        assert way.phase == caffelike.TEST
        assert np.array_equal(way.params["conv"][0].data, net.params["conv"][0].data)
    assert caffelike.Net(file, weights, caffelike.TRAIN).phase == caffelike.TRAIN
    assert net._blob_loss_weights == [0.0] * len(net.blobs)
    net._forward(0, 1)
    net._backward(1, 0)


def test_a_layer_written_in_python_is_the_users_object(build, tmp_path, monkeypatch):
    (tmp_path / "counting_layer.py").write_text(
        "import numpy, caffelike\n"
        "class Counting(caffelike.Layer):\n"
        "    def reshape(self, bottom, top):\n"
        "        top[0].reshape(1)\n"
        "    def forward(self, bottom, top):\n"
        "        top[0].data[...] = self.start\n"
        "        self.start += 1\n"
        "    def set_start(self, start):\n"
        "        self.start = start\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    net = build(
        'layer { name: "c" type: "Python" top: "c" python_param { module: "counting_layer" layer: "Counting" } }'
    )
    net.layers[0].set_start(5)  # as Faster R-CNN's scripts give their layer its data
    assert net.forward()["c"] == 5
    assert net.forward()["c"] == 6
    assert net.layer_dict["c"] is net.layers[0]
    assert net.layer_dict["c"].type == "Python"
