"""The tables of `caffelike summary --style` beside what the papers print."""

import json
from pathlib import Path

import pytest

from caffelike.cli import main
from caffelike.errors import CaffelikeError
from caffelike.schema import TEST
from caffelike.summary import build_without_data
from caffelike.tools.paper_tables import table

MODELS = Path(__file__).parents[2] / "models"


def of(model, style):
    return table(build_without_data(MODELS / model / "deploy.prototxt", TEST), style)


def test_alexnets_neurons_and_parameters():
    found = of("alexnet", "krizhevsky")
    # The paper's first number is 253,440; 55 x 55 x 96 are 290,400.
    assert [row[4] for row in found.rows] == [290400, 186624, 64896, 64896, 43264, 4096, 4096, 1000]
    assert [row[2] for row in found.rows] == [1, 2, 1, 2, 2, 1, 1, 1]
    assert sum(row[5] for row in found.rows) == pytest.approx(60e6, rel=0.02)


@pytest.mark.parametrize(
    ("model", "millions"),
    [("vgg11", 133), ("vgg16c", 134), ("vgg19", 144)],
)
def test_vggs_columns(model, millions):
    found = of(model, "simonyan")
    assert sum(row[2] for row in found.rows) / 1e6 == pytest.approx(millions, abs=0.5)
    assert sum(not row[0].startswith("max") for row in found.rows) == int(model[3:5])
    assert {row[0] for row in found.rows} >= {"conv3-64", "conv3-512", "maxpool", "FC-4096", "FC-1000"}


# What the paper prints: thousands of parameters, millions of operations.
PRINTED = {
    "3a": (159, 128), "3b": (380, 304), "4a": (364, 73), "4b": (437, 88), "4c": (463, 100), "4d": (580, 119),
    "4e": (840, 170), "5a": (1072, 54), "5b": (1388, 71),
}  # fmt: skip
WRONG = {"4c": 498, "5a": 1018}  # what its own widths give


def number(text):
    return float(text[:-1])


def test_googlenets_table():
    found = of("googlenet", "szegedy")
    rows = {row[0]: row for row in found.rows}
    for module, (parameters, operations) in PRINTED.items():
        row = rows[f"inception ({module})"]
        assert number(row[10]) == pytest.approx(WRONG.get(module, parameters), rel=0.02)
        assert number(row[11]) == pytest.approx(51 if module == "5a" else operations, abs=1)
    assert rows["inception (3a)"][2:10] == ["28x28x256", 2, 64, 96, 128, 16, 32, 32]
    assert [row[10:12] for row in found.rows if row[0] == "convolution"] == [["9.2K", "118M"], ["112K", "360M"]]
    assert rows["linear"][10] == "1000K"


@pytest.mark.parametrize(("layers", "billions"), [(18, 1.8), (34, 3.6), (50, 3.8), (101, 7.6), (152, 11.3)])
def test_resnets_operations(layers, billions):
    found = of(f"resnet{layers}", "he")
    assert sum(row[4] for row in found.rows) / 1e9 == pytest.approx(billions, abs=0.07)
    blocks = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[layers]
    assert tuple(int(row[2].split(" x ")[1]) for row in found.rows if row[0].endswith("_x")) == blocks


@pytest.mark.parametrize(("layers", "blocks"), [(121, (6, 12, 24, 16)), (169, (6, 12, 32, 32)), (201, (6, 12, 48, 32))])
def test_densenets_blocks(layers, blocks):
    found = of(f"densenet{layers}", "huang")
    texts = [row[2] for row in found.rows if row[0].startswith("dense")]
    assert texts == [f"[1x1, 128; 3x3, 32] x {n}" for n in blocks]


def test_a_changed_width_moves_the_table(tmp_path):
    text = (MODELS / "alexnet" / "deploy.prototxt").read_text()
    path = tmp_path / "wider.prototxt"
    path.write_text(text.replace("num_output: 96", "num_output: 98", 1))
    rows = table(build_without_data(path, TEST), "krizhevsky").rows
    assert rows[0][4] == 55 * 55 * 98
    assert rows[1][5] == 256 * 49 * 25 + 256


def test_three_small_windows_see_as_much_as_one_large_one(tmp_path):
    path = tmp_path / "stack.prototxt"
    conv = 'layer {{ name: "c{0}" type: "Convolution" bottom: "{1}" top: "c{0}" convolution_param {{'
    conv += " num_output: 8 kernel_size: {2} }} }}"
    data = 'input: "x" input_shape { dim: 1 dim: 8 dim: 32 dim: 32 } '
    path.write_text(data + " ".join(conv.format(i, f"c{i - 1}" if i else "x", 3) for i in range(3)))
    stacked = table(build_without_data(path, TEST), "simonyan").rows
    path.write_text(data + conv.format(0, "x", 7))
    single = table(build_without_data(path, TEST), "simonyan").rows
    assert stacked[-1][3] == single[-1][3] == 7
    assert sum(row[2] - 8 for row in stacked) == 27 * 64
    assert sum(row[2] - 8 for row in single) == 49 * 64
    assert table(build_without_data(MODELS / "alexnet" / "deploy.prototxt", TEST), "krizhevsky").rows[0][6] == 11


def test_command(capsys):
    path = str(MODELS / "googlenet" / "deploy.prototxt")
    assert main(["summary", path, "--style", "szegedy"]) == 0
    assert "inception (3a)" in capsys.readouterr().out
    assert main(["summary", path, "--style", "szegedy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["columns"][0] == "type"
    with pytest.raises(CaffelikeError, match="there are krizhevsky"):
        of("alexnet", "knuth")
