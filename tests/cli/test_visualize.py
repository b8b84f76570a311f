import json

import numpy as np
import pytest
from PIL import Image
from viz.conftest import NET

import caffelike
from caffelike.cli import main
from caffelike.cli.visualize import TECHNIQUES


@pytest.fixture
def files(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    caffelike.set_random_seed(5)
    caffelike.Net(tmp_path / "net.prototxt", caffelike.TEST).save(tmp_path / "w.caffemodel")
    rng = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def run(files, *words):
    return main([str(word) for word in ["visualize", *words, "--weights", files / "w.caffemodel", "--mean", "100"]])


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_each_technique_makes_pictures_and_a_page(files, technique, capsys):
    if technique == "embedding":
        pytest.importorskip("sklearn")
    pictures = [] if technique in ("filters", "class-model") else [files / f"{name}.png" for name in "abc"]
    words = [technique, files / "net.prototxt", *pictures, "--out", files / "out", "--unit", 1, "--steps", 2, "--json"]
    assert run(files, *words) == 0
    made = json.loads(capsys.readouterr().out)
    page = (files / "out" / "index.html").read_text()
    assert made["pictures"]
    for row in made["pictures"]:
        assert row["file"] in page
        with Image.open(files / "out" / row["file"]) as file:
            assert file.width >= 160


def test_a_dream_may_start_from_noise_and_please_a_class(files):
    words = ["dream", files / "net.prototxt", "--layer", "score", "--unit", 1, "--steps", 2, "--out", files / "out"]
    assert run(files, *words) == 0
    assert (files / "out" / "noise.dream.png").is_file()


def test_what_is_missing_is_named(files, capsys):
    assert run(files, "cam", files / "net.prototxt") == 1
    assert "takes one picture or more" in capsys.readouterr().err
    assert run(files, "class-model", files / "net.prototxt") == 1
    assert "--unit" in capsys.readouterr().err
