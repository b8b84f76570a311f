"""`caffelike test --report`."""

import json

import numpy as np
import pytest

import caffelike
from caffelike.data import write_lmdb

NET = """
layer { name: "d" type: "Data" top: "x" top: "label" data_param { source: "db" backend: LMDB batch_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: %d bias_term: false } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }
"""


@pytest.fixture
def tested(tmp_path, monkeypatch):
    """A function that makes a net which predicts the pixel's value, on six records of labels and pixels."""
    monkeypatch.chdir(tmp_path)

    def make(classes):
        labels, pixels = (0, 1, 1, 2, 0, 1), (0, 1, 0, 2, 0, 0)
        images = np.eye(classes, dtype=np.uint8)[list(pixels)].reshape(6, -1, 1, 1)
        write_lmdb("db", zip(images, labels, strict=True))
        (tmp_path / "net.prototxt").write_text(NET % classes)
        net = caffelike.Net("net.prototxt", caffelike.TEST)
        net.params["ip"][0].data[...] = np.eye(classes)
        net.save("w.caffemodel")
        net.close()
        (tmp_path / "names.txt").write_text("".join(f"kind {i}\n" for i in range(classes)))
        return ("test", "net.prototxt", "w.caffemodel", "-iterations", "2")

    return make


def test_tables_and_files(run, tested, tmp_path):
    result = run(*tested(3), "--report", "out", "--names", "names.txt")
    assert result.code == 0, result.err
    assert "layer acc: accuracy 0.6667 of 6" in result.out
    rows = [line.split() for line in result.out.splitlines()]
    assert ["kind", "1", "3", "0.3333", "1.0000"] in rows
    assert ["kind", "1", "2", "1", "."] in rows
    assert ["kind", "1", "->", "kind", "0", "2"] in rows
    assert "Wrote out/confusion.csv" in result.out
    assert "acc = 0.666667" in result.err
    assert {"classes.csv", "confusion.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_only_printed(run, tested, tmp_path):
    words = tested(60)
    before = sorted(path.name for path in tmp_path.iterdir())
    result = run(*words, "-report", "-")
    assert result.code == 0, result.err
    assert "the 3 lowest of 60 classes" in result.out
    assert "predictions across" not in result.out
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_without_it_nothing_is_printed(run, tested):
    assert run(*tested(3)).out == ""


def test_all_scores_each_record_once(run, tested, tmp_path):
    words = tested(3)
    (tmp_path / "net.prototxt").write_text((tmp_path / "net.prototxt").read_text().replace("size: 3", "size: 4"))
    result = run(*words, "--all", "--report", "-")
    assert result.code == 0, result.err
    assert "Running for 2 iterations." in result.err
    assert "Batch 0, acc = 0.75" in result.err
    assert "Batch 1, acc = 0.5" in result.err
    assert "] acc = 0.666667" in result.err  # (4 * 0.75 + 2 * 0.5) / 6
    assert "accuracy 0.6667 of 6" in result.out


def test_json(run, tested):
    result = run(*tested(3), "--report", "out", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert (told["batches"], told["loss"]) == (2, 0)
    assert told["outputs"]["acc"] == pytest.approx(2 / 3)
    assert told["report"]["records"] == 6
    assert told["report"]["counts"] == [[2, 0, 0], [2, 1, 0], [0, 0, 1]]
    assert told["report"]["classes"][1] == {"name": "1", "accuracy": pytest.approx(1 / 3), "precision": 1}


def test_times_as_json(run, tested):
    net = tested(3)[1]
    result = run("time", net, "-iterations", "2", "-phase", "TEST", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert [(layer["name"], layer["type"]) for layer in told["layers"]] == [
        *(("d", "Data"), ("ip", "InnerProduct"), ("acc", "Accuracy"))
    ]
    assert told["forward"] == pytest.approx(sum(layer["forward"] for layer in told["layers"]))
    assert told["forward_backward"] >= told["forward"] > 0
