import os
import subprocess
import sys

import pytest

from caffelike.kernels import cache
from caffelike.kernels.jit import with_globals

needs_owners = pytest.mark.skipif(not hasattr(os, "getuid"), reason="no file owners here")


def test_cache_folder_is_private_and_named_after_the_sources(tmp_path):
    folder = cache.open_cache(tmp_path / "a" / "b")
    assert folder is not None
    assert folder.name == f"kernels-{cache.sources_hash()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache.open_cache(tmp_path / "a" / "b") == folder


def test_old_caches_are_removed(tmp_path):
    for i in range(9):
        old = tmp_path / f"kernels-{i:016x}"
        old.mkdir()
        os.utime(old, (i, i))
    folder = cache.open_cache(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([folder.name, *(f"kernels-{i:016x}" for i in (6, 7, 8))])


@needs_owners
def test_a_cache_others_may_write_is_refused(tmp_path):
    folder = cache.open_cache(tmp_path)
    folder.chmod(0o770)
    assert cache.open_cache(tmp_path) is None


def test_no_cache_where_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    assert cache.open_cache(tmp_path / "file") is None


def test_where_caches_are_made(monkeypatch, tmp_path):
    for name in ("CAFFELIKE_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if os.name != "nt":
        assert cache.cache_base() == tmp_path / ".cache" / "caffelike"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_base() == tmp_path / "xdg" / "caffelike"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert cache.cache_base() == tmp_path / "numba" / "caffelike"
    monkeypatch.setenv("CAFFELIKE_CACHE_DIR", str(tmp_path / "own"))
    assert cache.cache_base() == tmp_path / "own"


def test_with_globals():
    def three():
        return 3 + FOUR  # noqa: F821

    assert with_globals(three, "seven", FOUR=4)() == 7


def test_importing_the_package_does_not_load_numba():
    code = "import sys, caffelike, caffelike.kernels; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_scipy_is_loaded_only_where_a_function_needs_it():
    code = """
import sys
import numba, numpy as np
from caffelike.kernels.cpu import relu
x = np.array([-2, 3], np.float32)
relu.forward(x, x, 0.5)
print(*x, "scipy.linalg" in sys.modules)
if numba.np.arraymath._HAVE_BLAS:
    print(numba.njit(lambda a: np.dot(a, a))(x), "scipy.linalg" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout in ("-1.0 3.0 False\n", "-1.0 3.0 False\n10.0 True\n")


SCRIPT = """
import numpy as np
from caffelike.kernels.cpu.columns import _walk, to_columns
columns = np.empty((2, 3), np.float32)
to_columns(np.array([[1, 2, 3, 4]], np.float32), columns, (3,), (2,), (1,), (0,), (1,))
assert columns.tolist() == [[1, 2, 3], [2, 3, 4]]
hits = sum(_walk.run.stats.cache_hits.values())
print(hits, *[one.library._shared_module.closed for one in _walk.run.overloads.values() if hits])
"""


def test_processes_may_compile_at_once_and_later_ones_find_machine_code_alone(tmp_path):
    environment = os.environ | {"CAFFELIKE_CACHE_DIR": str(tmp_path)}
    run = lambda: subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE)  # noqa: E731
    for process in [run(), run()]:
        process.communicate()
        assert process.returncode == 0
    assert run().communicate()[0] == b"1 True\n"
