"""One layer with its arrays, run without a net, by its definition or a fast kernel, in any float dtype."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from caffelike import device as devices
from caffelike import registry, rng
from caffelike.binding import bind, by_name
from caffelike.blob import Blob, aligned_zeros
from caffelike.layer import HostLayer, Layer, Shape, arity, parameters
from caffelike.testing.inputs import Inputs, draw

Arrays = dict[str, np.ndarray]


class Bench:
    """The layer that `definition` describes, set up for bottoms of these shapes.

    definition: the inside of a prototxt's `layer { }`; name, bottom and top may be left out.
    shapes: of the bottoms. tops: how many, at least as many as the type needs by default. phase: 0 TRAIN, 1 TEST.
    dtype: of blobs and saved arrays. device: None runs the definition, "cpu" the kernels of caffelike/kernels/cpu,
    "cuda" those of caffelike/kernels/cuda, on copies. in_place: the first top is the first bottom's memory.
    seed, inputs: what the blobs are filled with, by the names the layer type declares (see
    caffelike.testing.inputs); parameters are blobs too.

    Every forward() starts from the same inputs, parameters and saved arrays, cleared or (if kept for backward) spoilt.
    Raises what the layer raises, and TypeError for a type that works on blobs itself (HostLayer).
    """

    def __init__(
        self,
        definition: str,
        shapes: Iterable[Shape],
        tops: int | None = None,
        phase: int = 0,
        dtype: type = np.float64,
        device: str | None = None,
        in_place: bool = False,
        inputs: Inputs | None = None,
        seed: int = 0,
    ):
        from caffelike.schema import message_class
        from caffelike.schema.text import parse

        self.dtype, self.device, self.in_place = dtype, device, in_place
        self._inputs, self._seed = dict(inputs or {}), seed
        shapes = [tuple(shape) for shape in shapes]
        message = parse(definition, message_class("LayerParameter"), "<layer>").message
        kind = registry.layers[message.type]
        if issubclass(kind, HostLayer):
            raise TypeError(f"{message.type} works on blobs itself; run it in a net.")
        message.name = message.name or "layer"
        if not message.bottom:
            message.bottom.extend(_labels(kind.bottoms, len(shapes)))
        if not message.top:
            fewest = max(arity(kind.tops)[0], 1 if kind.tops else 0)
            message.top.extend(f"top_{label}" for label in _labels(kind.tops, fewest if tops is None else tops))
        self.layer: Layer = kind(message, phase, seed)
        self._blobs = [Blob(shape) for shape in shapes], [Blob() for _ in message.top]
        self.layer.connect(*self._blobs)
        self.layer.fill_params(range(len(self.layer.blobs)))
        self._fit()

    def reshape(self, *shapes: Shape) -> None:
        """Give the bottoms other shapes; parameters keep their values."""
        for blob, shape in zip(self._blobs[0], shapes, strict=True):
            blob.reshape(*shape)
        self._fit()

    def _fit(self) -> None:
        layer, (bottom, top) = self.layer, self._blobs
        layer.fit(bottom, top)
        self.bottom_labels = _labels(layer.bottoms, len(bottom))
        generator = np.random.default_rng(self._seed)
        self.given: Arrays = {}  # what forward starts from, by label
        for label, declared, blob in zip(
            self.bottom_labels, _declared(layer.bottoms, len(bottom)), bottom, strict=True
        ):
            self.given[label] = draw(self._inputs, declared, blob.shape, generator)
        for name, blob in zip(layer.param_names, layer.blobs, strict=True):
            self.given[name] = draw(self._inputs, name, blob.shape, generator)
        self.bottoms = [self._new(blob.shape) for blob in bottom]
        self.tops = [self._new(blob.shape) for blob in top]
        if "data" in layer.shares:
            self.tops = [self.bottoms[0].reshape(blob.shape) for blob in top]
        elif self.in_place:
            self.tops[0] = self.bottoms[0]
        self.params = [self._new(blob.shape) for blob in layer.blobs]
        self.saved = {
            name: self._new(saved.shape, self.dtype if saved.dtype == np.float32 else saved.dtype)
            for name, saved in layer.saved.items()
        }
        self._before: np.ndarray | None = None

    def _new(self, shape: Shape, dtype: type | None = None) -> np.ndarray:
        return aligned_zeros(int(np.prod(shape, dtype=np.int64)), dtype or self.dtype).reshape(shape)

    def function(self, name: str) -> Callable | None:
        """The definition's or the kernel's "forward" or "backward"; a kernel may leave one out."""
        fast = devices.kernel(self.layer.stem(), name, self.device) if self.device else None
        return fast or self.layer.definition(name)

    def learnable(self) -> list[str]:
        """The labels of bottoms and parameters that backward can give a gradient of."""
        function = self.layer.definition("backward")
        if function is None:
            return []
        layer, known = self.layer, parameters(function)
        declared = _declared(layer.bottoms, len(self.bottoms))
        able = [
            label
            for label, name in zip(self.bottom_labels, declared, strict=True)
            if f"d{name}" in known and name not in layer.no_gradient
        ]
        return able + [name for name in layer.param_names if f"d{name}" in known]

    # Running -----------------------------------------------------------------------------------

    def forward(self) -> list[np.ndarray]:
        """The tops, computed from `given`."""
        for label, array in zip(self.bottom_labels, self.bottoms, strict=True):
            array[...] = self.given[label]
        for name, array in zip(self.layer.param_names, self.params, strict=True):
            array[...] = self.given[name]
        for name, saved in self.layer.saved.items():  # what is kept for backward has undefined contents
            array = self.saved[name]
            array[...] = 0 if not saved.for_backward else np.nan if array.dtype.kind == "f" else 77
        if self.in_place and self.layer.bottoms[0] in self.layer.backward_reads:
            self._before = self.bottoms[0].copy()
        function = self.function("forward")
        if function is not None:
            with np.errstate(all="ignore"):  # as the graph runs it: infinities and NaN are values like others
                for values in self._pairs(self._values()):
                    self._run("forward", function, values)
        return self.tops

    def backward(
        self,
        diffs: Sequence[np.ndarray],
        wanted: Iterable[str] | None = None,
        beta: int = 0,
        start: float = np.nan,
        poison: bool = False,
    ) -> Arrays:
        """Gradients by label, after a forward(), for these gradients of the tops.

        wanted: labels; by default all of learnable(). beta: 0 overwrites parameter gradients, 1 adds to them.
        start: what gradients hold before. poison: what backward_reads does not list is NaN meanwhile.
        """
        function = self.function("backward")
        if function is None:
            return {}
        layer = self.layer
        wanted = set(self.learnable() if wanted is None else wanted)
        top_diffs = [self._new(top.shape) for top in self.tops]
        for array, diff in zip(top_diffs, diffs, strict=True):
            array[...] = diff
        down: list[np.ndarray | None] = []
        for i, (label, array) in enumerate(zip(self.bottom_labels, self.bottoms, strict=True)):
            shared = self.in_place and i == 0
            new = top_diffs[0] if shared else self._new(array.shape)
            if not shared:
                new[...] = np.nan
            down.append(new if label in wanted else None)
        sums: dict[str, np.ndarray | None] = {}
        for name, array in zip(layer.param_names, self.params, strict=True):
            new = self._new(array.shape)
            new[...] = start
            sums[name] = new if name in wanted else None
        values = self._values() if self._before is None else self._values() | {layer.bottoms[0]: self._before}
        if poison:
            values = {n: v if n in (*layer.backward_reads, "key") else _poisoned(v) for n, v in values.items()}
        values |= {f"d{n}": v for n, v in by_name(layer.bottoms, down).items()}
        values |= {f"d{n}": v for n, v in by_name(layer.tops, top_diffs).items()}
        values |= {f"d{n}": v for n, v in sums.items()}
        with np.errstate(all="ignore"):
            for i, pair in enumerate(self._pairs(values, top_diffs, down)):
                self._run("backward", function, pair | {"beta": beta if i == 0 else 1})
        gradients = dict(zip(self.bottom_labels, down, strict=True)) | sums
        return {label: array for label, array in gradients.items() if array is not None}

    def _run(self, name: str, function: Callable, values: dict[str, Any]) -> None:
        """Call a definition or kernel; one for the GPU with copies there, which are copied back."""
        if self.device != devices.CUDA or function is self.layer.definition(name):
            _call(function, bind(function, self.layer, values))
            return
        door = devices.use()
        copies: dict[tuple[int, int], tuple[np.ndarray, Any]] = {}

        def moved(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(moved(v) for v in value)
            if not isinstance(value, np.ndarray) or value is values["key"]:
                return value
            place = value.__array_interface__["data"][0], value.size  # in place: one array under two names
            if place not in copies:
                copies[place] = value, door.on_device(value)
            return copies[place][1].reshape(value.shape)

        function(*bind(function, self.layer, {n: moved(v) for n, v in values.items()}))
        for host, copied in copies.values():
            host[...] = door.on_host(copied).reshape(host.shape)

    def _values(self) -> dict[str, Any]:
        layer = self.layer
        values = by_name(layer.bottoms, self.bottoms) | by_name(layer.tops, self.tops)
        values |= dict(zip(layer.param_names, self.params, strict=True))
        return values | self.saved | {"key": rng.new_key(self._seed, layer.name)}

    def _pairs(
        self,
        values: dict[str, Any],
        top_diffs: Sequence[np.ndarray] = (),
        down: Sequence[np.ndarray | None] = (),
    ) -> list[dict[str, Any]]:
        """One dictionary of values, or one for each (bottom, top) of a pairwise type."""
        if not self.layer.pairwise:
            return [values]
        x, y = self.layer.bottoms[0], self.layer.tops[0]
        pairs = [values | {x: b, y: t} for b, t in zip(self.bottoms, self.tops, strict=True)]
        for pair, dy, dx in zip(pairs, top_diffs, down, strict=False):
            pair |= {f"d{y}": dy, f"d{x}": dx}
        return pairs


def _call(function: Callable, arguments: tuple) -> None:
    """Call it; a kernel that a net repeats without Python (kernels/replay.py) first with other numbers, twice."""
    step, rest = devices.quick(function, arguments)
    if step is not function:
        arrays = [a for a in _arrays(arguments) if a.dtype.kind == "f"]
        before = [a.copy() for a in arrays]
        for _ in range(2):
            for array in arrays:
                array *= 0.5
            step(*rest)
        for array, values in zip(arrays, before, strict=True):
            array[...] = values
    step(*rest)


def _arrays(values: tuple) -> Iterator[np.ndarray]:
    for value in values:
        if isinstance(value, tuple):
            yield from _arrays(value)
        elif isinstance(value, np.ndarray):
            yield value


def _declared(names: Sequence[str], count: int) -> list[str]:
    """The declared name of each of `count` blobs, without its mark; the last one may stand for several."""
    plain = [name.strip("*?") for name in names]
    return [plain[min(i, len(plain) - 1)] if plain else f"blob{i}" for i in range(count)]


def _labels(names: Sequence[str], count: int) -> list[str]:
    """Different names for `count` blobs."""
    declared = _declared(names, count)
    return [name if declared.count(name) == 1 else f"{name}{i}" for i, name in enumerate(declared)]


def _poisoned(value: Any) -> Any:
    """NaN in place of every number of a float array or a tuple of them."""
    if isinstance(value, tuple):
        return tuple(_poisoned(v) for v in value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.full_like(value, np.nan)
    return value
