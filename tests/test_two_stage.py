"""models/: detectors that look at regions. Published layers, current definitions, and narrow forms that learn."""

import importlib
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import caffelike
from caffelike import hub
from caffelike.data.roidb import set_roidb
from caffelike.schema import text
from caffelike.solvers import get_solver
from caffelike.summary import build_without_data, summarize

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = json.loads((ROOT / "tests" / "golden" / "two_stage.json").read_text())
MODELS = ["faster_rcnn_vgg16", "faster_rcnn_zf"]
SIDE, CLASSES = 64, 4
SMALL = {  # what makes the published sizes narrow
    "classes": CLASSES,
    "share": 1 / 16,
    "hidden": 24,
    "still": False,
    "side": (SIDE, SIDE),
    "scales": (1.25, 2.5),
    "ratios": (1.0,),
    "data": {"scales": [SIDE], "max_size": SIDE},
    "proposals": {"post_nms_top_n": 24, "min_size": 4},
    "regions": {"batch_size": 32},
}


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/NAME.py`."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))


def narrow(model, train, **changes):
    """A narrow form of the model's definition."""
    module = importlib.import_module("learning").define(model)
    return module.net(train, module.two_stage.Form(**SMALL | changes))


def records():
    """Two images with a bright and a dark square."""
    rng = np.random.default_rng(3)
    found = []
    for boxes in (((4, 6, 29, 31), (36, 30, 61, 55)), ((10, 34, 33, 57), (38, 4, 59, 25))):
        image = rng.integers(100, 150, (SIDE, SIDE, 3), np.uint8)
        for (x1, y1, x2, y2), shade in zip(boxes, (250, 10), strict=True):
            image[y1 : y2 + 1, x1 : x2 + 1] = shade
        found.append({"image": image, "boxes": boxes, "gt_classes": (1, 3)})
    return found


@pytest.mark.parametrize("model", MODELS)
def test_definitions_are_what_their_scripts_give(model, monkeypatch):
    script = hub.find(model) / "define.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--check"])
    runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("model", [model for model in MODELS if model in PUBLISHED])
def test_layers_are_the_published_ones(model):
    """Their names, in their order, and the shapes of their parameters: so weights find their places."""
    for file in ("deploy.prototxt", "train.prototxt"):
        net = build_without_data(hub.find(model) / file, caffelike.TRAIN)
        shapes = {name: [list(blob.shape) for blob in blobs] for name, blobs in net.params.items()}
        assert list(shapes.items()) == list(PUBLISHED[model].items())


@pytest.mark.parametrize("model", MODELS)
def test_readme_tells_the_counts(model):
    totals = summarize(build_without_data(hub.find(model) / "deploy.prototxt", caffelike.TRAIN)).totals
    readme = (hub.find(model) / "README.md").read_text(encoding="utf-8")
    for column in ("parameters", "macs"):
        assert f"{totals[column]:,}" in readme


@pytest.mark.parametrize("model", MODELS)
def test_it_learns(model):
    param = text.read_solver(hub.find(model) / "solver.prototxt").message
    assert (hub.find(model) / param.net).is_file()
    param.ClearField("net")
    param.net_param.CopyFrom(narrow(model, True))
    param.type, param.base_lr, param.momentum, param.lr_policy, param.iter_size = "Adam", 0.003, 0.9, "fixed", 1
    param.random_seed, param.display, param.snapshot = 1, 0, 0
    run = get_solver(param)
    set_roidb(run, records())
    losses = []
    for _ in range(25):
        run.step(1)
        losses.append(sum(float(run.net.blobs[name].data) for name in run.net.outputs if "loss" in name))
    assert np.isfinite(losses).all()
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:6])


@pytest.mark.parametrize("model", MODELS)
def test_every_form_runs_in_both_phases(model):
    deploy = narrow(model, False)
    for phase in (caffelike.TRAIN, caffelike.TEST):
        train = caffelike.Net.build(narrow(model, True), phase)
        set_roidb(train, records())
        train.forward()
        net = caffelike.Net.build(deploy, phase)
        shapes = [[(name, [blob.shape for blob in n.params[name]]) for name in n.params] for n in (train, net)]
        assert shapes[0] == shapes[1]
        inputs = {name: np.zeros(net.blobs[name].shape, np.float32) for name in net.inputs}
        inputs["data"] += np.random.default_rng(0).uniform(-100, 100, inputs["data"].shape).astype(np.float32)
        if "im_info" in inputs:
            inputs["im_info"][...] = (SIDE, SIDE, 1)
        net.forward(**inputs)
        prob = net.blobs["cls_prob"].data
        prob = prob.reshape(len(prob), -1)
        assert prob.shape == (net.blobs["rois"].shape[0], CLASSES)
        np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)
