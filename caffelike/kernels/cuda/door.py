"""The one door to CUDA: nothing else in caffelike imports `numba.cuda`, so another compiler could stand behind it.

Importing this module needs the extra `caffelike[cuda]` and raises DeviceError with the pip line where it is missing.
With NUMBA_ENABLE_CUDASIM=1 in the environment Numba's simulator runs the kernels in Python, without a GPU: that is how
the tests run them. How to write a kernel:

    from caffelike.kernels.cuda.door import task

    @task
    def _scale(i, x, y, factor):                      # does item i; compiled for the GPU
        y[i] = x[i] * factor

    def forward(x, y, factor):                        # plain Python: the definition's parameters, device arrays
        _scale(x.size, x.reshape(-1), y.reshape(-1), factor)

- `_scale(n, *args)` runs the items 0..n, each in some thread of the GPU. An item writes its own part of the output:
  then no two threads meet, and the same input gives the same bits.
- Arguments are device arrays, numbers, bools, and tuples of these; never None. Python floats arrive as float32.
- A literal such as 0.5 is a double in a kernel, and most GPUs are slow at those: write np.float32(0.5).
- NumPy's functions are not there: scalar.py has exp, log and the like for both the GPU and the simulator.
- Sums of many terms: sums.py. Products of matrices: product.py.
- The simulator sees neither types nor races: `tools/compile_cuda.py` compiles all kernels without a GPU.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FunctionType
from typing import Any

import numpy as np

from caffelike.errors import DeviceError, DeviceMemoryError

if importlib.util.find_spec("numba_cuda") is None:
    raise DeviceError("The GPU needs numba-cuda, which is not installed: pip install 'caffelike[cuda]'")

from numba import cuda
from numba.cuda.cudadrv.driver import CudaAPIError
from numba.cuda.cudadrv.error import CudaSupportError

SIMULATED = bool(cuda.config.ENABLE_CUDASIM)
"""Whether kernels run in Numba's simulator and not on a GPU."""

THREADS = 2 if SIMULATED else 256  # in a block; the simulator starts a thread of the system for each

_MOST_BLOCKS = 2 if SIMULATED else 65535
_OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
_CHECK = "CAFFELIKE_CUDA_CHECK"  # set to 1: wait for each kernel, so that an error names the one that failed

if SIMULATED:
    from caffelike.kernels.cuda import simulator

    simulator.mend()


# GPUs --------------------------------------------------------------------------------------------


def count() -> int:
    """How many GPUs there are. Raises DeviceError, with the cure, where no driver is."""
    with _telling("looking for GPUs"):
        return len(cuda.gpus)


def check(number: int) -> None:
    """Raise DeviceError unless there is a GPU of that number, from 0."""
    found = count()
    if found == 0:
        raise DeviceError("Cannot use GPU: the driver is there, but no GPU. `nvidia-smi` should list one.")
    if not 0 <= number < found:
        there = "is only GPU 0" if found == 1 else f"are the GPUs 0 to {found - 1}"
        raise DeviceError(f"Cannot use GPU {number}: there {there}. `caffelike device_query` shows what there is.")


def select(number: int) -> None:
    """Let this thread use GPU `number` from now on. Raises DeviceError."""
    check(number)
    with _telling(f"starting GPU {number}"):
        if not SIMULATED:
            cuda.select_device(number)


def memory() -> tuple[int, int]:
    """(free, all) bytes of the GPU in use; what the simulator takes is the computer's, and counts as 0 of 0."""
    if SIMULATED:
        return 0, 0
    with _telling("asking for free memory"):
        free, total = cuda.current_context().get_memory_info()
        return int(free), int(total)


