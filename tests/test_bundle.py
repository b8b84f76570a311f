"""Bundles, and what uses them: caffelike.load, classify, detect, test."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import bundle
from caffelike.cli import main
from caffelike.errors import CaffelikeError, WeightsError
from caffelike.inference import Found, classify, detect, score
from caffelike.recipe import Recipe

# Three classes, told by which channel is bright: the mean of each, made a probability.
NET = """name: "rgb"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


@pytest.fixture
def files(tmp_path):
    """The net, its weights, and a picture of each class."""
    (tmp_path / "net.prototxt").write_text(NET)
    net = caffelike.Net(tmp_path / "net.prototxt", caffelike.TEST)
    net.params["ip"][0].data[...] = np.eye(3) / 50
    net.save(tmp_path / "w.caffemodel")
    for name, color in COLORS.items():
        Image.new("RGB", (10, 12), color).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.txt").write_text("\n".join(COLORS))
    return tmp_path


@pytest.fixture
def made(files):
    path = files / "rgb.bundle"
    bundle.write(path, files / "net.prototxt", files / "w.caffemodel", Recipe(mean=(100.0,), labels=tuple(COLORS)))
    return path


def test_a_bundle_gives_the_same_net_and_recipe(made, files):
    net = caffelike.load(made)
    assert net.recipe == Recipe(mean=(100.0,), labels=tuple(COLORS))
    assert net.params["ip"][0].data.tolist() == (np.eye(3, dtype=np.float32) / 50).tolist()
    pictures = [files / f"{name}.png" for name in COLORS]
    for batch in (1, 2, 5):
        answers = list(classify(net, pictures, top=2, batch=batch))
        assert [answer.best[0].name for answer in answers] == list(COLORS)
        assert answers[0].best[0].score == pytest.approx(1 / (1 + 2 * np.exp(-5.1)), abs=1e-6)
        assert [len(answer.best) for answer in answers] == [2, 2, 2]


def test_a_mean_image_is_kept(files):
    mean = np.random.default_rng(0).uniform(0, 9, (3, 8, 8)).astype(np.float32)
    bundle.write(files / "m.bundle", files / "net.prototxt", files / "w.caffemodel", Recipe(mean_image=mean))
    assert caffelike.load(files / "m.bundle").recipe.mean_image.tolist() == mean.tolist()


def test_members_are_caffes_own_files(made, files):
    with zipfile.ZipFile(made) as archive:
        archive.extractall(files / "out")
    net = caffelike.Net(files / "out" / "net.prototxt", caffelike.TEST, weights=files / "out" / "weights.caffemodel")
    assert net.outputs == ["prob"]


def test_damage_is_noticed(made, files):
    data = bytearray(made.read_bytes())
    at = data.index(b"gaussian") if b"gaussian" in data else data.index(b'name: "ip"')
    data[at] ^= 1
    (files / "bad.bundle").write_bytes(data)
    with pytest.raises(WeightsError, match=r"net.prototxt is damaged \(its SHA-1 is another\)"):
        caffelike.load(files / "bad.bundle")
    with pytest.raises(WeightsError, match="is no bundle"):
        caffelike.load(files / "w.caffemodel")
    with pytest.raises(CaffelikeError, match="a bundle has its own weights"):
        caffelike.load(made, weights="w.caffemodel")


def test_a_failed_bundle_leaves_the_old_one(made, files):
    before = made.read_bytes()
    with pytest.raises(WeightsError):
        bundle.write(made, files / "net.prototxt", files / "labels.txt", Recipe())
    assert made.read_bytes() == before
    assert sorted(path.name for path in files.iterdir() if path.name.startswith(".")) == []


def test_a_bad_picture_is_an_answer_and_the_others_go_on(made, files):
    good, bad, none = classify(caffelike.load(made), [files / "red.png", files / "labels.txt", files / "none"], batch=3)
    assert (good.best[0].name, good.error) == ("red", "")
    assert bad.best == []
    assert "no image" in bad.error
    assert "none" in none.error


def test_pixels_are_pictures_too(made):
    (answer,) = classify(caffelike.load(made), [np.full((5, 5, 3), (0, 1.0, 0))])
    assert (answer.name, answer.best[0].name) == ("picture 0", "green")


