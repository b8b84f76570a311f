"""Every registered layer type meets the contract of caffelike.testing, on the examples its own test file lists."""

import importlib

import numpy as np
import pytest

from caffelike import device, registry
from caffelike.layer import HostLayer
from caffelike.testing import check_kernel, check_layer


def cases_of(module, type_name):
    """A test file's CONTRACT: a list, or where a file has several types a list for each of them."""
    contract = getattr(module, "CONTRACT", [])
    return contract.get(type_name, []) if isinstance(contract, dict) else contract


TYPES = [n for n in registry.layers if registry.layers[n].__module__.startswith("caffelike.layers.")]  # no plug-ins
CASES = []
for name in TYPES:
    try:
        module = importlib.import_module(f"layers.test_{registry.layers[name].stem()}")
    except ModuleNotFoundError:
        continue  # test_no_type_is_missed says so
    CASES += [(name, case) for case in cases_of(module, name)]


@pytest.mark.parametrize(
    ("type_name", "case"), [pytest.param(*pair, id=f"{pair[0]} {pair[1].options} {pair[1].shapes}") for pair in CASES]
)
def test_contract(type_name, case):
    check_layer(type_name, **vars(case))


BRIEF, MOST = 24, 300  # numbers in the bottoms above which a simulator takes too long for the whole contract, or at all


def _size(case):
    return sum(int(np.prod(shape)) for shape in case.shapes)


def gpu_cases():
    """Every example of a type with CUDA kernels; where a simulator runs them the small ones, and the smallest."""
    for name in TYPES:
        cases = [case for other, case in CASES if other == name]
        if "cuda" not in device.kernel_devices(registry.layers[name].stem()):
            continue
        if device.simulated():
            cases = [case for case in cases if _size(case) <= MOST] or sorted(cases, key=_size)[:1]
        yield from (pytest.param(name, case, id=f"{name} {case.options} {case.shapes}") for case in cases)


@pytest.mark.gpu
@pytest.mark.parametrize(("type_name", "case"), list(gpu_cases()))
def test_contract_on_the_gpu(type_name, case):
    check_kernel(type_name, "cuda", brief=device.simulated() and _size(case) > BRIEF, **vars(case))


def test_no_type_is_missed():
    """A type that works on blobs itself (data, Python, ...) has its own tests instead."""
    checked = {name for name, _ in CASES}
    missing = [n for n in TYPES if n not in checked and not issubclass(registry.layers[n], HostLayer)]
    assert not missing, f"no CONTRACT in the test files of {missing}"