def properties(number: int) -> dict[str, Any]:
    """What is known of GPU `number`, by the words of Caffe's device_query, in its order."""
    select(number)
    if SIMULATED:
        return {"Device id": number, "Name": "Numba's CUDA simulator"}
    with _telling(f"asking GPU {number} what it is"):
        gpu = cuda.get_current_device()
        name = gpu.name.decode() if isinstance(gpu.name, bytes) else gpu.name
        major, minor = gpu.compute_capability
        return {
            "Device id": number,
            "Major revision number": major,
            "Minor revision number": minor,
            "Name": name,
            "Total global memory": memory()[1],
            "Total shared memory per block": gpu.MAX_SHARED_MEMORY_PER_BLOCK,
            "Total registers per block": gpu.MAX_REGISTERS_PER_BLOCK,
            "Warp size": gpu.WARP_SIZE,
            "Maximum memory pitch": gpu.MAX_PITCH,
            "Maximum threads per block": gpu.MAX_THREADS_PER_BLOCK,
            "Maximum dimension of block": (gpu.MAX_BLOCK_DIM_X, gpu.MAX_BLOCK_DIM_Y, gpu.MAX_BLOCK_DIM_Z),
            "Maximum dimension of grid": (gpu.MAX_GRID_DIM_X, gpu.MAX_GRID_DIM_Y, gpu.MAX_GRID_DIM_Z),
            "Clock rate": gpu.CLOCK_RATE,
            "Total constant memory": gpu.TOTAL_CONSTANT_MEMORY,
            "Texture alignment": gpu.TEXTURE_ALIGNMENT,
            "Concurrent copy and execution": bool(gpu.GPU_OVERLAP),
            "Number of multiprocessors": gpu.MULTIPROCESSOR_COUNT,
            "Kernel execution timeout": bool(gpu.KERNEL_EXEC_TIMEOUT),
        }


@contextmanager
def _telling(doing: str) -> Iterator[None]:
    """Errors of driver and library as DeviceErrors that say what went wrong and what helps."""
    try:
        yield
    except CudaSupportError as error:
        raise DeviceError(
            f"Cannot use GPU: no NVIDIA driver was found ({_line(error)}). Install the driver, then `nvidia-smi` must"
            " list the GPU; in a container, start it with the GPU (docker run --gpus all). Without a GPU leave -gpu and"
            " set_mode_gpu() out: everything runs on the CPU."
        ) from error
    except CudaAPIError as error:
        raise DeviceError(
            f"The GPU failed at {doing}: {_line(error)}. Set {_CHECK}=1 and run it again: the error then names the"
            " kernel that failed."
        ) from error


def _line(error: Exception) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split()).rstrip(":. ")


# Arrays ------------------------------------------------------------------------------------------


def empty(size: int, dtype: Any = np.float32) -> Any:
    """A 1-D array in the GPU's memory, its contents undefined. Raises DeviceMemoryError."""
    try:
        with _telling("allocating memory"):
            return cuda.device_array(size, dtype)
    except DeviceError as error:
        if getattr(error.__cause__, "code", None) != _OUT_OF_MEMORY:
            raise
        free, total = memory()
        raise DeviceMemoryError(
            f"The GPU's memory is full: {_bytes(size * np.dtype(dtype).itemsize)} are wanted, {_bytes(free)} of"
            f" {_bytes(total)} are free. Use a smaller batch (batch_size, with iter_size for the same training), or end"
            " other programs on this GPU (`nvidia-smi` lists them)."
        ) from error


def zeros(size: int, dtype: Any = np.float32) -> Any:
    """As `empty`, all zero."""
    array = empty(size, dtype)
    fill(array, 0)
    return array


def fill(array: Any, value: float) -> None:
    """Set every number of a 1-D device array."""
    _fill(array.size, array, np.dtype(array.dtype).type(value))


def upload(host: np.ndarray, array: Any) -> None:
    """Copy an array of the computer's memory into a device array of the same size; both are 1-D."""
    if host.size:
        with _telling("copying to its memory"):
            array.copy_to_device(host)


def pinned(size: int, dtype: Any = np.float32) -> np.ndarray:
    """A zeroed 1-D array of the computer's memory that is locked there, so that the GPU fetches it by itself."""
    with _telling("locking memory"):
        array = cuda.pinned_array(size, dtype)
    array[...] = 0
    return array


def upload_soon(host: np.ndarray, array: Any) -> Any:
    """As `upload` from `pinned` memory, without waiting: kernels told to run after this see the values.

    Returns a mark: `host` must stay as it is until wait(mark) is over.
    """
    with _telling("copying to its memory"):
        array.copy_to_device(host, stream=cuda.default_stream())
    return mark()


