"""Many pictures through one net: each is in the result exactly once, whatever happens to the workers."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import bundle
from caffelike.cli import main
from caffelike.data.lmdb import LMDB
from caffelike.errors import CaffelikeError, DataError, FileError
from caffelike.predict import local, ray_workers, results, shards
from caffelike.predict.run import predict
from caffelike.predict.work import Job
from caffelike.recipe import Recipe
from caffelike.tools.imageset import convert_imageset

NET = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 3 } }
"""
COUNT = 23

try:
    ray_workers.load()
    NO_RAY = ""
except CaffelikeError as error:
    NO_RAY = str(error)
needs_ray = pytest.mark.skipif(bool(NO_RAY), reason=NO_RAY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """23 pictures, the brightest channel of number i is i % 3; a bundle whose class is that channel (of BGR)."""
    path = tmp_path_factory.mktemp("predict")
    (path / "photos").mkdir()
    for i in range(COUNT):
        color = [0, 0, 0]
        color[i % 3] = 200 + i
        Image.new("RGB", (8 + i, 9), tuple(color)).save(path / "photos" / f"{i:02}.png")
    (path / "net.prototxt").write_text(NET)
    net = caffelike.Net(path / "net.prototxt", caffelike.TEST)
    net.params["ip"][0].data[...] = np.eye(3)[::-1]
    net.save(path / "w.caffemodel")
    bundle.write(path / "b.bundle", path / "net.prototxt", path / "w.caffemodel", Recipe(labels=("r", "g", "b")))
    return path


@pytest.fixture
def job(folder):
    return Job(str(folder / "b.bundle"), "", Recipe(labels=("r", "g", "b")), top=2, batch=4)


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def check(rows, folder):
    assert [row["name"] for row in rows] == [str(folder / "photos" / f"{i:02}.png") for i in range(COUNT)]
    assert [int(row["label_1"]) for row in rows] == [i % 3 for i in range(COUNT)]
    assert [float(row["score_1"]) for row in rows] == pytest.approx([200 + i for i in range(COUNT)])
    assert {row["error"] for row in rows} <= {"", None}


@pytest.mark.parametrize(("workers", "ray"), [(1, None), (2, None), pytest.param(2, "", marks=needs_ray, id="ray")])
def test_rows_stand_in_order_whoever_works(folder, job, tmp_path, workers, ray):
    out = tmp_path / "r.csv"
    ticks = []
    count = predict(job, [str(folder / "photos")], str(out), workers, ray, 4, lambda *done: ticks.append(done))
    assert count == COUNT
    assert ticks[0] == (0, 6)
    assert ticks[-1] == (6, 6)
    check(table(out), folder)
    assert os.listdir(tmp_path) == ["r.csv"]


@pytest.mark.parametrize("kind", results.KINDS)
def test_formats(folder, job, tmp_path, kind):
    if kind == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / f"r{kind}"
    assert predict(job, [str(folder / "photos")], str(out), 1, None, 10) == COUNT
    outputs = np.eye(3)[np.arange(COUNT) % 3] * (200 + np.arange(COUNT))[:, None]
    if kind == ".parquet":
        check(parquet.read_table(out).to_pylist(), folder)
    elif kind == ".jsonl":
        check([json.loads(line) for line in out.read_text().splitlines()], folder)
    elif kind == ".csv":
        check(table(out), folder)
    elif kind == ".npy":
        np.testing.assert_allclose(np.load(out), outputs)
    else:
        source = LMDB(str(out))
        from caffelike.data import datum

        values = [datum.parse(value).pixels().ravel() for _, value in source.records()]
        np.testing.assert_allclose(values, outputs)
        source.close()


def test_a_data_base_and_bad_pictures(folder, job, tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "list.txt").write_text(f"{folder}/photos/00.png\nbad.png\n{folder}/photos/01.png\n")
    (tmp_path / "db.txt").write_text("".join(f"{i:02}.png {i}\n" for i in range(COUNT)))
    convert_imageset(f"{folder}/photos/", tmp_path / "db.txt", tmp_path / "lmdb", resize_height=8, resize_width=8)
    out = tmp_path / "r.csv"
    assert predict(job, [str(tmp_path / "list.txt"), str(tmp_path / "lmdb")], str(out), 1, None, 2) == 3 + COUNT
    rows = table(out)
    assert [bool(row["error"]) for row in rows] == [False, True, False, *[False] * COUNT]
    assert "no image" in rows[1]["error"]
    assert [int(row["label_1"]) for row in rows[3:]] == [i % 3 for i in range(COUNT)]
    npy = tmp_path / "r.npy"
    predict(job, [str(tmp_path / "list.txt")], str(npy), 1, None, 1)
    assert np.isnan(np.load(npy)).any(1).tolist() == [False, True, False]


def test_a_stopped_run_goes_on_and_does_nothing_twice(folder, job, tmp_path, monkeypatch):
    out = str(tmp_path / "r.csv")
    done = []

    def stop(number, total):
        done.append(number)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(job, [str(folder / "photos")], out, 1, None, 4, stop)
    assert not os.path.exists(out)
    seen = []
    answer = local.Worker.__call__
    monkeypatch.setattr(local.Worker, "__call__", lambda self, shard: seen.append(shard.number) or answer(self, shard))
    predict(job, [str(folder / "photos")], out, 1, None, 4)
    assert seen == [3, 4, 5]
    check(table(out), folder)


def test_parts_of_another_run_are_not_mixed_in(folder, job, tmp_path):
    found = shards.find([str(folder / "photos")], 4)
    results.Parts(str(tmp_path / "r.csv"), job, found)
    with pytest.raises(CaffelikeError, match="parts of another run"):
        results.Parts(str(tmp_path / "r.csv"), Job(job.model, "", job.recipe, top=1), found)


@pytest.mark.parametrize("ray", [False, pytest.param(True, marks=needs_ray)])
def test_exactly_once_though_workers_are_killed(folder, tmp_path, ray):
    """A worker dies in mid-run, twice; its shard is done by another."""
    many = tmp_path / "list.txt"
    many.write_text("".join(f"{folder}/photos/{i:02}.png\n" for i in range(COUNT)) * 60)
    out = tmp_path / "r.csv"
    words = ["predict", folder / "b.bundle", many, "--out", out, "--workers", 2, "--shard", 20, "--top", 1]
    command = [sys.executable, "-m", "caffelike", *map(str, words), *(["--ray", ""] if ray else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "r.csv.parts"
    killed = 0
    while process.poll() is None and killed < 2:
        done = len(list(parts.glob("0*.jsonl"))) if parts.exists() else 0
        victims = busy(process.pid, "ray::Worker" if ray else "spawn_main")
        if done > 10 * (killed + 1) and victims:
            os.kill(victims[0], signal.SIGKILL)
            killed += 1
        time.sleep(0.01)
    log = process.communicate(timeout=120)[1]
    assert process.returncode == 0, log
    rows = table(out)
    assert [row["name"] for row in rows] == many.read_text().split()
    assert [int(row["label_1"]) for row in rows] == [i % 3 for i in range(COUNT)] * 60
    assert killed


def busy(parent, word):
    """Processes of whose command line `word` is a part, and which descend from `parent` (or belong to Ray)."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline") as line, open(f"/proc/{name}/stat") as stat:
                words = line.read()
                above = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if word in words and (above == parent or word.startswith("ray")):
            found.append(int(name))
    return found


def test_what_cannot_be_used(folder, job, tmp_path):
    with pytest.raises(CaffelikeError, match=r"the ending says the format, one of \.parquet"):
        predict(job, [str(folder / "photos")], str(tmp_path / "r.txt"))
    with pytest.raises(FileError, match="nowhere"):
        predict(job, ["nowhere"], str(tmp_path / "r.csv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="There is no picture in"):
        predict(job, [str(tmp_path / "empty")], str(tmp_path / "r.csv"))


def test_missing_packages_are_named(monkeypatch, tmp_path):
    for name in ("ray", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CaffelikeError, match=r'pip install "caffelike\[ray\]"'):
        ray_workers.load()
    with pytest.raises(CaffelikeError, match=r'pip install "caffelike\[parquet\]"'):
        results.kind_of("r.parquet")


def test_command(folder, tmp_path, capsys):
    out = tmp_path / "r.jsonl"
    assert main(["predict", str(folder / "b.bundle"), str(folder / "photos"), "--out", str(out), "--workers", "1"]) == 0
    assert capsys.readouterr().out == f"Wrote {out}: {COUNT} pictures\n"
    assert json.loads(out.read_text().splitlines()[1])["class_1"] == "g"
