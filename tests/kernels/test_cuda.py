"""What CUDA kernels are made of, at sizes for which a block of threads works together; and which kernels there are."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

import caffelike
from caffelike import device, registry
from caffelike.errors import DeviceError
from caffelike.layer import HostLayer

PASSES = {"forward", "backward", "update"}
KERNELS = Path(caffelike.__file__).parent / "kernels"


def on_device(*arrays):
    return [device.use().on_device(np.asarray(a, np.float32)) for a in arrays]


@pytest.mark.gpu
@pytest.mark.parametrize(("rows", "columns", "terms"), [(17, 9, 5), (16, 8, 1), (18, 1, 3), (16, 3, 0)])
@pytest.mark.parametrize("add", [False, True])
def test_products_in_tiles(rows, columns, terms, add):
    from caffelike.kernels.cuda.matrix import multiply
    from caffelike.kernels.cuda.product import _FEW

    assert rows >= _FEW  # fewer are done by one thread each, as in the layers' own tests
    generator = np.random.default_rng(0)
    a, b, c = (generator.standard_normal(s) for s in ((rows, terms), (terms, columns), (rows, columns)))
    left, right, to = on_device(a.ravel(), b.ravel(), c.ravel())
    multiply(left, right, to, (rows, columns, terms), (terms, 1, columns, 1), add=add)
    got = device.use().on_host(to).reshape(rows, columns)
    np.testing.assert_allclose(got, a @ b + (c if add else 0), 1e-5, 1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("terms", [64, 65, 129])
@pytest.mark.parametrize("beta", [0, 1])
def test_sums_by_blocks(terms, beta):
    from caffelike.kernels.cuda.spread import sums

    values = np.random.default_rng(0).standard_normal((terms, 3))
    large, to = on_device(values, [1, 2, 3])
    sums(large, None, to, to, 1, beta)
    want = values.sum(axis=0) + (np.arange(1, 4) if beta else 0)
    np.testing.assert_allclose(device.use().on_host(to), want, 1e-5, 1e-5)


# Types that have no CUDA kernels, and why: in a net on the GPU they run on the CPU, and their blobs are copied.
SEQUENTIAL = "goes from one box, symbol or item to the next, once for a batch"
LATTICE = "its permutohedral lattice is a hash table that grows"
RARE = "no published net spends time in it"
ON_THE_CPU = {
    "box_annotator_ohem": SEQUENTIAL,
    "continuation_indicator": RARE,
    "ctc_decoder": SEQUENTIAL,
    "ctc_loss": SEQUENTIAL,
    "dense_crf": LATTICE,
    "eval_detection": SEQUENTIAL,
    "im_resize": RARE,
    "jmmd_loss": RARE,
    "margin_inner_product": RARE,
    "maximum": RARE,
    "mmd_loss": RARE,
    "multi_box_loss": SEQUENTIAL,
    "multi_stage_meanfield": LATTICE,
    "nms": SEQUENTIAL,
    "region_loss": SEQUENTIAL,
    "seg_accuracy": RARE,
    "segmentation_evaluate": RARE,
    "transform_accuracy": RARE,
    "transform_softmax_with_loss": RARE,
    "yolo_seg": SEQUENTIAL,
    "yolov3": SEQUENTIAL,
}


def functions(path):
    """The parameters of each public function of a source file, by name; a file that is not there has none."""
    body = ast.parse(path.read_text()).body if path.exists() else []
    found = [node for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {node.name: [a.arg for a in (*node.args.args, *node.args.kwonlyargs)] for node in found}


def stems():
    """Every definition that could have a kernel: (its stem, the file of the definition)."""
    types = [registry.layers[n] for n in registry.layers] + [registry.solvers[n] for n in registry.solvers]
    inside = {t for t in types if t.__module__.startswith("caffelike.") and not issubclass(t, HostLayer)}
    for module in sorted({t.__module__ for t in inside}):
        yield module.rpartition(".")[2], Path(sys.modules[module].__file__)


@pytest.mark.parametrize(("stem", "definition"), [pytest.param(*pair, id=pair[0]) for pair in stems()])
def test_twins(stem, definition):
    """What has a kernel for the CPU has one for the GPU, and that takes what the definition takes."""
    cpu, cuda = (KERNELS / f"{where}/{stem}.py" for where in ("cpu", "cuda"))
    wanted, got = ({n: p for n, p in functions(file).items() if n in PASSES} for file in (definition, cuda))
    if stem in ON_THE_CPU:
        assert not got, f"{stem} has CUDA kernels: take it out of ON_THE_CPU"
    elif functions(cpu).keys() & PASSES or got:
        assert got == wanted


def test_the_guide_names_what_stays_on_the_cpu():
    assert ON_THE_CPU.keys() <= {stem for stem, _ in stems()}
    guide = KERNELS.parent.parent / "docs/cuda.md"
    if not guide.exists():
        pytest.skip("the guide is not installed")
    table = [line for line in guide.read_text().splitlines() if line.startswith("| ")]
    named = {name.strip() for line in table for name in line.split("|")[1].split(",")}
    inside = {n: registry.layers[n].stem() for n in registry.layers}
    assert {n for n, stem in inside.items() if stem in ON_THE_CPU} <= named
    assert not [n for n in named & inside.keys() if "cuda" in device.kernel_devices(inside[n])]


def test_what_is_known_of_a_gpu(monkeypatch):
    """Caffe's eighteen lines, from attributes that the driver's list has."""
    door = pytest.importorskip("caffelike.kernels.cuda.door", exc_type=DeviceError)
    driver = pytest.importorskip("cuda.bindings.driver")

    class Gpu:
        name, compute_capability = b"NVIDIA H200", (9, 0)

        def __getattr__(self, name):
            return getattr(driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}").value

    monkeypatch.setattr(door, "SIMULATED", False)
    monkeypatch.setattr(door, "select", lambda number: None)
    monkeypatch.setattr(door, "memory", lambda: (1 << 30, 2 << 30))
    monkeypatch.setattr(door.cuda, "get_current_device", Gpu)
    found = door.properties(1)
    assert list(found)[:5] == [
        "Device id",
        "Major revision number",
        "Minor revision number",
        "Name",
        "Total global memory",
    ]
    assert list(found.values())[:5] == [1, 9, 0, "NVIDIA H200", 2 << 30]
    assert list(found)[5:] == [
        "Total shared memory per block",
        "Total registers per block",
        "Warp size",
        "Maximum memory pitch",
        "Maximum threads per block",
        "Maximum dimension of block",
        "Maximum dimension of grid",
        "Clock rate",
        "Total constant memory",
        "Texture alignment",
        "Concurrent copy and execution",
        "Number of multiprocessors",
        "Kernel execution timeout",
    ]
    assert found["Maximum dimension of block"] == (2, 3, 4)


@pytest.mark.skipif(not device.simulated(), reason="for Numba's simulator")
@pytest.mark.gpu
def test_a_thread_that_fails_ends_its_block(monkeypatch):
    from caffelike.kernels.cuda import door

    def fails(array):
        if cuda.threadIdx.x == 1:  # noqa: F821, a global of this file as it is of files with kernels
            array[7] = 1
        cuda.syncthreads()  # noqa: F821

    monkeypatch.setitem(fails.__globals__, "cuda", door.cuda)

    with pytest.raises(IndexError, match=r"tid=\[1, 0, 0\]"):
        door.kernel(fails)(1, 2, *on_device(np.zeros(3)))
