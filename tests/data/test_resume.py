import io

import numpy as np
from PIL import Image

import caffelike
from caffelike.data import write_lmdb

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
  transform_param { crop_size: 16 mirror: true scale: 0.01 augment_param { rotation: 20 noise: 5 erase: 0.5 } }
  data_param { source: "db" backend: LMDB batch_size: 4 shuffle: true threads: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss"
  loss_param { class_weight: [1, 2, 1, 1, 3] } }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" max_iter: 20 snapshot_prefix: "model"'


def test_a_resumed_run_sees_the_same_shuffled_and_changed_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = []
    for i in range(22):
        out = io.BytesIO()
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (20, 20, 3), np.uint8)).save(out, "JPEG")
        records.append((out.getvalue(), i % 5))
    write_lmdb("db", records)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER + " random_seed: 3")
    whole = caffelike.get_solver("solver.prototxt")
    whole.step(7)
    whole.snapshot()
    whole.step(9)
    resumed = caffelike.get_solver("solver.prototxt")
    resumed.step(2)
    resumed.restore("model_iter_7.solverstate")
    resumed.step(9)
    for a, b in zip(whole.net.params["fc"], resumed.net.params["fc"], strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    for solver in (whole, resumed):
        solver.net.close()
