"""A net on the GPU: it computes what it computes on the CPU, and what Python sees is always current."""

import logging

import gain_plugin  # noqa: F401
import numpy as np
import pytest
from google.protobuf import text_format

import caffelike
from caffelike import device
from caffelike.blob import AT_CPU, AT_GPU, SYNCED
from caffelike.schema import NetParameter

pytestmark = pytest.mark.gpu

# A plug-in without CUDA kernels: it runs on the CPU between layers on the GPU.
NET = """
name: "mixed" force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 } } }
layer { name: "scale" type: "Scale" bottom: "x" top: "scaled"
  scale_param { bias_term: true filler { type: "uniform" min: 1 max: 2 } bias_filler { type: "uniform" } } }
layer { name: "relu" type: "ReLU" bottom: "scaled" top: "scaled" }
layer { name: "gain" type: "Gain" bottom: "scaled" top: "gained" }
layer { name: "tanh" type: "TanH" bottom: "gained" top: "y" }
"""


def made(text=NET, **more):
    caffelike.set_random_seed(5)
    return caffelike.Net.build(text_format.Parse(text, NetParameter()), caffelike.TRAIN, **more)


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)


def test_same_numbers_as_on_the_cpu(x, caplog):
    caplog.set_level(logging.INFO, "caffelike")
    nets = [made(device=name) for name in ("cpu", "cuda")]
    for net in nets:
        net.blobs["x"].data[...] = x
        net.forward()
        net.blobs["y"].diff[...] = 1 + x
        net.backward()
        net.backward()  # adds to the parameters' gradients
    cpu, gpu = nets
    for name, blob in cpu.blobs.items():
        np.testing.assert_allclose(gpu.blobs[name].data, blob.data, 1e-5, 1e-6, err_msg=name)
        np.testing.assert_allclose(gpu.blobs[name].diff, blob.diff, 1e-5, 1e-6, err_msg=name)
    for a, b in zip(cpu.params["scale"], gpu.params["scale"], strict=True):
        np.testing.assert_allclose(b.diff, a.diff, 1e-5, 1e-6)
    told = [m for m in caplog.messages if "no CUDA kernel" in m]
    assert told == [
        "Layer 'gain' (Gain) has no CUDA kernel for forward and backward: it runs on the CPU, and its blobs are copied."
    ]


def test_views_that_are_held_take_effect_and_stay_current(x):
    net = made(device="cuda")
    given, weight, out = net.blobs["x"].data, net.params["scale"][0].data, net.blobs["y"].data
    given[...] = x
    net.forward()
    first = out.copy()
    assert np.abs(first).max() > 0
    weight *= 0.5
    given[0] = 1
    net.forward()
    expected = made(device="cpu")
    expected.params["scale"][0].data[...] *= 0.5
    expected.blobs["x"].data[...] = given
    np.testing.assert_allclose(out, expected.forward()["y"], 1e-5, 1e-6)
    assert not np.array_equal(out, first)


def test_the_mode_may_change_between_passes(x):
    net = made()
    net.blobs["x"].data[...] = x
    before = net.forward()["y"].copy()
    try:
        caffelike.set_mode_gpu()
        assert net.device == "cuda"
        np.testing.assert_allclose(net.forward()["y"], before, 1e-5, 1e-6)
        net.blobs["y"].diff[...] = 1
        net.backward()
    finally:
        caffelike.set_mode_cpu()
    gradient = net.params["scale"][0].diff.copy()
    net.backward()
    np.testing.assert_allclose(net.params["scale"][0].diff, 2 * gradient, 1e-5, 1e-6)


def test_reshaping_and_memory_taken_in_turns(x):
    net = made(device="cuda")
    net.share_memory()
    net.blobs["x"].reshape(1, 3, 4)
    net.blobs["x"].data[...] = x[:1]
    y = net.forward()["y"]
    expected = made(device="cpu")
    expected.blobs["x"].data[...] = x
    np.testing.assert_allclose(y, expected.forward()["y"][:1], 1e-5, 1e-6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ('"Convolution" convolution_param { num_output: 2 kernel_size: 2', "dim: 1 dim: 2 dim: 3 dim: 3"),
        ('"InnerProduct" inner_product_param { num_output: 3', "dim: 2 dim: 4"),
    ],
)
def test_relu_within_the_product_before_it(layer, shape, monkeypatch):
    from caffelike.kernels.cuda import relu

    text = f"""layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {shape} }} }} }}
    layer {{ name: "product" bottom: "x" top: "y" type: {layer} weight_filler {{ type: "gaussian" std: 1 }} }} }}
    layer {{ name: "cut" type: "ReLU" bottom: "y" top: "y" relu_param {{ negative_slope: 0.25 }} }}"""
    nets = [made(f"force_backward: true {text}", device=name) for name in ("cpu", "cuda")]
    given = np.random.default_rng(1).standard_normal(nets[0].blobs["x"].shape)
    alone = []
    monkeypatch.setattr(relu, "_forward", lambda *more, run=relu._forward: (alone.append(1), run(*more)))
    for net in nets:
        net.blobs["x"].data[...] = given
        net.forward()
        net.blobs["y"].diff[...] = 1
        net.backward()
    cpu, gpu = nets
    assert cpu.blobs["y"].data.min() < 0 < cpu.blobs["y"].data.max()
    for name in ("x", "y"):
        np.testing.assert_allclose(gpu.blobs[name].data, cpu.blobs[name].data, 1e-5, 1e-6)
        np.testing.assert_allclose(gpu.blobs[name].diff, cpu.blobs[name].diff, 1e-5, 1e-6)
    assert not alone
    gpu.forward(start="cut")  # what lies between them may be seen: no whole pass
    assert alone


