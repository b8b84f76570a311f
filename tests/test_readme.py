"""README.md is true: its code runs, and it shows what is printed."""

import contextlib
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import hub

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def code(word: str) -> str:
    """The one Python block that contains `word`."""
    (found,) = [text for language, text in BLOCKS if language == "python" and word in text]
    return found


def shown(word: str) -> str:
    """The one block of printed text that contains `word`."""
    (found,) = [text for language, text in BLOCKS if not language and word in text]
    return found


def execute(text: str) -> str:
    """Run a block; what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "README.md", "exec"), {})
    return printed.getvalue()


def without_numbers(text: str) -> str:
    """What must be equal on every machine: the last bits of a training may differ with the processor."""
    return re.sub(r"\b\d+(\.\d+)?\b", "#", text)


def test_every_block_is_tested_here():
    assert [language for language, _ in BLOCKS] == ["", "python", "", "python"]


def test_what_make_demo_prints(demo):
    models = os.path.relpath(hub.root(), demo.folder / "demo-output")
    lines = shown("$ make demo").splitlines()
    assert lines[0] == "$ make demo"
    assert without_numbers("\n".join(lines[1:])) == without_numbers(demo.printed.replace(models, "../models").rstrip())


def test_picture_is_there():
    (path,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    with Image.open(ROOT / path) as picture:
        assert picture.size == (1000, 520)


def test_classifying_a_digit(demo, monkeypatch):
    monkeypatch.chdir(demo.folder)
    text = code("demo-output")
    assert len([line for line in text.splitlines() if line.strip()]) <= 10
    printed = execute(text)
    assert re.fullmatch(r"a \d, with probability [01]\.\d+\n", printed)
    assert printed.split(",")[0] == shown("with probability").split(",")[0]


def test_classifying_a_photograph(tmp_path, monkeypatch):
    """With weights of the published shapes, but random ones."""
    monkeypatch.chdir(tmp_path)
    net = caffelike.load("alexnet")
    rng = np.random.default_rng(0)
    net.params["fc8"][1].data[...] = order = rng.permutation(1000) / 100
    net.save("bvlc_alexnet.caffemodel")
    Image.fromarray(rng.integers(0, 256, (300, 400, 3), np.uint8)).save("photo.jpg")
    # The other weights are zero: the five likeliest classes are those with the largest bias.
    assert execute(code("bvlc_alexnet")) == f"{order.argsort()[:-6:-1]}\n"


def test_published_hash_is_told():
    assert hub.facts(hub.find("alexnet"))["sha1"] in README


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_links(target):
    assert target.startswith("https://") or (ROOT / target).exists()


def test_commands_exist():
    """The table of commands, in order, names none that is gone."""
    from caffelike.cli import cli

    listed = re.findall(r"^\| `caffelike (\w+)", README, re.MULTILINE)
    assert listed == sorted(listed)
    assert {"demo", "summary", "train", "test", "time"} <= set(listed) <= set(cli.list_commands())


def test_make_test_runs_what_readme_says():
    makefile = (ROOT / "Makefile").read_text()
    rules = re.search(r"^test:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert rules
    steps = [Path(line.split()[0]).name for line in rules[1].splitlines()]
    assert steps == ["ruff", "ruff", "mypy", "lint-imports", "python", "mkdocs", "pytest"]
