"""Detectors of models/: definitions as their scripts give them, published shapes, and narrow forms that learn."""

import importlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recorded import GOLDEN

import caffelike
from caffelike import hub
from caffelike.schema import text
from caffelike.summary import describe

ROOT = Path(__file__).resolve().parents[1]
SSD = {"mobilenet_ssd": (300, 1917), "ssd300_vgg16": (300, 8732), "ssd512_vgg16": (512, 24564)}  # side, default boxes
YOLO = {"yolo_v1": 271_703_550, "yolo_v2": 50_962_889, "yolo_v3": 61_949_149}  # learned numbers, as published
MODELS = [*SSD, *YOLO]
RECORDED = json.loads((GOLDEN / "shapes.json").read_text(encoding="utf-8"))


@pytest.fixture
def example(monkeypatch):
    """Imports a module of examples/."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("record_shapes")


@pytest.mark.parametrize("model", MODELS)
def test_definitions_are_what_their_scripts_give(model):
    subprocess.run([sys.executable, hub.find(model) / "define.py", "--check"], check=True)


@pytest.mark.parametrize("model", RECORDED)
def test_published_weights_find_their_places(model, recorder):
    shapes = recorder.shapes(hub.find(model) / "deploy.prototxt")
    assert shapes == RECORDED[model]["shapes"]
    if model in YOLO:
        numbers = sum(np.prod(shape) for each in shapes.values() for shape in each if each[-1] != [1])
        assert numbers == YOLO[model]


def test_recorded_shapes_are_the_published_ones(recorder):
    if not recorder.ARCHIVE.exists():
        pytest.skip("needs ../shared/wild/prototxt_public.tar.xz")
    assert recorder.record(recorder.ARCHIVE) == (GOLDEN / "shapes.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", SSD)
def test_ssd_has_the_papers_boxes_in_all_phases(model):
    folder, (side, boxes) = hub.find(model), SSD[model]
    deploy = describe(folder / "deploy.prototxt")
    shapes = {top: shape for row in deploy.layers for top, shape in row.tops.items()}
    assert shapes["mbox_priorbox"] == (1, 2, 4 * boxes)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for value in (boxes, *deploy.totals.values()):
        assert f"{value:,}" in readme
    own = {row.name: row.parameters for row in deploy.layers if row.parameters}
    data = {"data": (2, 3, side, side), "label": (1, 1, 3, 8)}
    for phase, last in ((caffelike.TRAIN, "MultiBoxLoss"), (caffelike.TEST, "DetectionEvaluate")):
        file = "train.prototxt" if phase == caffelike.TRAIN else "test.prototxt"
        built = describe(folder / file, phase, data)
        assert own == {row.name: row.parameters for row in built.layers if row.parameters}
        assert built.layers[-1].type == last


@pytest.mark.parametrize("model", ["yolo_v2", "yolo_v3"])
def test_yolo_builds_in_all_phases(model):
    folder = hub.find(model)
    deploy = describe(folder / "deploy.prototxt")
    own = {row.name: row.parameters for row in deploy.layers if row.parameters}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for value in (YOLO[model], *deploy.totals.values()):
        assert f"{value:,}" in readme
    loss = "Yolov3" if model == "yolo_v3" else "RegionLoss"
    for phase, last, label in (
        (caffelike.TRAIN, loss, (2, 1, 300, 5)),
        (caffelike.TEST, "DetectionEvaluate", (1, 1, 3, 8)),
    ):
        file = "train.prototxt" if phase == caffelike.TRAIN else "test.prototxt"
        built = describe(folder / file, phase, {"data": (2, 3, 416, 416), "label": label})
        assert own == {row.name: row.parameters for row in built.layers if row.parameters}
        assert built.layers[-1].type == last


@pytest.mark.parametrize("model", [model for model in MODELS if model != "yolo_v1"])
def test_solvers_read_nets_beside_them(model):
    folder = hub.find(model)
    solver = text.read_solver(folder / "solver.prototxt").message
    assert all((folder / net).is_file() for net in (solver.train_net, *solver.test_net))
    assert solver.max_iter % solver.test_interval == 0
    assert solver.eval_type == "detection"


def test_yolo_v1_runs_and_is_decoded(example):
    """A narrow net gives numbers of the right shape, and of hand-made numbers come the boxes that they mean."""
    narrow = caffelike.Net.build(example("learning").define("yolo_v1").net(width=64), caffelike.TEST)
    result = narrow.forward(data=np.random.default_rng(0).random((1, 3, 448, 448)))["result"]
    assert result.shape == (1, 1470)
    assert f"{YOLO['yolo_v1']:,}" in (hub.find("yolo_v1") / "README.md").read_text(encoding="utf-8")
    assert np.isfinite(result).all()
    boxes = runpy.run_path(str(hub.find("yolo_v1") / "decode.py"))["boxes"]
    numbers = np.zeros(1470)
    cell = 3 * 7 + 2  # row 3, column 2
    numbers[20 * cell + 6] = 0.9  # a car
    numbers[20 * 49 + 2 * cell : 20 * 49 + 2 * cell + 2] = 0.5, 1
    places = numbers[22 * 49 :].reshape(49, 2, 4)
    places[cell] = (0.5, 0.5, 0.5, 1), (0.5, 0.5, 0.5, 0.99)  # overlap
    kind, score, box = boxes(numbers)[0]
    assert (kind, score) == (6, pytest.approx(0.9))
    middle = np.array([2.5 / 7, 3.5 / 7])
    half = np.array([0.25, 0.99**2]) / 2
    np.testing.assert_allclose(box, [*(middle - half), *(middle + half)])
    assert len(boxes(numbers)) == 1
    assert len(boxes(numbers, overlap=0.99)) == 2
    assert not boxes(numbers, threshold=0.95)


def plain(net):
    """The definition with its images as they are: some steps show whether it learns only if all are alike."""
    net.layer[0].ClearField("annotated_data_param")
    for change in ("distort_param", "expand_param", "emit_constraint"):
        net.layer[0].transform_param.ClearField(change)
    return net


def learned(run, iterations):
    """The loss of each iteration."""
    losses = []
    for _ in range(iterations):
        run.step(1)
        losses.append(run.smoothed_loss)
    return losses


@pytest.mark.parametrize(
    ("model", "narrower", "rate", "iterations"),
    [
        ("ssd300_vgg16", {"width": 16}, 0.001, 8),
        ("ssd512_vgg16", {"width": 32}, 0.001, 6),
        ("mobilenet_ssd", {"width": 8, "rate": 1}, 0.001, 10),
    ],
)
def test_narrow_ssd_learns_and_detects(model, narrower, rate, iterations, example, tmp_path):
    learning = example("learning")
    detector = learning.define(model).detector(classes=4, **narrower)
    detector.batches = (2, 2)
    example("yolo").prepare(tmp_path, example("faster_rcnn").shapes(4), ("VOC0712_trainval_lmdb", "VOC0712_test_lmdb"))
    nets = {"train_net_param": plain(detector.train_net()), "test_net_param": [detector.test_net()]}
    run = learning.solver(model, tmp_path, **nets, base_lr=rate, display=0)
    losses = learned(run, iterations)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    net = caffelike.Net.build(detector.deploy_net(), caffelike.TEST)
    net.share_with(run.net)
    found = net.forward(data=run.net.blobs["data"].data[:1])["detection_out"]
    assert found.shape[3] == 7
    assert np.isfinite(found).all()
    run.param.test_iter[0] = 2
    assert 0 <= run.test(0)["detection_eval"] <= 1
    run.close()


@pytest.mark.parametrize(("model", "iterations"), [("yolo_v2", 16), ("yolo_v3", 16)])
def test_narrow_yolo_learns_and_detects(model, iterations, example, tmp_path):
    """As examples/yolo.py, which goes on until every shape is found."""
    yolo = example("yolo")
    yolo.prepare(tmp_path, example("faster_rcnn").shapes(4), ("coco_train_lmdb", "coco_val_lmdb"))
    run = yolo.solver(model, tmp_path, width=16, max_iter=100, display=0)
    losses = learned(run, iterations)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])
    assert 0 <= run.test(0)["detection_eval"] <= 1
    run.close()