BATCHES = """
layer { name: "data" type: "DummyData" top: "data"
  dummy_data_param { shape { dim: 2 dim: 3 } data_filler { type: "gaussian" } } }
layer { name: "double" type: "Power" bottom: "data" top: "y" power_param { scale: 2 } }
layer { name: "few" type: "Filter" bottom: "y" bottom: "data" top: "few" }
"""


def test_batches_are_sent_without_waiting(monkeypatch):
    """A batch is fetched by the GPU while the computer goes on; its memory is written again when that is over."""
    door, order = device.door(), []
    send, wait, locked = door.upload_soon, door.wait, door.pinned
    monkeypatch.setattr(door, "upload_soon", lambda *given: (order.append("sent"), send(*given))[1])
    monkeypatch.setattr(door, "wait", lambda mark: (order.append("waited"), wait(mark))[1])
    monkeypatch.setattr(door, "pinned", lambda *given: (order.append("pinned"), locked(*given))[1])
    net = made(BATCHES.partition('layer { name: "few"')[0], device="cuda")
    for _ in range(2):
        net.forward()
    assert order == ["pinned", "sent", "waited", "sent"]
    np.testing.assert_array_equal(net.blobs["y"].data, 2 * net.blobs["data"].data)
    assert np.abs(net.blobs["y"].data).max() > 0
    held = net.blobs["data"].data
    net.forward()
    np.testing.assert_array_equal(net.blobs["y"].data, 2 * held)


def test_a_layer_that_works_on_blobs_says_so(caplog):
    caplog.set_level(logging.INFO, "caffelike")
    net = made(BATCHES.replace("dim: 2 dim: 3", "dim: 2"), device="cuda")
    net.forward()
    net.forward()
    told = [m for m in caplog.messages if "its blobs are copied" in m]
    assert told == ["Layer 'few' (Filter) works on blobs itself: it runs on the CPU, and its blobs are copied."]
    np.testing.assert_array_equal(net.blobs["few"].data, 2 * net.blobs["data"].data)


@pytest.mark.parametrize("at", ["binding", "running"])
def test_full_memory_names_the_layer(at, x, monkeypatch):
    """Where the GPU has no memory left for a blob, or for what a kernel needs beside it."""
    from caffelike.errors import DeviceMemoryError
    from caffelike.kernels.cuda import euclidean_loss

    def full(size, dtype=np.float32):
        raise DeviceMemoryError("The GPU's memory is full: 4.0 MiB are wanted, 3.0 MiB of 2.00 GiB are free.")

    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'
    net = made(f'{text} layer {{ name: "far" type: "EuclideanLoss" bottom: "x" bottom: "x" top: "l" }}', device="cuda")
    monkeypatch.setattr(*((device.door(), "empty") if at == "binding" else (euclidean_loss, "empty")), full)
    with pytest.raises(
        DeviceMemoryError, match=r"Layer 'far' \(EuclideanLoss\): The GPU's memory is full: 4\.0 MiB are wanted"
    ):
        net.forward()


def test_head_of_a_blob():
    """Caffe's states: each side is copied only when the other asks."""
    blob = caffelike.Blob((2, 2))
    storage = blob.data_storage
    blob.data[...] = 3
    assert storage.head is AT_CPU
    array = blob.gpu_data
    assert storage.head is AT_GPU
    array[0, 1] = 7
    assert blob.data.tolist() == [[3, 7], [3, 3]]
    assert storage.head is AT_CPU
    storage.to_gpu()
    assert storage.head is SYNCED
    assert device.door().on_host(blob.gpu_diff).tolist() == [[0, 0], [0, 0]]


def test_dlpack_hands_out_what_the_gpu_computed(x):
    net = made(device="cuda")
    net.blobs["x"].data[...] = x
    y = np.from_dlpack(net.blobs["y"])
    before = net.forward()["y"].copy()
    np.testing.assert_array_equal(y, before)
    net.params["scale"][0].data[...] = 0
    net.forward()
    assert not np.array_equal(y, before)


def test_other_libraries_find_the_gpu_memory():
    blob = caffelike.Blob((2, 3))
    pointer = blob._gpu_data_ptr
    assert pointer == device.door().pointer(blob.data_storage.gpu_array) != blob._gpu_diff_ptr
    interface = blob.__cuda_array_interface__
    assert interface == {"shape": (2, 3), "typestr": "<f4", "data": (pointer, False), "version": 3, "strides": None}
