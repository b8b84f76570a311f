import os
import subprocess
import sys

from caffelike import TEST, ahead
from caffelike.kernels import turns

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 } } }
layer { name: "y" type: "AbsVal" bottom: "x" top: "y" }
"""


def files(folder):
    return [path.name for path in folder.rglob("*.nbc")]


def start(cache, *order, **pipes):
    environment = os.environ | {"CAFFELIKE_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "2"}
    return subprocess.Popen([sys.executable, "-m", *order], env=environment, **pipes)


def second(tmp_path):
    (tmp_path / "locks").mkdir(exist_ok=True)
    (tmp_path / "net.prototxt").write_text(NET)
    order = "caffelike.ahead", str(tmp_path / "locks"), str(tmp_path / "net.prototxt"), str(TEST), "0", "", ""
    return start(tmp_path / "cache", *order, stdin=subprocess.PIPE)


def test_the_second_process_compiles_without_running(tmp_path):
    process = second(tmp_path)
    assert process.wait(60) == 0
    process.stdin.close()
    assert any("absval" in name for name in files(tmp_path / "cache"))


def test_it_ends_with_the_first(tmp_path):
    process = second(tmp_path)
    process.stdin.close()
    assert process.wait(60) == 0
    assert files(tmp_path / "cache") == []


def test_it_leaves_what_the_first_has_begun(tmp_path):
    with turns.turn("", wait=False) as mine:  # nobody else compiles
        assert mine
    turns.locks = tmp_path
    try:
        with turns.turn("f") as first, turns.turn("f", wait=False) as again:
            assert (first, again) == (True, False)
    finally:
        turns.locks = None


def test_a_command_with_an_empty_cache(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    process = start(tmp_path / "cache", "caffelike", "time", str(tmp_path / "net.prototxt"), "-iterations", "1",
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    assert process.wait(60) == 0
    assert sum("absval" in name for name in files(tmp_path / "cache")) == 2  # forward and backward, each once


def test_nothing_is_started_for_a_cache_with_kernels(tmp_path, monkeypatch):
    (tmp_path / "kernel").write_text("")
    monkeypatch.setattr(ahead.cache, "folder", tmp_path)
    with ahead.compiling("net.prototxt", TEST):
        assert turns.locks is None
