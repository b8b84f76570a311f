"""`caffelike device_query`: here there is no GPU, so what one answers is written down."""

import json

import pytest

from caffelike import device

door = pytest.importorskip("caffelike.kernels.cuda.door", exc_type=device.DeviceError)

H200 = {
    "Device id": 0,
    "Major revision number": 9,
    "Name": "NVIDIA H200",
    "Maximum dimension of block": (1024, 1024, 64),
    "Concurrent copy and execution": True,
    "Kernel execution timeout": False,
}


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(door, "count", lambda: 1)
    monkeypatch.setattr(door, "properties", lambda number: H200 | {"Device id": number})


no_gpu = pytest.mark.skipif("cuda" in device.usable(), reason="there is a GPU here")


@no_gpu
@pytest.mark.parametrize("argv", [("test", "n", "w", "-gpu", "0"), ("device_query", "-gpu", "all")])
def test_asked_for_a_gpu_that_is_not_there(run, argv):
    result = run(*argv)
    assert (result.code, result.out) == (1, "")
    assert "caffelike: error: Cannot use GPU: no NVIDIA driver was found" in result.err


@no_gpu
def test_without_a_gpu_it_says_why_and_what_the_cpu_has(run):
    result = run("device-query")
    assert result.code == 0
    assert result.err.endswith("caffe.cpp:115] Querying GPUs \n")
    why, cpu, *_ = result.out.splitlines()
    assert why.startswith("No GPU: Cannot use GPU: no NVIDIA driver was found")
    assert cpu.startswith("CPU:                           ")
    answer = json.loads(run("device_query", "--json").out)
    assert answer["gpus"] == []
    assert answer["cpu"]["Threads used by kernels"] >= 1
    assert answer["no_gpu"] == why.removeprefix("No GPU: ")


def test_lines_of_a_gpu(run, gpu):
    result = run("device_query", "-gpu", "0")
    assert (result.code, result.out) == (0, "")
    lines = [line.partition("] ")[2] for line in result.err.splitlines()]
    assert lines == [
        "Querying GPUs 0",
        "Device id:                     0",
        "Major revision number:         9",
        "Name:                          NVIDIA H200",
        "Maximum dimension of block:    1024, 1024, 64",
        "Concurrent copy and execution: Yes",
        "Kernel execution timeout:      No",
    ]
    assert json.loads(run("device_query", "--json").out)["gpus"][0]["Name"] == "NVIDIA H200"


def test_what_is_no_number(run, gpu):
    result = run("device_query", "-gpu", "one")
    assert result.code == 1
    assert "-gpu takes the numbers of GPUs" in result.err