def download(array: Any, host: np.ndarray) -> None:
    """Copy a device array into one of the computer's memory, of the same size; waits for the kernels before it."""
    if host.size:
        with _telling("copying from its memory, or in a kernel before"):
            array.copy_to_host(host)


def copy(to: Any, source: Any) -> None:
    """Copy a device array into another of its shape and dtype."""
    _copy(to.size, to.reshape(-1), source.reshape(-1))


def on_device(host: np.ndarray) -> Any:
    """A copy of an array of the computer's memory on the GPU, of its shape and dtype."""
    array = empty(host.size, host.dtype)
    upload(np.ascontiguousarray(host).reshape(-1), array)
    return array.reshape(host.shape)


def on_host(array: Any) -> np.ndarray:
    """A copy of a device array in the computer's memory."""
    host = np.empty(array.size, array.dtype)
    download(array.reshape(-1), host)
    return host.reshape(tuple(array.shape))


def pointer(array: Any) -> int:
    """The address of a device array's first number."""
    if SIMULATED:
        return int(array._ary.ctypes.data)
    return int(array.__cuda_array_interface__["data"][0])


def mark() -> Any:
    """A mark behind all that the GPU was told to do so far."""
    with _telling("recording an event"):
        event = cuda.event()
        event.record(cuda.default_stream())
    return perf_counter() if SIMULATED else event


def wait(passed: Any) -> None:
    """Wait until the GPU has passed a mark. Raises DeviceError for a kernel that failed."""
    if not SIMULATED:
        with _telling("running a kernel"):
            passed.synchronize()


def seconds(first: Any, second: Any) -> float:
    """The time between two marks, by the GPU's clock; waits for the second."""
    wait(second)
    return second - first if SIMULATED else cuda.event_elapsed_time(first, second) / 1e3


def synchronize() -> None:
    """Wait until the GPU has done all it was told to do. Raises DeviceError for a kernel that failed."""
    with _telling("running a kernel"):
        cuda.synchronize()


def _bytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count < 2**30 else f"{count / 2**30:,.2f} GiB"


# Kernels -----------------------------------------------------------------------------------------


def device(function: Callable) -> Any:
    """Make a function callable from kernels."""
    return function if SIMULATED else cuda.jit(function, device=True)


def kernel(function: Callable) -> Callable[..., None]:
    """f(blocks, threads, *args): run a function that asks `cuda` itself where it is, with shared memory and the like.

    blocks, threads: sizes of the grid and of a block, numbers or tuples.
    """
    compiled = cuda.jit(function)
    name = f"{function.__module__}.{function.__qualname__}"

    def call(blocks: int | tuple[int, ...], threads: int | tuple[int, ...], *args: Any) -> None:
        with _telling(f"running {name}"):
            compiled[blocks, threads](*[_argument(a) for a in args])
            if os.environ.get(_CHECK) == "1":
                cuda.synchronize()

    call.kernel, call.name = compiled, name  # type: ignore[attr-defined]
    return call


def task(function: Callable) -> Callable[..., None]:
    """f(n, *args): run function(i, *args) for all i from 0 to n - 1."""
    work = device(function)

    def items(n, arguments):
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            work(i, *arguments)

    run = kernel(named(items, function))

    def call(n: int, *args: Any) -> None:
        if n:
            run(min(-(-n // THREADS), _MOST_BLOCKS), THREADS, n, args)

    return call


def named(function: Callable, like: Callable) -> Callable:
    """A function under another one's name, which errors and profilers then show."""
    copy = FunctionType(function.__code__, function.__globals__, like.__name__, None, function.__closure__)
    copy.__qualname__, copy.__module__ = like.__qualname__, like.__module__
    return copy


def _argument(value: Any) -> Any:
    """A kernel's argument: Python's floats in single precision."""
    if isinstance(value, tuple):
        return tuple(_inner(_argument(v)) for v in value)
    return np.float32(value) if isinstance(value, float) else value


def _inner(value: Any) -> Any:
    """An argument in a tuple: the simulator is faster at NumPy's arrays, and copies none that lies in a tuple."""
    return value._ary if SIMULATED and hasattr(value, "_ary") else value


@task
def _copy(i, to, source):
    to[i] = source[i]


@task
def _fill(i, array, value):
    array[i] = value
