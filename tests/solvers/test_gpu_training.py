"""A small LeNet trained on the GPU goes the way it goes on the CPU."""

import numpy as np
import pytest
from google.protobuf import text_format

import caffelike
from caffelike import device
from caffelike.schema import SolverParameter

pytestmark = pytest.mark.gpu

SOLVER = """
base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.01 max_iter: 3 random_seed: 3 clip_gradients: 1.5
net_param {
  name: "little LeNet"
  layer { name: "data" type: "DummyData" top: "data" top: "label"
    dummy_data_param { shape { dim: 3 dim: 1 dim: 9 dim: 9 } shape { dim: 3 }
      data_filler { type: "gaussian" } data_filler { type: "constant" value: 2 } } }
  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 }
    convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
  layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
  layer { name: "ip1" type: "InnerProduct" bottom: "pool" top: "ip1"
    inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
  layer { name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }
  layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" }
  layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
    inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
  layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
}
"""


def trained(on: str, text: str = "", steps: int = 2):
    param = text_format.Parse(SOLVER + text, SolverParameter())
    solver = caffelike.get_solver(param, check_finite=True)
    solver.net.device = on
    losses = []
    for _ in range(steps):
        solver.step(1)
        losses.append(solver.smoothed_loss)
    return solver, losses


@pytest.mark.parametrize("text", ["", 'iter_size: 2 type: "Adam" delta: 1e-4'])
def test_same_way_as_on_the_cpu(text):
    cpu, expected = trained("cpu", text)
    gpu, losses = trained("cuda", text)
    np.testing.assert_allclose(losses, expected, 1e-5)
    for a, b in zip(cpu.net.learnable, gpu.net.learnable, strict=True):
        np.testing.assert_allclose(b.blob.data, a.blob.data, 2e-4, 2e-6)
        np.testing.assert_allclose(b.blob.diff, a.blob.diff, 2e-4, 2e-6)
    for a, b in zip(cpu.history, gpu.history, strict=True):
        np.testing.assert_allclose(b, a, 2e-4, 2e-6)


def test_a_snapshot_goes_on_on_the_other_side(tmp_path):
    gpu, _ = trained("cuda", f'snapshot_prefix: "{tmp_path / "s"}"')
    state = gpu.snapshot()
    cpu, _ = trained("cpu", f'snapshot_prefix: "{tmp_path / "t"}"')
    cpu.restore(state)
    for solver in (gpu, cpu):
        solver.step(1)
    np.testing.assert_allclose(gpu.net.arena_data, cpu.net.arena_data, 2e-4, 2e-6)


def test_the_guard_looks_at_the_gpu():
    solver, _ = trained("cuda", steps=1)
    solver.net.params["ip1"][0].data[0, 0] = np.inf
    with pytest.raises(caffelike.errors.NotFiniteError, match=r"parameter 0 of layer 'ip1'|the loss is NaN"):
        solver.step(1)


def test_a_label_that_is_no_class_is_named():
    solver, _ = trained("cuda", steps=1)
    solver.net._nodes[0].layer.message.dummy_data_param.data_filler[1].value = 4
    solver.net.blobs["label"].data[1] = 7
    with pytest.raises(
        caffelike.CaffelikeError, match=r"label of item 1 of the batch is 7, but labels must be 0 \.\. 3"
    ):
        solver.net.run_forward(1)
    assert device.used()
