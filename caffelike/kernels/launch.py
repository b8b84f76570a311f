"""Running kernels on several threads: the decorator `task`, the number of threads, scratch memory.

A task is a function that does the items lo..hi of its work. Calling it as `f(n, grain, *args)` cuts n items into
chunks of `grain`. Each thread has its share of them, always the same one, for what it wrote last may still be in its
cache; when it is done it takes what others have not begun. A chunk writes its own part of the output and never depends
on how many threads there are, so results have the same bits for any number of them.
"""

import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

# Idle workers of GNU OpenMP spin before they sleep. About 20 us bridge the gaps between the layers of a net; its own
# default, a millisecond or more, makes launches a hundred times slower where another process wants the processor
# too (measured: 54 us a launch at 1000, 766 at 300000). It must be set before the library loads.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, compiler
from numba.core.typing import signature as make_signature
from numba.extending import intrinsic

from caffelike.kernels import turns
from caffelike.kernels.jit import LettingGo, caching, publish, with_globals

if "NUMBA_THREADING_LAYER" not in os.environ and "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    # A launch costs about 1 us with omp, 10 with tbb, 80 with workqueue; but tbb may be an old system library.
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "workqueue", "tbb"]

I64 = ir.IntType(64)
BYTES = ir.IntType(8).as_pointer()


def _default_threads() -> int:
    """OMP_NUM_THREADS if it is a number, else the processors this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(int(wanted), numba.config.NUMBA_NUM_THREADS) if wanted.isdigit() and int(wanted) else _most()


def _most() -> int:
    return 1 if _forked else int(numba.config.NUMBA_NUM_THREADS)


_forked = False  # this process came out of a fork, the workers did not
_threads = _default_threads()
_starting = threading.Lock()
_NOTHING = nullcontext()
_guard: AbstractContextManager = _NOTHING  # a lock where the threading layer bears one launch at a time


def get_num_threads() -> int:
    """How many threads kernels use at most."""
    return _threads


def set_num_threads(n: int) -> None:
    """Let kernels use `n` threads, from 1 to the number Numba was started with (NUMBA_NUM_THREADS, the processors).

    After a fork it is 1: use threads or the start method "spawn" instead. ValueError for other numbers.
    """
    global _threads
    if not 1 <= n <= _most():
        raise ValueError(f"The number of threads must be from 1 to {_most()} (NUMBA_NUM_THREADS), not {n}.")
    _threads = n
    changed()


def _after_fork_in_child() -> None:
    """Workers are gone in the child and GNU OpenMP would hang on them: run serial from here on."""
    global _forked, _threads
    if _fork_address:
        _forked, _threads = True, 1
        changed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


_epoch = 0


on_change: list[Callable[[], None]] = []  # told by `changed`


def changed() -> None:
    """To be called when kernels may launch something else for the same arguments from now on."""
    global _epoch
    _epoch += 1
    for tell in on_change:
        tell()


def state() -> tuple[int, int]:
    """What launches depend on besides arguments: equal as long as they would be the same; scratch is a thread's own."""
    return _epoch, threading.get_ident()


# Launching again, see replay.py ---------------------------------------------------------------------------------


@contextmanager
def keeping(keep: Callable[[int, tuple], int]) -> Iterator[Callable[[], bool]]:
    """Within it this thread's launches are put where `keep` says; gives what tells whether they were all that was done.

    keep: gets the bytes for counters and the arguments of a launch; gives the address of so much memory and ROOM.
    """
    mine = _local.__dict__
    mine["_keep"], mine["_by_hand"] = keep, False
    try:
        yield lambda: not mine["_by_hand"]
    finally:
        mine["_keep"] = None


def team() -> AbstractContextManager:
    """To be held while something is launched: as many workers wake up as `set_num_threads` allows."""
    if _threads == 1:
        return _NOTHING
    return _guard if _threads == _most() else _some_of_all()


@contextmanager
def _some_of_all() -> Iterator[None]:
    # Numba's own number (of this Python thread, perhaps used by other code) decides how many workers wake up.
    before = numba.get_num_threads()
    numba.set_num_threads(_threads)
    try:
        with _guard:
            yield
    finally:
        numba.set_num_threads(before)


def fork_address() -> int:
    """Of the function that runs an entry on several threads; 0 before the first such launch."""
    return _fork_address


