"""Compiling kernels: the decorators `kernel` and `shared`; cache.py says where they are kept."""

import contextlib
import importlib
import importlib.util
import threading
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic
from numba.np import linalg

from caffelike.kernels import cache, turns


def _leave_scipy() -> None:
    """Import what Numba does with arrays, but not SciPy: it imports scipy.linalg only to see whether it may be used.

    Every process would spend 17 MB and 0.2 s on it. A function with products of matrices in it still has Numba look
    again, and import it, when it is compiled.
    """

    def look() -> None:
        if importlib.util.find_spec("scipy") is None:
            raise ImportError("SciPy is not installed.")

    before = getattr(linalg, "ensure_blas", None)
    if before is None:  # a Numba that looks in another way
        return
    linalg.ensure_blas = look
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = before


_leave_scipy()

SUMS = frozenset({"contract", "reassoc", "nsz", "arcp"})
"""fastmath flags that let sums and products vectorise while NaN and infinity keep their meaning."""


@contextlib.contextmanager
def caching() -> Iterator[bool]:
    """Within it, `numba.njit(cache=...)` uses our folder; yields whether there is one."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(cache.folder or "")
    try:
        yield cache.folder is not None
    finally:
        numba.config.CACHE_DIR = before


def let_go(loaded: Any) -> None:
    """Free the LLVM code of a library that comes from the cache; Numba keeps it for functions that will call this one.

    It takes ten times the memory of the machine code, and nobody needs that of a function called by its address only.
    """
    code = getattr(loaded, "_shared_module", None)
    if code is not None:
        code.close()


class LettingGo:
    """Numba's cache of a function that no other will be compiled with: see `let_go`."""

    def __init__(self, cache: Any):
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """What was compiled for this signature, or None."""
        found = self._cache.load_overload(signature, context)
        if found is not None:
            let_go(found.library)
        return found


def kernel(function: Callable | None = None, *, fastmath: frozenset[str] = frozenset(), inner: bool = False) -> Any:
    """Compile a function on its first call: no GIL, division by zero gives infinity, kept on disk.

    fastmath: LLVM flags, e.g. `SUMS`. Pass float32 arrays, ints and float32 numbers; never capture another
    compiled function in a closure (it would miss the cache for ever), name it as a module global. inner: only tasks
    call it; others have what they need of shared functions published when they are defined.
    """
    if function is None:
        return lambda f: kernel(f, fastmath=fastmath, inner=inner)
    if not inner:
        publish(function)
    with caching() as cached:
        return numba.njit(
            function, nogil=True, error_model="numpy", cache=cached, fastmath=set(fastmath), no_cfunc_wrapper=True
        )


def shared(signature: Any) -> Callable[[Callable], Any]:
    """Compile a function once for all kernels: they call it by its address, so its code is not in each of them.

    signature: of scalars and pointers, e.g. `types.void(types.CPointer(types.float32), types.intp)`. The name is
    published to the linker as `caffelike_<name>` before a kernel that calls it is loaded; see `publish`.
    """

    def decorate(function: Callable) -> Any:
        symbol = f"caffelike_{function.__name__}"
        call = calling(symbol, signature, function.__doc__)
        call.make_public = lambda: _publish(symbol, signature, function)
        return call

    return decorate


_public: dict[str, Any] = {}  # the compiled shared functions by symbol
_publishing = threading.RLock()


def _publish(symbol: str, signature: Any, function: Callable) -> None:
    with _publishing:
        if symbol not in _public:
            publish(function)
            _public[symbol] = _compile_shared(signature, function)
            llvmlite.binding.add_symbol(symbol, _public[symbol].address)


def publish(function: Callable) -> None:
    """Compile, or load, all shared functions that `function` calls, itself or through kernels.

    Before `function` is compiled or loaded: the linker would end the process. Tasks do it when they are first called.
    """
    for name in function.__code__.co_names:
        called = function.__globals__.get(name)
        if isinstance(called, Dispatcher):
            publish(called.py_func)
        elif hasattr(called, "make_public"):
            called.make_public()


def with_globals(function: Callable, name: str, **names: Any) -> Callable:
    """A copy of a function, called `name`, that finds these other names among its globals.

    So one source makes several compiled functions. A closure would do, but if it holds other compiled functions or
    intrinsics it misses Numba's cache for ever.
    """
    copy = FunctionType(function.__code__, function.__globals__ | names, name)
    copy.__qualname__, copy.__module__, copy.__doc__ = name, function.__module__, function.__doc__
    return copy


def at_address(signature: Any) -> Any:
    """An intrinsic f(address, ...) that calls a function of this signature, which `address_of` gave."""
    return calling(None, signature, None)


def _compile_shared(signature: Any, function: Callable) -> Any:
    """The compiled function of void `signature`; keep it as long as its `address` is in use."""
    with caching() as cached, turns.turn(function.__qualname__):
        compiled = numba.cfunc(signature, nopython=True, error_model="numpy", cache=cached)(function)
    let_go(compiled._library)
    return compiled


_addressed: list[Any] = []  # compiled functions whose addresses are in use


def address_of(signature: Any, function: Callable, name: str, names: dict[str, Any]) -> int:
    """Where the compiled copy `name` of a function lies that finds `names` among its globals, for `at_address`."""
    _addressed.append(_compile_shared(signature, with_globals(function, name, **names)))
    return _addressed[-1].address


def calling(symbol: str | None, signature: Any, doc: str | None) -> Any:
    """An intrinsic that calls the published `symbol`; an array may stand where a pointer is expected.

    A pointer argument is given as two: the array and the index of the element that it points to. Without a symbol
    the function's address comes first.
    """
    pointers = [isinstance(a, types.CPointer) for a in signature.args]

    def call(context: Any, builder: Any, given: Any, values: Any) -> Any:
        kinds, values = list(given.args[0]), cgutils.unpack_tuple(builder, values[0])
        arguments, i = [], int(symbol is None)
        for pointer in pointers:
            if pointer:
                data = context.make_array(kinds[i])(context, builder, values[i]).data
                arguments.append(builder.gep(data, [values[i + 1]], inbounds=True))
            else:
                arguments.append(values[i])
            i += 1 + pointer
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in arguments])
        if symbol is None:
            target = builder.inttoptr(values[0], kind.as_pointer())
        else:
            target = cgutils.get_or_insert_function(builder.module, kind, symbol)
        builder.call(target, arguments)
        return context.get_dummy_value()

    @intrinsic
    def shared_call(typingctx, *args):
        kinds = args[0] if isinstance(args[0], tuple) else args
        wanted: list[Any] = [types.intp] if symbol is None else []
        for pointer, kind in zip(pointers, signature.args, strict=True):
            wanted += [kinds[len(wanted)], types.intp] if pointer else [kind]
        return types.void(types.StarArgTuple(wanted)), call

    shared_call.__doc__ = doc
    return shared_call
