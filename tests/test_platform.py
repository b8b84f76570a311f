"""What differs between operating systems."""

import subprocess
import sys
from pathlib import Path

import pytest

from caffelike import platform


def test_cache_base_prefers_the_nearest_variable(monkeypatch, tmp_path):
    for name in ("CAFFELIKE_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert platform.cache_base().name == "caffelike"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert platform.cache_base() == tmp_path / "xdg" / "caffelike"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert platform.cache_base() == tmp_path / "numba" / "caffelike"
    monkeypatch.setenv("CAFFELIKE_CACHE_DIR", str(tmp_path / "own"))
    assert platform.cache_base() == tmp_path / "own"


def test_private_folder(tmp_path):
    folder = tmp_path / "a" / "b"
    assert platform.private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert not platform.private_folder(folder)
    (tmp_path / "file").write_text("")
    assert not platform.private_folder(tmp_path / "file" / "below")


def test_only_one_process_at_a_time(tmp_path):
    """Another process that wants the same lock waits until it is free."""
    code = (
        "import sys; from pathlib import Path; from caffelike import platform\n"
        "with platform.only_one_process(Path(sys.argv[1])): print('in', flush=True)"
    )
    with platform.only_one_process(tmp_path / "lock"):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
        )
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
    assert other.communicate(timeout=30)[0] == "in\n"
    assert other.returncode == 0


def test_no_other_module_asks_for_the_system():
    """Platform-dependent code has one home."""
    package = Path(platform.__file__).parent
    words = ("sys.platform", "os.name", "os.uname", "fcntl", "msvcrt", "getuid")
    for path in package.rglob("*.py"):
        if path != Path(platform.__file__):
            found = [word for word in words if word in path.read_text(encoding="utf-8")]
            assert not found, f"{path.relative_to(package)} uses {found}; put it into platform.py"
