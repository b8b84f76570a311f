"""The base classes of all layers.

A layer type is one file in caffelike/layers/: a class that reads its options and works out shapes, and two
module-level functions `forward` and `backward` in plain NumPy, which are its definition. A function's
parameters are bound by name:

    bottoms, tops, params   the data array of that blob (None where it is optional and absent)
    "d" + such a name       its diff array, or None where no gradient is wanted
    saved names             arrays declared with save() or keep()
    key                     the uint64[3] random key of this pass (seed, layer, pass), if `random`
    beta                    0: overwrite parameter gradients, 1: add to them
    anything else           self.options[name]

The graph never knows a layer's class, and a layer never knows the graph or its fast kernels.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

import numpy as np

from caffelike import fillers
from caffelike.blob import Blob
from caffelike.errors import ModelError, ShapeError
from caffelike.schema import plugins

Shape = tuple[int, ...]


class Saved(NamedTuple):
    """An array a layer needs beside its blobs, made by the graph."""

    shape: Shape
    dtype: type
    for_backward: bool  # not made where no backward pass will run: forward then gets None


class Reach(NamedTuple):
    """What pixel p of a top is computed from: `extent` pixels of a bottom, from start + step * p on, axis by axis."""

    extent: tuple[int, ...]
    step: tuple[int | Fraction, ...]
    start: tuple[int, ...]


class Sees(Enum):
    """What a pixel of a top is computed from where it is no window: that pixel, all of them, none of their values
    (a shape alone counts), or what depends on the data."""

    PIXEL, ALL, NOTHING, UNKNOWN = range(4)


class Layer:
    """Base of every layer type; subclasses set the class attributes below and two methods.

    type: the name it is registered under; of an instance the one that its definition uses.
    bottoms, tops, params: names of the blobs in order; "name?" is optional, "*names" any number.
    inplace: a top may be the same blob as its bottom.
    backward_inplace: the gradient of the only bottom may be made where that of the only top lies.
    loss: the first top has loss weight 1 by default; a missing top is made by the graph.
    no_gradient: bottoms that never get one (labels).
    backward_reads: which bottoms, tops, params and saved arrays backward reads.
    shares: "data" and/or "diff" if the tops are views of bottom 0's memory.
    pairwise: applied to each (bottom, top) pair by itself, as Convolution is.
    random: forward draws random numbers (it gets `key`).
    messages: further messages of the layer that it reads beside its own (loss_param, transform_param).
    defaults: of options where leaving them out means something else than the schema's default.
    honours: names of forks' fields, in messages of BVLC's, that this type takes into account.
    foreign: being built, it imports a module that the definition names; never done where a model is only looked at.
    """

    type: str = ""
    param: ClassVar[str | None] = None
    bottoms: ClassVar[tuple[str, ...]] = ("x",)
    tops: ClassVar[tuple[str, ...]] = ("y",)
    params: ClassVar[tuple[str, ...]] = ()
    inplace: ClassVar[bool] = False
    backward_inplace: ClassVar[bool] = False
    loss: ClassVar[bool] = False
    no_gradient: ClassVar[tuple[str, ...]] = ()
    backward_reads: ClassVar[tuple[str, ...]] = ()
    shares: ClassVar[tuple[str, ...]] = ()
    pairwise: ClassVar[bool] = False
    random: ClassVar[bool] = False
    messages: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    honours: ClassVar[tuple[str, ...]] = ()
    foreign: ClassVar[bool] = False

    def __init__(self, message: Any, phase: int, seed: int = 0):
        """message: the LayerParameter; phase: 0 TRAIN, 1 TEST; seed: of the net, for fillers and `key`."""
        self.message, self.phase, self.seed = message, phase, seed
        self.name: str = message.name
        self.type = message.type or self.type  # as the definition writes it: a type may have several names
        self.options: dict[str, Any] = {}
        self.saved: dict[str, Saved] = {}
        self.blobs: list[Blob] = []
        self.param_names: list[str] = []
        self._fillers: list[tuple[Any, float]] = []

    # What a layer type writes ------------------------------------------------------------------

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the options message `p` into self.options and declare parameters with add_param().

        `shapes`: the bottoms' shapes in order. Called once. `p` is LayerParameter itself for a type without options.
        """

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """The tops' shapes for these bottoms; also declares arrays with save() and keep()."""
        raise NotImplementedError

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        """Multiply-accumulates of one forward pass for these shapes; only products with weight matrices count."""
        return 0

    def reach(self, index: int, bottom: Shape, top: Shape) -> Reach | Sees:
        """What a pixel of a top is computed from in bottom number `index`; called after reshape().

        Pixels are the axes behind the first two. As this stands it is right for layers that treat every pixel by
        itself, and for those that make something of another size from all of them.
        """
        keeps = "data" in self.shares or (len(bottom) == len(top) and bottom[2:] == top[2:])
        return Sees.PIXEL if keeps else Sees.ALL

    # What it may use ---------------------------------------------------------------------------

    def add_param(self, name: str, shape: Shape, filler: Any = None, value: float = 0.0) -> None:
        """Declare a learnable blob; fill_params() fills it as the FillerParameter `filler` says, or with `value`."""
        self.blobs.append(Blob(shape))
        self._fillers.append((filler, value))
        self.param_names.append(name)

    def save(self, name: str, shape: Shape, dtype: Any = np.float32) -> None:
        """Declare an array that forward and backward share; it is always there."""
        self.saved[name] = Saved(shape, dtype, False)

    def keep(self, name: str, shape: Shape, dtype: Any = np.float32) -> None:
        """Declare an array that only backward reads: forward gets None where no backward will run."""
        self.saved[name] = Saved(shape, dtype, True)

    def fail(self, text: str, kind: Callable[..., ModelError] = ShapeError) -> ModelError:
        """An error that names this layer, to be raised by the caller."""
        return kind(f"Layer '{self.name}' ({self.type}): {text}", layer=self.name)

    # What the graph calls ----------------------------------------------------------------------

    def connect(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Set the layer up for these blobs (once); `fit` follows."""
        self.check_counts(len(bottom), len(top))
        options = self.message if self.param is None else plugins.options_of(self.message, self.param)
        self.setup(options, *(b.shape for b in bottom))

    def fit(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Reshape the tops for the bottoms' present shapes."""
        self.saved.clear()
        shapes = self.reshape(*(b.shape for b in bottom))
        for blob, shape in zip(top, shapes, strict=True):
            if "data" in self.shares:
                blob.share_data(bottom[0])
            if "diff" in self.shares:
                blob.share_diff(bottom[0])
            blob.reshape(*shape)

    def fill_params(self, indices: Sequence[int]) -> None:
        """Give these parameters their first values: the graph does so where none are loaded or shared."""
        for index in indices:
            if index >= len(self._fillers):  # a Python layer's own blob
                continue
            blob, (filler, value) = self.blobs[index], self._fillers[index]
            if filler is None:
                blob.raw_data[...] = value
            else:
                fillers.fill(blob.raw_data, filler, self.seed, self.name, index)
            blob.data_storage.wrote()

    def check_counts(self, bottoms: int, tops: int) -> None:
        """Raise ModelError unless this type takes that many bottoms and tops."""
        for word, names, got in (("bottom", self.bottoms, bottoms), ("top", self.tops, tops)):
            low, high = arity(names)
            if self.pairwise:
                high = None
            if got < low or (high is not None and got > high):
                wanted = str(low) if low == high else f"{low} or more" if high is None else f"{low} to {high}"
                raise self.fail(
                    f"takes {wanted} {word} blob(s) ({', '.join(names) or 'none'}), but {got} are given.",
                    ModelError,
                )
        if self.pairwise and bottoms != tops:
            raise self.fail(f"makes one top for each bottom, but has {bottoms} bottoms and {tops} tops.", ModelError)

    def joins(self, *shapes: Shape) -> list[int] | None:
        """Where in the top each bottom lies, for layers whose top is their bottoms one after the other; else None."""
        return None

    @classmethod
    def definition(cls, name: str) -> Callable | None:
        """The module-level function `name` ("forward", "backward") of this type's file, if it has one."""
        return getattr(sys.modules[cls.__module__], name, None)

    @classmethod
    def stem(cls) -> str:
        """The file name this type's definition, kernels and tests share; ":" and the module for a plug-in."""
        package, _, name = cls.__module__.rpartition(".")
        return name if package == "caffelike.layers" else f":{cls.__module__}"


class HostLayer(Layer):
    """A layer that works on Blobs itself: data, output, Python and shape-from-data layers.

    Its tops may change shape in forward (`dynamic`): what follows is then reshaped before it runs.
    """

    dynamic: ClassVar[bool] = True

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read self.message and prepare; called once."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Give the tops their shapes; called before every forward pass."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Fill the tops' data from the bottoms'."""
        raise NotImplementedError

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Fill the diff of each bottom i with propagate_down[i]; parameter gradients are added."""
        if any(propagate_down):
            raise self.fail("has no gradient; set propagate_down: false on its bottoms.", ModelError)

    def connect(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Set the layer up for these blobs (once); `fit` follows."""
        self.check_counts(len(bottom), len(top))
        self.setup(bottom, top)

    def fit(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Let the layer reshape its tops."""
        self.reshape(bottom, top)

    def declared(self, tops: int) -> list[Shape | None]:
        """The tops' shapes as far as the definition alone tells them: what a checker goes on with without the data."""
        return [None] * tops

    def close(self) -> None:
        """Let go of files and threads; the layer is not used afterwards."""


def arity(names: Sequence[str]) -> tuple[int, int | None]:
    """(fewest, most) blobs that a tuple of names allows; most is None for any number."""
    low = sum(not n.startswith("*") and not n.endswith("?") for n in names)
    if any(n.startswith("*") for n in names):
        return max(low, 1), None
    return low, len(names)


def parameters(function: Callable) -> list[str]:
    """The names of a definition's or kernel's parameters, in order."""
    return list(inspect.signature(function).parameters)
