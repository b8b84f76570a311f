"""What is installed: the wheel's contents, the command in a clean environment, an import that costs little."""

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import caffelike

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, **options) -> str:
    """The command's stdout; its stderr is in the failure if it fails."""
    done = subprocess.run([str(c) for c in command], capture_output=True, encoding="utf-8", **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_carries_models_and_schema(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    for path in ROOT.glob("models/*/*"):
        assert f"caffelike/{path.relative_to(ROOT)}" in held
    for path in ("py.typed", "schema/caffelike.desc", "schema/forks.json", "kernels/cpu/gemm.py", "cli/demo.py"):
        assert f"caffelike/{path}" in held
    assert not [name for name in held if name.startswith(("tests/", "tools/", "proto/")) or "__pycache__" in name]
    assert wheel.name == f"caffelike-{caffelike.__version__}-py3-none-any.whl"


def test_wheel_says_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = f"caffelike-{caffelike.__version__}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        assert "caffelike = caffelike.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
        assert {"LICENSE", "NOTICE"} == {Path(n).name for n in archive.namelist() if f"{info}/licenses/" in n}
    needed = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata, re.MULTILINE)
    assert sorted(n.lower() for n in needed) == [
        "click",
        "h5py",
        "lmdb",
        "numba",
        "numpy",
        "pillow",
        "protobuf",
        "rich",
    ]
    assert "Requires-Python: >=3.11\n" in metadata
    assert "License-Expression: BSD-2-Clause\n" in metadata


@pytest.mark.slow
def test_clean_environment(wheel, tmp_path):
    """Installed with nothing but what it asks for, away from the checkout, the command works."""
    venv.create(tmp_path / "env")
    binaries = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    pip = (sys.executable, "-m", "pip", "--python", binaries / "python")
    run(*pip, "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    outside = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    outside["CAFFELIKE_CACHE_DIR"] = str(tmp_path / "cache")

    def caffelike_(*arguments: str) -> str:
        return run(binaries / "caffelike", *arguments, cwd=tmp_path, env=outside)

    assert caffelike_("--version") == f"caffelike version {caffelike.__version__}\n"
    assert re.search(r"^ +total +431,080 ", caffelike_("summary", "lenet"), re.MULTILINE)
    forward = "import caffelike; net = caffelike.load('lenet'); print(net.forward()['prob'].shape, caffelike.__file__)"
    printed = run(binaries / "python", "-c", forward, cwd=tmp_path, env=outside)
    assert printed.startswith("(64, 10) ")
    assert str(tmp_path) in printed


def test_one_version_number():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert re.fullmatch(r"0\.\d+\.\d+", caffelike.__version__)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == caffelike.__version__


def test_import_is_cheap():
    """`import caffelike` loads nothing that takes long; names load what they need when they are first used."""
    heavy = ("numba", "llvmlite", "h5py", "PIL", "rich", "lmdb", "click", "google.protobuf", "numpy")
    code = f"import caffelike, sys; print(*[m for m in {heavy} if m in sys.modules])"
    assert run(sys.executable, "-c", code).split() == []


def test_public_names_exist():
    for name in caffelike.__all__:
        assert getattr(caffelike, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nte'"):
        _ = caffelike.Nte