def by_hand() -> None:
    """Tell that something is done by other means than tasks or depends on values: repeating launches will not do."""
    _local.__dict__["_by_hand"] = True


# The parallel region --------------------------------------------------------------------------------------------


@intrinsic
def _enter(typingctx, entry, data, worker):
    """Call the function at address `entry` with (data, worker)."""

    def codegen(context, builder, given, values):
        kind = ir.FunctionType(ir.VoidType(), [BYTES, I64])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), [builder.inttoptr(values[1], BYTES), values[2]])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


def _region(entry: int, data: int, threads: int) -> None:
    for worker in numba.prange(threads):
        _enter(entry, data, worker)


def _fork(entry: int, data: int, threads: int) -> None:
    """Run entry(data, worker) for worker = 0..threads-1, each on its own thread."""
    _region(entry, data, threads)


_fork_address = 0
_compiled: list[Any] = []  # the functions behind the address


def _start() -> None:
    """Start the workers; note whether their layer bears launches from several Python threads."""
    global _fork_address, _guard
    with _starting:
        if _fork_address:
            return
        numba.get_num_threads()  # loads the threading layer, which the compiled code below is linked against
        with caching() as cached:
            region = numba.njit(_region, parallel=True, nogil=True, cache=cached)
            own = with_globals(_fork, "fork", _region=region)
            fork = numba.cfunc(types.void(types.intp, types.intp, types.intp), cache=cached)(own)
        if numba.threading_layer() == "workqueue":
            _guard = threading.Lock()
        _compiled.extend((region, fork))
        _fork_address = fork.address


def _make_run(work: Callable, fastmath: frozenset[str]) -> Any:
    """The intrinsic run(threads, fork, n, grain, keep, args): all chunks of `work` on that many threads.

    fork: the address of `_fork`. The arguments and the chunk counters lie on the caller's stack, or from the address
    `keep` on, if that is not 0: first the counters, then the block that `emit_launch` starts. `entry` is what each
    thread executes. It is the only machine code made of `work`, and none of it goes through Numba's slow parallel
    transform.
    """

    @intrinsic
    def run(typingctx, threads, fork, n, grain, keep, args):
        def codegen(context, builder, given, values):
            threads, fork, n, grain, keep, args = values
            args = _borrowed(context, builder, given.args[5], args)
            one = ir.Constant(I64, 1)
            threads = builder.select(builder.icmp_signed("<", threads, one), one, threads)
            chunks = builder.sdiv(builder.add(n, builder.sub(grain, one)), grain)
            lines = builder.mul(threads, ir.Constant(I64, _LINE))
            counters = builder.alloca(I64, lines)
            kind = ir.LiteralStructType([I64, I64, I64, counters.type, I64, I64, args.type])
            if context.get_abi_sizeof(kind) > ROOM:
                raise TypeError(f"A task's arguments take {context.get_abi_sizeof(kind)} bytes, more than {ROOM}.")
            block = builder.alloca(kind)
            kept = builder.icmp_signed("!=", keep, keep.type(0))
            there = builder.inttoptr(keep, counters.type)
            counters = builder.select(kept, there, counters)
            block = builder.select(kept, builder.bitcast(builder.gep(there, [lines]), block.type), block)
            entry = ir.Function(
                builder.module, ir.FunctionType(ir.VoidType(), [BYTES, I64]), f"{builder.function.name}.entry"
            )
            entry.linkage = "internal"
            entry.attributes.add("noinline")
            _emit_entry(context, entry, kind.as_pointer(), work, given.args[5], fastmath)
            for i, value in enumerate((builder.ptrtoint(entry, I64), threads, chunks, counters, n, grain, args)):
                builder.store(value, cgutils.gep_inbounds(builder, block, 0, i))
            emit_launch(builder, fork, builder.bitcast(block, I64.as_pointer()))
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, types.intp, types.intp, types.intp, args), codegen

    return run


