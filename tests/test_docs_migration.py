"""docs/from-pycaffe.md and docs/from-opencv.md are true: their code runs, and prints what they show."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import compat

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("from-pycaffe.md", "from-opencv.md")
DEPLOY = """name: "guide"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of a reader."""
    monkeypatch.chdir(tmp_path)
    Path("deploy.prototxt").write_text(DEPLOY)
    caffelike.Net("deploy.prototxt", caffelike.TEST).save("net.caffemodel")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.png")
    yield pixels
    compat.uninstall()


@pytest.mark.parametrize("page", PAGES)
def test_code_prints_what_is_shown(page, folder):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 8
    names = {"np": np, "image": folder}
    printed = None
    for language, text in blocks:
        if language == "python":
            assert not printed, "what a block prints is shown below it"
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(text, page, "exec"), names)
            printed = out.getvalue()
        else:
            assert text == printed
            printed = None
    assert not printed


@pytest.mark.parametrize("page", PAGES)
def test_links(page):
    targets = re.findall(r"\]\(([^)#]+)\)", (DOCS / page).read_text(encoding="utf-8"))
    assert targets
    assert all((DOCS / target).exists() for target in targets)
