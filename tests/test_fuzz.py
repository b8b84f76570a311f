"""tools/fuzz.py: a few seconds of it for every kind of file, and that it notices what it looks for."""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "fuzz.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and resource limits")


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz"]


def run(*words, cwd):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300, cwd=cwd, check=False)


def test_damaged_files_of_every_kind(tmp_path):
    result = run(TOOL, "--runs", "40", "--seed", "1", "--keep", tmp_path / "keep", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("40 files from") == 10
    assert not (tmp_path / "keep").exists()


# A kind whose reader does what the file says.
BROKEN = """
import os, sys, time
sys.path.insert(0, {tools!r})
import fuzz
from caffelike.errors import CaffelikeError
def read(path):
    word = path.read_bytes()
    if word == b"crash": os.kill(os.getpid(), 11)
    if word == b"hang": time.sleep(60)
    if word == b"memory": bytearray(3 << 30)
    if word == b"other": raise ValueError("not ours")
    if word == b"ours": raise CaffelikeError("ours")
fuzz.SLOWEST = 1
fuzz.cases = lambda kind, seeds, seed, start: ((n, seeds[n]) for n in range(start, 5))
fuzz.KINDS = [fuzz.Kind("broken", lambda folder: [b"ours", b"crash", b"hang", b"memory", b"other"], read)]
sys.argv = ["fuzz.py", "--runs", "5", "--keep", "keep"]
sys.exit(fuzz.main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_failures_are_noticed_and_kept(tmp_path):
    result = run("-c", BROKEN.format(tools=str(TOOL.parent)), cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    kept = {path.name: path.read_text() for path in (tmp_path / "keep").iterdir()}
    assert {name for name in kept if not name.endswith(".txt")} == {f"broken_{n}" for n in (1, 2, 3, 4)}
    assert (kept["broken_1"], kept["broken_1.txt"]) == ("crash", "crashed with signal 11")
    assert kept["broken_2.txt"] == "took more than 1 s"
    assert "MemoryError" in kept["broken_3.txt"]
    assert "ValueError: not ours" in kept["broken_4.txt"]
    assert result.stdout.splitlines()[-1].startswith("broken: 5 files from 5 good ones")
    assert result.stdout.splitlines()[-1].endswith("4 failed")


def test_the_same_seed_makes_the_same_files(fuzz):
    for kind in (fuzz.KINDS[0], fuzz.KINDS[1]):
        seeds = [fuzz.OLD_NET.encode(), fuzz.EVERY_TYPE.encode()]
        one, two, other = (fuzz.cases(kind, seeds, seed, start) for seed, start in ((1, 3), (1, 3), (2, 3)))
        first = [next(one) for _ in range(5)]
        assert first == [next(two) for _ in range(5)]
        assert first != [next(other) for _ in range(5)]
        assert [number for number, _ in first] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("damage", ["damaged_text", "damaged_bytes"])
def test_damage_takes_empty_files(fuzz, damage):
    for seed in range(100):
        assert isinstance(getattr(fuzz, damage)(b"", b"a: 1", random.Random(seed)), bytes)


def test_the_good_files_are_good(fuzz, tmp_path, monkeypatch):
    from caffelike.check import check

    monkeypatch.chdir(tmp_path)
    for name, text in {"net.prototxt": fuzz.EVERY_TYPE, "solver": fuzz.SOLVER}.items():
        (tmp_path / name).write_text(text)
    assert check("net.prototxt") == []
    kinds = [kind for kind in fuzz.KINDS if not kind.text and kind.name != "net bytes"]
    for kind in kinds:
        for data in kind.seeds(tmp_path):
            (tmp_path / "file").write_bytes(data)
            kind.read(tmp_path / "file")
