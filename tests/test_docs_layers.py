"""docs/layers.md is true: its files are written, imported, trained with and checked as it says."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import caffelike
from caffelike.cli import main
from caffelike.errors import ModelError
from caffelike.layer_catalog import entry
from caffelike.testing import check_layer

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "layers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FILES = {m[1]: text for _, text in BLOCKS if (m := re.match(r"# (\w+\.py)\n", text))}
SCRIPTS = [text for language, text in BLOCKS if language == "python" and text not in FILES.values()]
SHOWN = [text for language, text in BLOCKS if not language]

NET = """force_backward: true
layer {{ name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param {{ shape {{ dim: 8 dim: 3 }} shape {{ dim: 8 }} data_filler {{ type: "gaussian" }}
                     data_filler {{ type: "constant" }} }} }}
layer {{ name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param {{ num_output: 4 weight_filler {{ type: "xavier" }} }} }}
{layer}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "loss" }}
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 3 display: 1 snapshot_prefix: "squash"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working folder of someone who does what the guide says."""
    folder = tmp_path_factory.mktemp("guide")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "net.prototxt").write_text(NET.format(layer=SHOWN[0]))
    (folder / "solver.prototxt").write_text(SOLVER)
    path = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        yield folder
    sys.path[:] = path


def test_every_block_is_known_here():
    assert list(FILES) == ["squash.py", "gate.py", "squash_cpu.py"]
    assert (len(SCRIPTS), len(SHOWN)) == (2, 2)


def test_ten_lines():
    lines = [line for line in FILES["squash.py"].splitlines()[1:] if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 10


def test_training_from_the_command_line(folder, capsys):
    (command,) = re.findall(r"^\$ caffelike (.*)$", SHOWN[1], re.MULTILINE)
    assert main(command.split()) == 0, capsys.readouterr().err
    assert "Iteration 2" in capsys.readouterr().err
    assert (folder / "squash_iter_3.caffemodel").exists()
    for other in (["time", "net.prototxt", "--iterations", "1"], ["summary", "net.prototxt"], ["layers", "Squash"]):
        assert main([*other, "--plugin", "squash"]) == 0, capsys.readouterr().err
    assert "default 1.0" in capsys.readouterr().out


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts(folder, script):
    names: dict = {}
    exec(compile(script, "docs/layers.md", "exec"), names)
    if "net" in names:
        assert np.abs(names["net"].forward()["loss"]) > 0


def test_its_kernel_is_used_and_checked(folder, monkeypatch):
    import squash
    import squash_cpu

    from caffelike.graph.place import HOST

    assert HOST.function(squash.Squash, "forward") is squash_cpu.forward
    assert HOST.function(squash.Squash, "backward") is squash.backward
    assert entry("Squash").kernels == ("NumPy", "CPU")
    monkeypatch.setattr(squash_cpu, "forward", lambda x, y, strength: np.copyto(y, x))
    from caffelike import device

    device._kernel.cache_clear()
    with pytest.raises(AssertionError, match="the cpu kernel with bottoms"):
        check_layer("Squash", shapes=[(2, 3)])
    monkeypatch.undo()
    device._kernel.cache_clear()


def test_a_layer_with_weights(folder):
    import gate  # noqa: F401

    check_layer("Gate", "gate_param { start: 0.5 }", [(2, 3, 5)])
    check_layer("Gate", shapes=[(2, 3)])
    with pytest.raises(ModelError, match=r"Layer 'layer' \(Gate\): needs a bottom"):
        check_layer("Gate", shapes=[(3,)])


def test_an_unknown_type_leads_here(folder):
    Path("other.prototxt").write_text('layer { name: "s" type: "Sqash" top: "s" }')
    with pytest.raises(ModelError, match=r"docs/layers\.md"):
        caffelike.Net("other.prototxt", caffelike.TEST)


def test_messages_of_forks_are_known():
    (field,) = re.findall(r'param="(mat_\w+)"', TEXT)
    from caffelike.schema import LayerParameter

    assert field in LayerParameter.DESCRIPTOR.fields_by_name


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", TEXT))
def test_links(target):
    assert (DOCS / target).exists()
