"""--plugin: modules that cannot be imported, and errors in a plug-in's own code, are told as such."""

import importlib

import pytest

LAYER = """
from caffelike import register_layer
from caffelike.layer import Layer

@register_layer("{name}")
class {name}(Layer):
    def reshape(self, x):
        return [x]

def forward(x, y):
    raise ValueError("no squares today")
"""
NET = 'input: "x" input_shape {{ dim: 2 }} layer {{ name: "l" type: "{name}" bottom: "x" top: "y" }}'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # restores the path, which --plugin adds the working folder to
    return tmp_path


def write(folder, name, text):
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()


def test_a_module_that_is_not_there(run):
    result = run("layers", "--plugin", "no_such_plugin")
    assert result.code == 1
    assert "No module named 'no_such_plugin' for --plugin no_such_plugin: run from its folder" in result.err


def test_a_file_name_instead_of_a_module(run, folder):
    write(folder, "plug_named", "")
    assert "Write plug_named, without .py." in run("layers", "--plugin", "plug_named.py").err


def test_a_module_that_does_not_run(run, folder):
    write(folder, "plug_broken", "x = 1\ny = x / 0\n")
    result = run("--plugin=plug_broken", "layers")
    assert result.code == 1
    assert f"--plugin plug_broken: {folder / 'plug_broken.py'}:2: ZeroDivisionError: division by zero" in result.err
    write(folder, "plug_missing", "import no_such_library\n")
    assert (
        "plug_missing.py:1: ModuleNotFoundError: No module named 'no_such_library'"
        in run("layers", "--plugin", "plug_missing").err
    )
    write(folder, "plug_typo", "def f(:\n")
    assert "plug_typo.py, line 1" in run("layers", "--plugin", "plug_typo").err


def test_an_error_in_its_code_is_not_called_a_bug_of_ours(run, folder):
    write(folder, "plug_raises", LAYER.format(name="Raises"))
    (folder / "net.prototxt").write_text(NET.format(name="Raises"))
    result = run("time", "net.prototxt", "--plugin", "plug_raises")
    assert result.code == 1
    assert result.err.splitlines()[-1] == (
        f"caffelike: error: {folder / 'plug_raises.py'}:11: ValueError: no squares today"
    )


def test_a_module_called_like_a_layer_of_ours_keeps_its_own_code(run, folder):
    write(folder, "sigmoid", LAYER.format(name="MySigmoid"))  # whose kernel is caffelike/kernels/cpu/sigmoid.py
    (folder / "net.prototxt").write_text(NET.format(name="MySigmoid"))
    assert "no squares today" in run("time", "net.prototxt", "--plugin", "sigmoid").err
