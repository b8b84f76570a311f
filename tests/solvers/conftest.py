"""A small net on HDF5 data, in a folder of its own that is the working folder."""

import re

import h5py
import numpy as np
import pytest

import caffelike

NET = """
name: "small"
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 8 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" dropout_param { dropout_ratio: 0.25 } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""

SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.001 random_seed: 3'
FIELD = re.compile(r"(\w+): \S+")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with data.h5, list.txt and net.prototxt."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    with h5py.File("data.h5", "w") as file:
        file["data"] = random.standard_normal((44, 5)).astype(np.float32)
        file["label"] = random.integers(0, 3, 44).astype(np.float32)
    (tmp_path / "list.txt").write_text("data.h5\n")
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


@pytest.fixture
def solver(folder):
    """A function that makes a solver from SOLVER and `extra` fields, which win."""

    def make(extra="", base=SOLVER, **options):
        given = FIELD.findall(extra)
        base = FIELD.sub(lambda field: "" if field[1] in given else field[0], base)
        (folder / "solver.prototxt").write_text(f"{base} {extra}")
        return caffelike.get_solver("solver.prototxt", **options)

    return make


@pytest.fixture
def log_lines(caplog):
    """A function that returns the log lines so far."""
    caplog.set_level("INFO", logger="caffelike")
    return lambda: [record.getMessage() for record in caplog.records]