def _borrowed(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """An argument, or a tuple of them, with arrays that own nothing: whoever launches keeps them alive."""
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo, array.parent = (cgutils.get_null_value(v.type) for v in (array.meminfo, array.parent))
        return array._getvalue()
    if not isinstance(kind, types.BaseTuple):
        return value
    parts = zip(kind, cgutils.unpack_tuple(builder, value, len(kind)), strict=True)
    return context.make_tuple(builder, kind, [_borrowed(context, builder, *part) for part in parts])


def emit_launch(builder: Any, fork: Any, block: Any) -> None:
    """Reset the counters of a block and run its entry on its threads."""
    one = ir.Constant(I64, 1)
    entry, threads, chunks = (builder.load(builder.gep(block, [ir.Constant(I64, i)])) for i in range(3))
    counters = builder.inttoptr(builder.load(builder.gep(block, [ir.Constant(I64, 3)])), block.type)
    with cgutils.for_range(builder, threads) as loop:
        first = builder.sdiv(builder.mul(loop.index, chunks), threads)
        builder.store(first, builder.gep(counters, [builder.mul(loop.index, ir.Constant(I64, _LINE))]))
    with builder.if_else(builder.icmp_signed("<=", threads, one)) as (serial, parallel):
        with serial:
            kind = ir.FunctionType(ir.VoidType(), [BYTES, I64]).as_pointer()
            builder.call(builder.inttoptr(entry, kind), [builder.bitcast(block, BYTES), ir.Constant(I64, 0)])
        with parallel:
            kind = ir.FunctionType(ir.VoidType(), [I64, I64, I64]).as_pointer()
            builder.call(builder.inttoptr(fork, kind), [entry, builder.ptrtoint(block, I64), threads])


ROOM = 2048  # bytes that a launch may take, but for its counters
_LINE = 8  # counters lie so many numbers apart: a cache line each


def _emit_entry(context: Any, entry: Any, block: Any, work: Callable, args: Any, fastmath: frozenset[str]) -> None:
    """All chunks that worker, worker + 1, ... (round about) should do and have not begun yet."""
    flags = compiler.Flags()
    flags.nrt, flags.error_model = True, "numpy"
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    if fastmath:
        flags.fastmath = set(fastmath)  # type: ignore[misc, assignment]
    given = make_signature(types.void, types.intp, types.intp, types.intp, *args)
    builder = ir.IRBuilder(entry.append_basic_block("entry"))
    # into the caller's library: one of its own would be optimised and made machine code of as well, for nobody
    compiled = compiler.compile_internal(
        context.typing_context, context, context.active_code_library, work, given.args, types.void, flags, {}
    )
    pointer, worker = builder.bitcast(entry.args[0], block), entry.args[1]
    threads, chunks, counters, n, grain, values = (
        builder.load(cgutils.gep_inbounds(builder, pointer, 0, i)) for i in range(1, 7)
    )
    values = cgutils.unpack_tuple(builder, values)
    one = ir.Constant(I64, 1)
    with cgutils.for_range(builder, threads) as loop:
        owner = builder.srem(builder.add(worker, loop.index), threads)
        counter = builder.gep(counters, [builder.mul(owner, ir.Constant(I64, _LINE))])
        last = builder.sdiv(builder.mul(builder.add(owner, one), chunks), threads)
        head, body, done = (builder.append_basic_block(name) for name in ("next", "chunk", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        chunk = builder.atomic_rmw("add", counter, one, "monotonic")
        lo = builder.mul(chunk, grain)
        builder.cbranch(builder.icmp_signed("<", chunk, last), body, done)
        builder.position_at_end(body)
        end = builder.add(lo, grain)
        hi = builder.select(builder.icmp_signed("<", end, n), end, n)
        context.call_internal_no_propagate(builder, compiled.fndesc, given, [worker, lo, hi, *values])
        builder.branch(head)
        builder.position_at_end(done)
    builder.ret_void()


def _driver(threads, fork, n, grain, keep, *args):  # the code of every task's compiled function; `run` is its own
    run(threads, fork, n, grain, keep, args)  # noqa: F821


class Task:
    """A compiled loop over chunks; see `task`."""

    def __init__(self, work: Callable, fastmath: frozenset[str]):
        self.work, self.__doc__, self.__name__ = work, work.__doc__, work.__name__
        driver = with_globals(_driver, f"{work.__module__}.{work.__qualname__}", run=_make_run(work, fastmath))
        self._ready = False
        with caching() as cached:
            self.run = numba.njit(nogil=True, error_model="numpy", cache=cached, no_cfunc_wrapper=True)(driver)
        self.run._cache = LettingGo(self.run._cache)

    def __call__(self, n: int, grain: int, *args: Any) -> None:
        """Do items 0..n in chunks of `grain`; args: C-contiguous arrays, ints, floats (no None, no keywords)."""
        if turns.ahead or not self._ready:
            self.prepare(n, grain, args)
            if turns.ahead:
                return
        threads = max(1, min(_threads, -(-n // grain)))
        if threads > 1 and not _fork_address:
            _start()
        keep = _local.__dict__.get("_keep")
        address = 0 if keep is None else keep(8 * _LINE * threads, args)
        with team() if threads > 1 else _NOTHING:
            self.run(threads, _fork_address, n, grain, address, *args)

    def prepare(self, n: int, grain: int, args: tuple) -> None:
        """Publish what the first call needs; beside another process compile for these arguments, unless it is at it."""
        publish(self.work)
        if turns.locks:
            with turns.turn(self.run.py_func.__qualname__, wait=not turns.ahead) as mine:
                if mine:
                    self.run.compile(tuple(map(numba.typeof, (1, 0, n, grain, 0, args))))
        self._ready = True


def task(work: Callable | None = None, *, fastmath: frozenset[str] = frozenset()) -> Any:
    """Make a parallel kernel of `work(worker, lo, hi, *args)`, to be called as `f(n, grain, *args)`.

    worker (from 0, below get_num_threads()) tells which part of a scratch array is this thread's own. The result
    must not depend on it. Choose grain so that a chunk takes some 10 us or more, from the shapes alone.
    """
    if work is None:
        return lambda f: Task(f, fastmath)
    return Task(work, fastmath)


# Scratch memory -------------------------------------------------------------------------------------------------

_local = threading.local()
_HUGE = 2**22  # bytes from which on an array is worth huge pages


def scratch(role: str, size: int) -> np.ndarray:
    """`size` float32 on a 64-byte boundary, contents undefined; one array per role and calling thread.

    All layers share them, so they stay in the cache: nothing may be left in one from call to call. Where a larger one
    would be needed, and there is memory lent, it lies there.
    """
    have = _local.__dict__.get(role)
    if have is None or have.size < size:
        lender = _local.__dict__.get("_lender")
        if lender is not None and 4 * size >= _HUGE and (piece := lender.take(role, size)) is not None:
            return piece
        changed()
        have = _local.__dict__[role] = None  # first, or both would be there at once
        have = _local.__dict__[role] = _pages(size)
    return have


@contextmanager
def lent(find: Callable[[], Iterable[np.ndarray]]) -> Iterator[None]:
    """Within it, this thread may have large scratch memory in arrays that nobody else uses meanwhile.

    find: gives them, 1-D float32; called when such memory is wanted. It must give the same whenever the same is done
    within: launches are noted with its addresses (replay.py). Within another lender these arrays come first.
    """
    mine = _local.__dict__
    outer = mine.get("_lender")
    mine["_lender"] = _Lender(find, outer)
    try:
        yield
    finally:
        mine["_lender"] = outer


class _Lender:
    def __init__(self, find: Callable[[], Iterable[np.ndarray]], outer: "_Lender | None"):
        self._find, self._outer = find, outer
        self._free: list[np.ndarray] | None = None
        self._taken: dict[str, np.ndarray] = {}

    def free(self) -> list[np.ndarray]:
        """What is left, with what the outer one has left."""
        if self._free is None:
            self._free = [array[-array.ctypes.data % 64 // 4 :] for array in self._find()]
            self._free += self._outer.free() if self._outer else []
        return self._free

    def take(self, role: str, size: int) -> np.ndarray | None:
        """`size` float32 from the first array that has so many; None where none has."""
        have, free = self._taken.get(role), self.free()
        if have is None or have.size < size:
            at = next((i for i, array in enumerate(free) if array.size >= size), None)
            if at is None:
                return None
            have = self._taken[role] = free[at][:size]
            free[at] = free[at][-(-size // 16) * 16 :]
        return have


def _pages(size: int) -> np.ndarray:
    """`size` float32 in pages of their own, which the system has back when a larger array takes their place.

    From the C library's heap, arrays of some MB would not go back while anything behind them is in use.
    """
    own = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
    pages = mmap.mmap(-1, max(4 * size, 1), **own)
    if hasattr(mmap, "MADV_HUGEPAGE") and 4 * size >= _HUGE:
        with suppress(OSError):  # a system without huge pages
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, np.float32, size)


def aligned(size: int) -> np.ndarray:
    """`size` uninitialised float32 that start on a 64-byte boundary."""
    raw = np.empty(size + 16, np.float32)
    skip = -raw.ctypes.data % 64 // 4
    return raw[skip : skip + size]
