"""Compiles every CUDA kernel to PTX without a GPU: what Numba's simulator, which runs Python, cannot see.

    python tools/compile_cuda.py [STEM ...]

Each kernel gets the types it gets from the examples of its layer type's tests, and from the six update rules. Needs
numba-cuda with the compiler libraries of CUDA (`pip install 'caffelike[cuda]'`), and no GPU: arrays are NumPy's, and a
launch compiles for compute capability 9.0 (or --cc) and computes nothing. Kernels that use double precision are listed:
most GPUs are slow at it.
"""

import argparse
import importlib
import re
import sys
import types
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))


class Compiler:
    """Stands where the driver stands: arrays are NumPy's, and launching means compiling."""

    def __init__(self, capability: tuple[int, int]):
        import numba.cuda.dispatcher as dispatcher

        from caffelike import device
        from caffelike.kernels.cuda import door

        self.capability = capability
        self.compiled: dict[tuple, str] = {}
        self.failed: dict[str, str] = {}
        self.doubles: set[str] = set()
        dispatcher.get_current_device = lambda: types.SimpleNamespace(compute_capability=capability)
        dispatcher.CUDADispatcher.__getitem__ = lambda kernel, _: lambda *args: self.launch(kernel, args)
        door.empty = lambda size, dtype=np.float32: np.zeros(size, dtype)
        door.upload = lambda host, array: array.__setitem__(..., host)
        door.download = lambda array, host: host.__setitem__(..., array)
        door.select = lambda number: None
        device._used = True

    def launch(self, kernel, args) -> None:
        """Compile a kernel for these arguments, once."""
        from numba import cuda
        from numba.cuda.typing.typeof import typeof

        function = kernel.py_func
        name = f"{function.__module__.removeprefix('caffelike.kernels.cuda.')}.{function.__qualname__}"
        signature = tuple(typeof(a) for a in args)
        if (function, signature) in self.compiled or name in self.failed:
            return
        try:
            ptx, _ = cuda.compile_ptx(function, signature, cc=self.capability)
        except Exception as error:
            self.failed[name] = str(error)
            return
        self.compiled[function, signature] = name
        if re.search(r"\b(?:add|mul|div|fma|cvt)\.(?:\w+\.)*f64", ptx):
            self.doubles.add(name)


def run_layers(stems: list[str]) -> None:
    """Both passes of every example of every layer type that has CUDA kernels."""
    from caffelike import device, registry
    from caffelike.testing.bench import Bench

    for name in registry.layers:
        kind = registry.layers[name]
        stem = kind.stem()
        chosen = kind.__module__.startswith("caffelike.layers.") and (not stems or stem in stems)
        if not chosen or "cuda" not in device.kernel_devices(stem):
            continue
        cases = importlib.import_module(f"layers.test_{stem}").CONTRACT
        for case in cases.get(name, []) if isinstance(cases, dict) else cases:
            definition = f'type: "{name}" {case.options}'
            bench = Bench(definition, case.shapes, case.tops, case.phase, np.float32, "cuda", inputs=case.inputs)
            tops = bench.forward()
            for beta in (0, 1):
                bench.backward(tops, beta=beta)


def run_rules() -> None:
    """An update by every rule."""
    from caffelike import device, registry
    from caffelike.layer import parameters

    for name in registry.solvers:
        stem = registry.solvers[name].__module__.rpartition(".")[2]
        update = device.kernel(stem, "update", "cuda")
        names = parameters(update)
        arrays = [np.zeros(8, np.float32) for _ in range(names.index("scale"))]
        numbers = [3 if name == "iteration" else np.float32(0.5) for name in names[names.index("scale") :]]
        bool(update(*arrays, *numbers))
    device.kernel("norm", "squared_norm", "cuda")(np.zeros(20000, np.float32))


def main() -> int:
    """Compile, and say what came of it; 1 if a kernel does not compile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stems", nargs="*", help="files of kernels/cuda, without .py; all if none is named")
    parser.add_argument("--cc", default="9.0", help="compute capability of the GPU to compile for")
    given = parser.parse_args()
    compiler = Compiler(tuple(map(int, given.cc.split("."))))
    run_layers(given.stems)
    if not given.stems:
        run_rules()
    print(f"{len(compiler.compiled)} kernels compiled for {given.cc}, {len(compiler.failed)} failed.")
    if compiler.doubles:
        print("Double precision in:", ", ".join(sorted(compiler.doubles)))
    for name, error in compiler.failed.items():
        print(f"\n{name}:\n{error}")
    return 1 if compiler.failed else 0


if __name__ == "__main__":
    sys.exit(main())
