import io

import numpy as np
import pytest
from PIL import Image

from caffelike.cli import main
from caffelike.data import write_lmdb

NET = """
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" backend: LMDB batch_size: 4 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 8 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


@pytest.fixture
def solver(tmp_path, monkeypatch):
    """A solver whose data have two pictures that are cut off."""
    monkeypatch.chdir(tmp_path)
    records = []
    for i in range(8):
        out = io.BytesIO()
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (6, 6, 3), np.uint8)).save(out, "JPEG")
        records.append((out.getvalue()[: 200 if i in (2, 5) else None], i))
    write_lmdb("db", records)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" max_iter: 5 snapshot_after_train: false'
    )
    return "solver.prototxt"


@pytest.mark.parametrize("count", ["", "1", "2"])
def test_so_many_bad_records_are_left_out_and_counted(solver, count, capfd):
    code = main(["train", solver, *(["--skip-bad-records", count] if count else [])])
    _, errors = capfd.readouterr()
    if count == "2":
        assert code == 0, errors
        assert "Skipped (2 of at most 2): db: record '00000005'" in errors
    else:
        assert code == 1
        assert f"record '{'00000005' if count else '00000002'}' cannot be used" in errors
