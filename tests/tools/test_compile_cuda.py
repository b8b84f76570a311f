"""tools/compile_cuda.py: kernels compile without a GPU, where CUDA's compiler libraries are installed."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "compile_cuda.py"


def test_a_kernel_compiles_without_a_gpu():
    done = subprocess.run([sys.executable, TOOL, "relu"], capture_output=True, encoding="utf-8", check=False)
    if "DynamicLibNotFoundError" in done.stderr or "numba-cuda" in done.stderr or "libnv" in done.stdout:
        pytest.skip("CUDA's compiler libraries are not installed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "2 kernels compiled for 9.0, 0 failed.\n"