def test_a_net_without_recipe_asks_for_one(files):
    net = caffelike.Net(files / "net.prototxt", caffelike.TEST)
    with pytest.raises(CaffelikeError, match="caffelike bundle"):
        next(classify(net, ["x"]))


def test_score_counts_each_picture_once(made, files):
    pairs = [(str(files / f"{name}.png"), i) for i, name in enumerate(COLORS)]
    found = score(caffelike.load(made), [*pairs, (pairs[0][0], 2), (str(files / "none"), 0)], batch=2)
    assert (found.pictures, found.first, found.five, len(found.errors)) == (4, 3, 4, 1)


DETECT = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 10 dim: 10 } } }
layer { name: "boxes" type: "Parameter" top: "boxes" parameter_param { shape { dim: 1 dim: 1 dim: 3 dim: 7 } } }
layer { name: "s" type: "Silence" bottom: "data" }"""


def test_detect_gives_boxes_in_pixels(tmp_path):
    (tmp_path / "net.prototxt").write_text(DETECT)
    net = caffelike.Net(tmp_path / "net.prototxt", caffelike.TEST)
    rows = [[0, 2, 0.6, 0.1, 0.2, 0.5, 0.6], [0, 1, 0.9, 0, 0, 1, 1], [0, 1, 0.2, 0, 0, 1, 1]]
    net.params["boxes"][0].data[...] = np.reshape(rows, (1, 1, 3, 7))
    (answer,) = detect(net, [np.zeros((20, 40, 3), np.uint8)], recipe=Recipe(labels=("-", "cat", "dog")))
    best, second = answer.best
    assert best == Found(1, "cat", pytest.approx(0.9), (0, 0, 40, 20))
    assert second == Found(2, "dog", pytest.approx(0.6), pytest.approx((4, 4, 20, 12)))
    with pytest.raises(CaffelikeError, match="rows of 7 numbers"):
        list(detect(net, [np.zeros((20, 40, 3), np.uint8)], recipe=Recipe(output="data")))


def test_commands(files, capsys):
    name = str(files / "cli.bundle")
    flags = ["--mean", "100", "--labels", str(files / "labels.txt")]
    assert main(["bundle", str(files / "net.prototxt"), str(files / "w.caffemodel"), name, *flags]) == 0
    assert main(["classify", name, str(files / "red.png"), "--top", "1"]) == 0
    out = capsys.readouterr().out
    assert out.endswith(f'---------- Prediction for {files / "red.png"} ----------\n0.9880 - "red"\n')
    assert main(["classify", name, str(files / "none"), str(files / "blue.png"), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["best"] == []
    assert lines[1]["best"][0]["name"] == "blue"
    net = str(files / "net.prototxt")
    assert main(["classify", net, str(files / "red.png"), "--weights", str(files / "w.caffemodel"), *flags]) == 0
    assert main(["classify", net, str(files / "red.png")]) == 1
    assert "needs weights" in capsys.readouterr().err


def test_scoring_a_bundle_from_the_command_line(made, files, capsys):
    lines = [f"{files / name}.png {i}" for i, name in enumerate(COLORS)]
    (files / "list.txt").write_text("\n".join([*lines, f"{files / 'red'}.png 0"]))
    assert main(["test", str(made), "--pictures", str(files / "list.txt")]) == 0
    err = capsys.readouterr().err
    assert "accuracy = 0.75\n" in err
    assert "accuracy_top5 = 1\n" in err


def test_detect_draws(tmp_path, capsys):
    (tmp_path / "net.prototxt").write_text(DETECT)
    net = caffelike.Net(tmp_path / "net.prototxt", caffelike.TEST)
    net.params["boxes"][0].data[0, 0, 0] = [0, 1, 0.9, 0.25, 0.25, 0.75, 0.75]
    net.save(tmp_path / "w.caffemodel")
    Image.new("RGB", (40, 40)).save(tmp_path / "p.png")
    words = ["detect", tmp_path / "net.prototxt", tmp_path / "p.png", "--weights", tmp_path / "w.caffemodel"]
    assert main([str(word) for word in [*words, "--out", tmp_path / "out"]]) == 0
    assert '0.9000 - "1" 10 10 30 30' in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "p.png") as image:
        pixels = np.asarray(image)
    assert pixels[30, 20].any()  # the box's edge
    assert not pixels[35, 35].any()
