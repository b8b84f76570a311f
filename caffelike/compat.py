"""`import caffe` for scripts that are not to be touched: caffelike under pycaffe's name.

    $ python -m caffelike.compat script.py [ARGUMENTS]     (the same as `caffelike run script.py`)

or, first thing in a program or notebook:

    import caffelike.compat
    caffelike.compat.install()

From then on `import caffe`, `from caffe import layers as L, params as P, to_proto`, `import caffe.io`,
`from caffe.proto import caffe_pb2` and the like find caffelike, also where a real pycaffe is on the path.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import caffelike
from caffelike import log
from caffelike.errors import CaffelikeError, FileError

NAME = "caffe"
VERSION = "1.0.0"
_SELF = ("_caffe", "pycaffe")  # pycaffe's own modules that hold what `caffe` shows


def _cpu_instead(name: str) -> Callable[..., None]:
    def function(*arguments: Any) -> None:
        log.warning("_caffe.cpp:52", f"{name}({', '.join(map(str, arguments))}): this runs on the CPU, as you asked.")

    return function


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `caffe` and what is below it."""

    def __init__(self, cpu: bool):
        self.cpu = cpu

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name == NAME:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        if not name.startswith(f"{NAME}."):
            return None
        own = f"caffelike.{name.removeprefix(f'{NAME}.')}"
        if name.removeprefix(f"{NAME}.") not in _SELF:
            try:
                if importlib.util.find_spec(own) is None:
                    return None
            except ModuleNotFoundError:
                return None
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fill `caffe` itself; a module below it is replaced by caffelike's, which is then the same object."""
        name = module.__name__
        below = name.removeprefix(NAME).removeprefix(".")
        if below in _SELF:
            sys.modules[name] = sys.modules[NAME]
        elif below:
            sys.modules[name] = importlib.import_module(f"caffelike.{below}")
        else:
            self._fill(module)

    def _fill(self, module: ModuleType) -> None:
        # A name is looked up in caffelike when it is asked for; only what must differ is put here.
        from caffelike.net_spec import layers

        vectors = importlib.import_module("caffelike.pycaffe")
        module.__doc__ = caffelike.__doc__
        module.__file__ = caffelike.__file__
        module.__dict__.update(
            {
                "__version__": VERSION,
                "__all__": [n for n in caffelike.__all__ if n not in ("__version__", "compat", "testing")],
                "__getattr__": lambda name: getattr(caffelike if hasattr(caffelike, name) else vectors, name),
                **dict.fromkeys(_SELF, module),
                "__dir__": lambda: sorted({*caffelike.__all__, *vectors.__all__}),
                "layers": layers,
            }
        )
        if self.cpu:
            module.__dict__.update({name: _cpu_instead(name) for name in ("set_mode_gpu", "set_device")})


def install(cpu: bool = False) -> None:
    """Let `import caffe` mean caffelike from now on.

    cpu: set_mode_gpu and set_device are noted in the log and ignored, instead of being errors.
    Raises CaffelikeError when another `caffe` has been imported already.
    """
    loaded = sys.modules.get(NAME)
    if loaded is not None and not isinstance(getattr(loaded, "__loader__", None), _Finder):
        raise CaffelikeError(
            f"Another `caffe` is imported already ({getattr(loaded, '__file__', 'built in')}): call"
            " caffelike.compat.install() before anything that imports it."
        )
    uninstall()
    sys.meta_path.insert(0, _Finder(cpu))


def uninstall() -> None:
    """Undo `install`; modules that hold `caffe` keep it."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    for name in [n for n in sys.modules if n == NAME or n.startswith(f"{NAME}.")]:
        del sys.modules[name]


@contextmanager
def installed(cpu: bool = False) -> Iterator[None]:
    """`install` within a block."""
    install(cpu)
    try:
        yield
    finally:
        uninstall()


def run(script: str, arguments: Sequence[str] = (), cpu: bool = False, module: bool = False) -> None:
    """Run a script (or, with `module`, a module as `python -m` does) as the main program, with `import caffe` ours.

    sys.argv is [script, *arguments], and the script's folder is the first on the path, as when Python runs it.
    What it raises is passed on. Raises FileError when there is no such script.
    """
    if not module and not Path(script).is_file():
        raise FileError(f"Could not open file {script}")
    argv, path = sys.argv, list(sys.path)
    sys.argv = [script, *arguments]
    sys.path.insert(0, "" if module else str(Path(script).resolve().parent))
    try:
        with installed(cpu):
            if module:
                runpy.run_module(script, run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(script, run_name="__main__")
    finally:
        sys.argv, sys.path[:] = argv, path


def _main(argv: Sequence[str]) -> None:
    if not argv or argv[0].startswith("-"):
        sys.exit("usage: python -m caffelike.compat script.py [ARGUMENTS]")
    run(argv[0], argv[1:])


if __name__ == "__main__":
    # Not this copy called __main__, but the module that `import caffelike.compat` gives to everybody.
    importlib.import_module("caffelike.compat")._main(sys.argv[1:])
