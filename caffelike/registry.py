"""Tables of what can be named in a definition: layer types, solver types, fillers, data sources.

A module registers itself with a decorator when it is imported. A name is looked for in the file that is called like it
("InnerProduct": inner_product.py) and then, the packages listed in `_PACKAGES` being imported whole, in all others; so
nothing is listed by hand, and a process imports no more than it needs.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from caffelike.errors import ModelError

_PACKAGES = {
    "layer": "caffelike.layers",
    "solver": "caffelike.solvers",
    "source": "caffelike.data",
    "Python layer": "caffelike.python_layers",
}


class Registry:
    """Names to classes or functions of one kind (`layer`, `solver`, `filler`, `source`).

    An entry may have further names; iterating gives the first ones only.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, Any] = {}
        self._first: dict[str, str] = {}  # further name -> first name
        self._complete = kind not in _PACKAGES
        self._modules: dict[str, str] | None = None

    def add(self, name: str, entry: Any) -> None:
        """Enter `entry` under `name`; a name can be taken once only."""
        self._look_for_ours(name, entry)
        taken = self._entries.get(self._first.get(name, name))
        if taken is not None and (taken.__module__, taken.__qualname__) != (
            entry.__module__,
            entry.__qualname__,
        ):
            raise ModelError(
                f"The {self.kind} type {name!r} is registered already, by {taken.__module__}.{taken.__qualname__};"
                " choose another name."
            )
        self._entries[name] = entry

    def add_name(self, name: str, first: str) -> None:
        """Let `name` stand for the entry `first` too. Raises ModelError where another entry has that name."""
        self._look_for_ours(name, self._entries.get(first))
        if name in self._entries or self._first.get(name, first) != first:
            taken = self._first.get(name, name)
            raise ModelError(f"The {self.kind} type {name!r} is registered already, as {taken}; choose another name.")
        self._first[name] = first

    def _look_for_ours(self, name: str, entry: Any) -> None:
        """Before a plug-in's `entry` takes a name: one of our own may have it, and not be imported yet."""
        if not self._complete and entry is not None and not entry.__module__.startswith(_PACKAGES[self.kind]):
            self._find(name)

    def first(self, name: str) -> str:
        """The name under which the entry called `name` is listed; `name` itself where there is none."""
        if not self._complete and name not in self._entries and name not in self._first:
            self._find(name)
        return self._first.get(name, name)

    def names(self, first: str) -> tuple[str, ...]:
        """The further names of an entry, in alphabetical order."""
        self._load()
        return tuple(sorted(name for name, entry in self._first.items() if entry == first))

    def _find(self, name: str) -> None:
        """Import the file that is called like `name`; all of them, if it is not there."""
        file = self._files().get(name.lower())
        if file is not None:
            importlib.import_module(file)
        if name not in self._entries and name not in self._first:
            self._load()

    def _load(self) -> None:
        if self._complete:
            return
        self._complete = True
        for file in self._files().values():
            importlib.import_module(file)

    def _files(self) -> dict[str, str]:
        """The modules of the package by their names without underscores."""
        if self._modules is None:
            package = importlib.import_module(_PACKAGES[self.kind])
            found = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
            self._modules = {module.name.rpartition(".")[2].replace("_", ""): module.name for module in found}
        return self._modules

    def __getitem__(self, name: str) -> Any:
        name = self.first(name)
        if name not in self._entries:
            raise ModelError(self.unknown(name))
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        return self.first(name) in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    @contextmanager
    def standing_in(self, name: str, entry: Any) -> Iterator[None]:
        """Within the block `name` means `entry`, for the whole process."""
        before = self[name]
        self._entries[name] = entry
        try:
            yield
        finally:
            self._entries[name] = before

    def near(self, name: str) -> list[str]:
        """Registered names that look like `name`, the likeliest first."""
        known = {entry.lower(): entry for entry in (*self._first, *self)}
        return [known[k] for k in difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)]

    def unknown(self, name: str) -> str:
        """The message for a name nobody registered."""
        near = self.near(name)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"Unknown {self.kind} type: {name} (known types: {', '.join(self)}).{hint}"


layers = Registry("layer")
solvers = Registry("solver")
fillers = Registry("filler")
sources = Registry("source")
stand_ins = Registry("Python layer")


def register(type_name: str, param: str | None = None, names: Sequence[str] = ()) -> Callable[[type], type]:
    """Class decorator that makes a Layer usable as `type: "TypeName"`.

    param: the field of LayerParameter with its options (`"pooling_param"`), or None if it has none.
    names: what else the wild calls this type, with the same options, blobs and numbers ("relu" for ReLU).
    """

    def enter(cls: type) -> type:
        cls.type, cls.param = type_name, param  # type: ignore[attr-defined]
        layers.add(type_name, cls)
        for name in names:
            layers.add_name(name, type_name)
        return cls

    return enter


def register_solver(type_name: str) -> Callable[[type], type]:
    """Class decorator for an update rule usable as solver `type: "TypeName"`."""

    def enter(cls: type) -> type:
        solvers.add(type_name, cls)
        return cls

    return enter


def register_filler(type_name: str) -> Callable[[Callable], Callable]:
    """Decorator for a filler function, see `caffelike.fillers`."""

    def enter(function: Callable) -> Callable:
        fillers.add(type_name, function)
        return function

    return enter


def register_source(type_name: str) -> Callable[[type], type]:
    """Class decorator for a record source usable as `backend: NAME`."""

    def enter(cls: type) -> type:
        sources.add(type_name, cls)
        return cls

    return enter


def register_stand_in(*names: str) -> Callable[[type], type]:
    """Class decorator for a Python layer that runs where a definition names "module.class", and nobody has it."""

    def enter(cls: type) -> type:
        for name in names:
            stand_ins.add(name, cls)
        return cls

    return enter


def layer_type_list() -> list[str]:
    """The names of all layer types, in alphabetical order."""
    return list(layers)
