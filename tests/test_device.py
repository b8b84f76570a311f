"""Choosing a device, and what is said where none is."""

import subprocess
import sys

import pytest

import caffelike
from caffelike import device
from caffelike.errors import CaffelikeError, DeviceError

door = pytest.importorskip("caffelike.kernels.cuda.door", exc_type=DeviceError)
no_gpu = pytest.mark.skipif("cuda" in device.usable(), reason="there is a GPU here")


@no_gpu
@pytest.mark.parametrize(
    "call", [caffelike.set_mode_gpu, lambda: caffelike.set_device(0), lambda: device.named("cuda")]
)
def test_without_a_driver(call):
    with pytest.raises(CaffelikeError, match=r"no NVIDIA driver was found .* everything runs on the CPU"):
        call()
    assert device.mode() == "cpu"
    assert device.usable() == ("cpu",)


def test_without_the_extra():
    """In a process where numba-cuda cannot be found."""
    text = (
        "import importlib.util as u, caffelike\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'numba_cuda' else find(name, *more)\n"
        "try: caffelike.set_mode_gpu()\n"
        "except caffelike.CaffelikeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "The GPU needs numba-cuda, which is not installed: pip install 'caffelike[cuda]'\n"


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(door, "count", lambda: 2)
    with pytest.raises(DeviceError, match="Cannot use GPU 3: there are the GPUs 0 to 1"):
        caffelike.set_device(3)
    monkeypatch.setattr(door, "count", lambda: 1)
    with pytest.raises(DeviceError, match="Cannot use GPU 3: there is only GPU 0"):
        caffelike.set_device(3)
    monkeypatch.setattr(door, "count", lambda: 0)
    with pytest.raises(DeviceError, match="no GPU"):
        caffelike.set_mode_gpu()


@pytest.mark.parametrize("word", ["gpu0", "cpu:1", "cuda:x", "opencl"])
def test_words_that_name_no_device(word):
    with pytest.raises(DeviceError, match=f"There is no device '{word}': write cpu, cuda"):
        device.named(word)


def test_full_memory(monkeypatch):
    """The driver's answer 2 becomes an error that says how much is wanted and free."""

    class Full(Exception):
        code = 2

    def refuse(size, dtype):
        raise Full("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")

    monkeypatch.setattr(door, "CudaAPIError", Full)
    monkeypatch.setattr(door.cuda, "device_array", refuse)
    monkeypatch.setattr(door, "memory", lambda: (3 << 20, 2 << 30))
    with pytest.raises(DeviceError, match=r"4\.0 MiB are wanted, 3\.0 MiB of 2\.00 GiB are free\. Use a smaller batch"):
        door.empty(1 << 20)
