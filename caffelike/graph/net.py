"""The net, with pycaffe's names and behaviour."""

import difflib
import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from caffelike import device, log, rng
from caffelike.blob import Blob, Storage
from caffelike.errors import CaffelikeError, FileError, ShapeError
from caffelike.graph import backward, batches, weights
from caffelike.graph.build import Learnable, build, move_into
from caffelike.graph.definition import Definition
from caffelike.graph.node import Step
from caffelike.graph.phases import filter_layers
from caffelike.graph.plan import Plan
from caffelike.graph.splits import insert_splits
from caffelike.graph.unfuse import unfuse
from caffelike.layer import HostLayer, Layer
from caffelike.schema import TEST, TRAIN


class Net:
    """A net built from a definition, with its weights.

    Net(network_file, phase, level=0, stages=None, weights=None); a path as third argument is taken for the weights.
    Older scripts write Net(network_file, weights, phase).

    network_file: a .prototxt of any generation. phase: caffelike.TRAIN or caffelike.TEST. weights: a .caffemodel or
    .caffemodel.h5 to copy by layer name. level, stages: for include and exclude rules.

    blobs: OrderedDict of Blob by name; params: OrderedDict of lists of Blob by layer name; inputs, outputs: blob names
    (outputs in alphabetical order); layers, layer_dict: the layers, Split layers included.
    learnable, arena_data, arena_diff: what a solver updates, see `Learnable`.

    recipe: how a picture becomes its input, where it came from a bundle (`caffelike.recipe.Recipe`), else None.

    device: where it runs, "cpu" or "cuda"; None: where set_mode_cpu() and set_mode_gpu() say at each pass.

    Raises FileError, ParseError (with file:line:column), ModelError, ShapeError, WeightsError, DeviceError.

    Several nets may run in several threads at once; one net runs in one thread at a time, and a second one gets a
    CaffelikeError. A net can be pickled: as its definition and weights, to be built anew where it is loaded (data
    layers open their sources there and start at the beginning). `with Net(...) as net:` closes it at the end.
    """

    recipe: Any = None
    _device: str | None = None

    def __init__(
        self,
        network_file: str | os.PathLike,
        phase: int | str | os.PathLike = TEST,
        level: int | str | os.PathLike | None = None,
        stages: Sequence[str] | None = None,
        weights: str | os.PathLike | None = None,
        *,
        device: str | None = None,
    ):
        from caffelike.schema import text

        if device is not None:
            self.device = device

        if not isinstance(phase, int):  # Net(file, weights, phase)
            log.warning(
                "_caffe.cpp:140", "DEPRECATION WARNING - deprecated use of Python interface: Net(file, weights, phase)"
            )
            weights, phase, level = phase, (level if isinstance(level, int) else TEST), None
        elif level is not None and not isinstance(level, int):
            weights, level = level, None
        path = os.fspath(network_file)
        if not os.path.isfile(path):
            raise FileError(f"Could not open file {path}")
        document = text.read_net(path)
        message = document.message
        message.state.phase = phase
        message.state.level = level or 0
        message.state.stage.extend(stages or ())
        places = [document.where_layer(i) for i in range(len(message.layer))]
        self._init(message, path, places, None if weights is None else os.fspath(weights), None)

    @classmethod
    def build(
        cls,
        message: Any,
        phase: int | None = None,
        *,
        filename: str = "",
        level: int | None = None,
        stages: Sequence[str] = (),
        where: Callable[[int], str] | None = None,
        weights: str | None = None,
        share: "Net | None" = None,
        fill: bool = True,
        device: str | None = None,
    ) -> "Net":
        """A net from a NetParameter in today's form (`schema.upgrade` makes it one).

        phase, level: written into the message's state unless None; stages: added to it. filename: for messages and
        for files that layers name. where: index in message.layer -> "file:line". weights: a file to copy. share: a net
        whose parameter data is used instead of memory of its own. fill: give parameters that are neither loaded nor
        shared their fillers' values; False leaves zeros, for a net that is only looked at. device: as of Net().
        """
        copy = type(message)()
        copy.CopyFrom(message)
        if phase is not None:
            copy.state.phase = phase
        if level is not None:
            copy.state.level = level
        copy.state.stage.extend(stages)
        places = [where(i) if where else "" for i in range(len(copy.layer))]
        net = cls.__new__(cls)
        if device is not None:
            net.device = device
        net._init(copy, filename, places, weights, share, fill=fill)
        return net

    def _init(
        self,
        message: Any,
        filename: str,
        places: list[str],
        path: str | None,
        share: "Net | None",
        seed: int | None = None,
        fill: bool = True,
    ) -> None:
        from caffelike.schema import text

        self._definition = message
        self._lock = threading.RLock()
        self._closed = False
        state = message.state
        definitions = [Definition(layer, place) for layer, place in zip(message.layer, places, strict=True)]
        definitions = filter_layers(definitions, state)
        if log.enabled():
            shown = type(message)()
            shown.CopyFrom(message)
            del shown.layer[:]
            shown.layer.extend(d.message for d in definitions)
            log.info("net.cpp:53", "Initializing net from parameters: \n" + text.format(shown))
        definitions = insert_splits(unfuse(definitions))
        self.name: str = message.name
        self.phase: int = state.phase
        self.filename = filename
        self.seed = rng.next_seed() if seed is None else seed
        # Blobs of a half-built net report their first shapes to nobody: the plan comes after them.
        self._plan: Plan | None = None
        built = build(definitions, self.phase, self.seed, os.path.dirname(filename), self._on_change)
        self._nodes = built.nodes
        self.learnable: list[Learnable] = built.learnable
        self._arenas = built.arena_data, built.arena_diff
        self.inputs, self.outputs = built.inputs, built.outputs
        self._blobs_by_name: OrderedDict[str, Blob] = OrderedDict(zip(built.blob_names, built.blobs, strict=True))
        self._blob_list, self._blob_names = built.blobs, built.blob_names
        backward.mark(self._nodes, message.force_backward)
        for name in self.outputs:
            log.info("net.cpp:244", f"This network produces output {name}")
        self._plan = Plan(self._nodes, self.learnable)
        self._callbacks: dict[str, list[Callable[[int], None]]] = {}
        self._give_weights(path, share, fill)
        self._own = frozenset(self.__dict__)
        log.info("net.cpp:257", "Network initialization done.")

    def _on_change(self) -> None:
        if self._plan:
            self._plan.shape_changed()

    def _give_weights(self, path: str | None, share: "Net | None", fill: bool) -> None:
        """Share or load parameters; the rest gets its fillers' values."""
        given: set[int] = set()
        if share is not None:
            self.share_with(share)
            given |= {id(own.blob.data_storage) for own in share.learnable}
        if path is not None:
            given |= self._copy(path)
        for node in self._nodes if fill else ():
            fresh = [i for i, b in enumerate(node.layer.blobs) if id(b.data_storage) not in given]
            node.layer.fill_params(fresh)
            given.update(id(node.layer.blobs[i].data_storage) for i in fresh)

    # Where it runs -----------------------------------------------------------------------------

    @property
    def device(self) -> str:
        """Where its next pass runs: "cpu" or "cuda". Setting it moves the net, with the values it has."""
        return self._device or device.mode()

    @device.setter
    def device(self, name: str) -> None:
        self._device = device.named(name)

    # Memory ------------------------------------------------------------------------------------

    @property
    def arena_data(self) -> np.ndarray:
        """All parameters that learn, one after the other, in the computer's memory; take it anew for each use."""
        for own in self.learnable:
            own.blob.data_storage.write_host()
        return self._arenas[0]

    @property
    def arena_diff(self) -> np.ndarray:
        """Their gradients, as `arena_data`."""
        for own in self.learnable:
            own.blob.diff_storage.write_host()
        return self._arenas[1]

    def move_parameters(self, data: np.ndarray, diff: np.ndarray) -> None:
        """Keep the parameters and their gradients (zeros now) in these arrays, as large as the arenas, from now on.

        Nets that share them must `rebind`.
        """
        move_into(data, diff, self.learnable)
        self._arenas = data, diff
        self.rebind()

    def rebind(self) -> None:
        """Look anew where all blobs are before the next pass: the memory of some has changed."""
        self._on_change()

    def share_memory(self, on: bool = True) -> None:
        """Let data and gradients inside the net take turns in one piece of memory: for runs that nobody looks into.

        Inputs, outputs, losses, parameters and what Python and data layers see keep theirs, so forward(data=...) works
        as before, and faster: less memory is in use at a time, one image's Concat has nothing left to copy, and a
        convolution adds a shortcut or takes the maxima behind it as it stores. Taking `blobs`, asking forward or
        backward for others, or setting a callback ends it: from the next pass on every blob shows what it holds, as in
        a net that never did this.
        """
        assert self._plan
        self._plan.share_memory(on)

    @property
    def shares_memory(self) -> bool:
        """Whether `share_memory` is in force."""
        return bool(self._plan and self._plan.sharing)

    def _own_memory(self) -> None:
        if self.shares_memory:
            self.share_memory(False)

    # What pycaffe shows ------------------------------------------------------------------------

    @property
    def blobs(self) -> "OrderedDict[str, Blob]":
        """Blobs by name."""
        self._own_memory()
        return self._blobs_by_name

    @property
    def layers(self) -> list[Layer]:
        """All layers in order, Split layers included; a layer written in Python is the object of the user's class."""
        return [getattr(node.layer, "user", node.layer) for node in self._nodes]

    @property
    def _layer_names(self) -> list[str]:
        return [node.name for node in self._nodes]

    @property
    def layer_dict(self) -> "OrderedDict[str, Layer]":
        """Layers by name."""
        return OrderedDict(zip(self._layer_names, self.layers, strict=True))

    @property
    def params(self) -> "OrderedDict[str, list[Blob]]":
        """Parameter blobs by layer name, for layers that have any."""
        return OrderedDict((node.name, node.layer.blobs) for node in self._nodes if node.layer.blobs)

    @property
    def top_names(self) -> "OrderedDict[str, list[str]]":
        """The tops' names by layer name."""
        return OrderedDict((node.name, list(node.top_names)) for node in self._nodes)

    @property
    def bottom_names(self) -> "OrderedDict[str, list[str]]":
        """The bottoms' names by layer name."""
        return OrderedDict((node.name, list(node.bottom_names)) for node in self._nodes)

    @property
    def blob_loss_weights(self) -> "OrderedDict[str, float]":
        """The weight of each blob in the loss, by name."""
        found = OrderedDict((name, 0.0) for name in self._blob_names)
        for node in self._nodes:
            for name, weight in zip(node.top_names, node.loss_weights, strict=True):
                if weight:
                    found[name] = weight
        return found

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    @property
    def input_blobs(self) -> list[Blob]:
        """The blobs of `inputs`, whose memory is their own even where others share it."""
        return [self._blobs_by_name[name] for name in self.inputs]

    @property
    def output_blobs(self) -> list[Blob]:
        """The blobs of `outputs`, whose memory is their own even where others share it."""
        return [self._blobs_by_name[name] for name in self.outputs]

    @property
    def _inputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.inputs]

    @property
    def _outputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.outputs]

    @property
    def _blobs(self) -> list[Blob]:
        self._own_memory()
        return list(self._blob_list)

    def _top_ids(self, layer: int) -> list[int]:
        return list(self._nodes[layer].top_ids)

    def _bottom_ids(self, layer: int) -> list[int]:
        return list(self._nodes[layer].bottom_ids)

    # Running -----------------------------------------------------------------------------------

    def forward(
        self,
        blobs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **inputs: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Run the layers from `start` to `end` (names, both included; default all).

        inputs: arrays for the input blobs by name, all of them or none; where one has another shape than its blob, but
        as many axes, the net is reshaped to it. blobs: further blobs to return.
        Returns views, not copies, of the output blobs (or of the tops of `end`) and of `blobs`, by name.
        Raises CaffelikeError when the inputs' names do not match, ShapeError for shapes that the net cannot take; the
        net then has its old shapes.
        """
        first = self._index(start, 0)
        last = self._index(end, len(self._nodes) - 1)
        wanted = set(self.outputs if end is None else self._nodes[last].top_names) | set(blobs or ())
        with self._running():
            if start or end or not wanted.issubset({*self.inputs, *self.outputs}):
                self._own_memory()  # somebody looks inside
            if inputs:
                self._check_names(inputs, self.inputs, "Input blob arguments do not match net inputs")
                self._feed({name: np.asarray(array) for name, array in inputs.items()})
            self.run_forward(first, last)
            return {name: self._blob(name).data for name in sorted(wanted)}

    def _feed(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Copy arrays into the input blobs; these are reshaped where neither shape nor broadcasting fits."""
        before = {}
        for name, array in inputs.items():
            blob = self._blobs_by_name[name]
            if _broadcasts(array.shape, blob.shape):
                continue
            if array.ndim != len(blob.shape):
                raise ShapeError(
                    f"Input is not batch sized: '{name}' takes {blob.shape}, but {array.shape} was given. Give it as"
                    f" many axes; array[None] is a batch of one."
                )
            before[name] = blob.shape
            blob.reshape(*array.shape)
        if before:
            try:
                self.reshape()
            except CaffelikeError:
                for name, shape in before.items():
                    self._blobs_by_name[name].reshape(*shape)
                raise
        for name, array in inputs.items():
            self._blobs_by_name[name].data[...] = array

    def backward(
        self,
        diffs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **top_diffs: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Run the gradients from layer `start` down to `end` (names, both included; default all).

        top_diffs: gradients of the output blobs by name, all of them or none. diffs: further blobs to return.
        Parameter gradients are added to what their diffs hold; see `clear_param_diffs`.
        Returns views of the diffs of the input blobs (or of the bottoms of `end`) and of `diffs`, by name.
        """
        first = self._index(start, len(self._nodes) - 1)
        last = self._index(end, 0)
        wanted = set(self.inputs if end is None else self._nodes[last].bottom_names) | set(diffs or ())
        if not any(node.needs_backward for node in self._nodes):
            log.warning(
                "net.cpp:560",
                "backward() has nothing to do: no loss in this net. Add one, or write force_backward: true.",
            )
        self._own_memory()
        with self._running():
            if top_diffs:
                self._check_names(top_diffs, self.outputs, "Top diff arguments do not match net outputs")
                for name, array in top_diffs.items():
                    self._assign_diff(self.blobs[name], name, np.asarray(array))
            self.run_backward(first, last)
            return {name: self._blob(name).diff for name in sorted(wanted)}

    def forward_all(self, blobs: Sequence[str] | None = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run arrays of any length forward in batches of the net's size; copies of the outputs and of `blobs`.

        The last batch is filled up with zeros, and what they give is cut off. An output without a batch axis has one
        value for each batch. Raises CaffelikeError as `forward` does.
        """
        return batches.forward_all(functools.partial(self.forward, blobs=blobs), self._batch_size(), inputs)

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **arrays: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Run arrays of any length forward and backward in batches: (blobs, diffs) by name, copies.

        arrays: by name, for the inputs (forward) and for the outputs' diffs (backward). blobs, diffs: what to return
        beside outputs and inputs' gradients. Parameter gradients add up. See `forward_all`.
        """
        unknown = sorted(set(arrays) - set(self.inputs) - set(self.outputs))
        if unknown:
            raise CaffelikeError(
                f"forward_backward_all: {', '.join(unknown)} is no input ({', '.join(self.inputs)}) and no output"
                f" ({', '.join(self.outputs)})."
            )
        return batches.forward_backward_all(
            functools.partial(self.forward, blobs=blobs),
            functools.partial(self.backward, diffs=diffs),
            self._batch_size(),
            {name: arrays[name] for name in self.inputs if name in arrays},
            {name: arrays[name] for name in self.outputs if name in arrays},
        )

    def _batch_size(self) -> int:
        name = self.inputs[0] if self.inputs else self._blob_names[0]
        return (self._blobs_by_name[name].shape or (1,))[0]

    def _batch(self, blobs: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        return batches.batches(blobs, self._batch_size())

    def _forward(self, start: int, end: int) -> float:
        return self.run_forward(start, end)

    def _backward(self, start: int, end: int) -> None:
        self.run_backward(start, end)

    @contextmanager
    def _running(self) -> Iterator[Plan]:
        """The plan, for this thread alone. Raises CaffelikeError when another thread has it, or the net is closed."""
        if not self._lock.acquire(blocking=False):
            raise CaffelikeError(
                f"Net '{self.name}' is running in another thread. Give each thread a net of its own (other.share_with("
                "net) lets them use the same weights), or hold a lock of yours around this one."
            )
        try:
            if self._closed or self._plan is None:
                raise CaffelikeError(f"Net '{self.name}' is closed; build it anew to run it.")
            yield self._plan
        finally:
            self._lock.release()

    def steps(self) -> list[Step]:
        """What a whole pass forward and backward runs, in its order: functions and their arguments."""
        with self._running() as plan:
            return plan.steps()

    def run_forward(self, start: int = 0, end: int | None = None) -> float:
        """Run layers start..end by index; returns the weighted loss."""
        last = len(self._nodes) - 1 if end is None else end
        with self._running() as plan:
            if last - start + 1 < len(self._nodes):
                self._own_memory()  # what is shared fits whole passes
            if not self._callbacks:
                return plan.forward(start, last, self.device)
            loss = 0.0
            for i in range(start, last + 1):
                self._call("before_forward", i)
                loss += plan.forward(i, i, self.device)
                self._call("after_forward", i)
            return loss

    def run_backward(self, start: int | None = None, end: int = 0, beta: int = 1) -> None:
        """Run backward from layer `start` (default the last) down to `end` by index.

        beta: 1 adds to the parameter gradients; 0 overwrites them (whole passes only).
        """
        first = len(self._nodes) - 1 if start is None else start
        with self._running() as plan:
            if first - end + 1 < len(self._nodes):
                self._own_memory()
            if not self._callbacks:
                plan.backward(first, end, beta, self.device)
                return
            if beta == 0:
                self.clear_param_diffs()
            for i in range(first, end - 1, -1):
                self._call("before_backward", i)
                plan.backward(i, i, 1, self.device)
                self._call("after_backward", i)

    def on_layer_done(self, function: Callable[[int], None] | None, forward: bool = False) -> None:
        """Let backward, or forward, tell a function the index of each layer whose steps have run; None: nobody.

        Unlike callbacks of `after_backward` and `after_forward` it leaves fused layers fused.
        """
        assert self._plan
        if forward:
            self._plan.layer_ran = function
        else:
            self._plan.layer_done = function

    def forward_backward(self, beta: int = 0) -> float:
        """One whole forward and backward pass; returns the loss. beta: as in `run_backward`."""
        loss = self.run_forward()
        self.run_backward(beta=beta)
        return loss

    def reshape(self, shrink: bool = False) -> None:
        """Fit all layers to the present shapes of the inputs; forward() does so by itself.

        shrink: give back memory that larger shapes took; arrays taken from `.data` and `.diff` before are cut off then.
        """
        with self._running() as plan:
            plan.shape_changed()
            plan.refresh(self.device)
            if shrink:
                self._shrink()
                plan.shape_changed()
                plan.refresh(self.device)

    def _shrink(self) -> None:
        """Cut the memory of activations, parameters left out, to what their largest blob needs."""
        kept = {id(storage) for n in self._nodes for b in n.layer.blobs for storage in (b.data_storage, b.diff_storage)}
        needed: dict[int, tuple[Storage, int]] = {}
        for blob in self._blob_list:
            for storage in (blob.data_storage, blob.diff_storage):
                if id(storage) not in kept:
                    needed[id(storage)] = (storage, max(blob.count, needed.get(id(storage), (storage, 0))[1]))
        for storage, count in needed.values():
            storage.trim(count)

    def clear_param_diffs(self) -> None:
        """Set all parameter gradients to zero."""
        for own in self.learnable:
            own.blob.zero_diff()

    def before_forward(self, function: Callable[[int], None]) -> None:
        """Call function(layer index) before each layer's forward from now on."""
        self._call_back("before_forward", function)

    def after_forward(self, function: Callable[[int], None]) -> None:
        """Call function(layer index) after each layer's forward from now on."""
        self._call_back("after_forward", function)

    def before_backward(self, function: Callable[[int], None]) -> None:
        """Call function(layer index) before each layer's backward from now on."""
        self._call_back("before_backward", function)

    def after_backward(self, function: Callable[[int], None]) -> None:
        """Call function(layer index) after each layer's backward from now on."""
        self._call_back("after_backward", function)

    def _call_back(self, when: str, function: Callable[[int], None]) -> None:
        self._own_memory()
        self._callbacks.setdefault(when, []).append(function)

    def _call(self, when: str, layer: int) -> None:
        for function in self._callbacks.get(when, ()):
            function(layer)

    def _index(self, name: str | None, default: int) -> int:
        if name is None:
            return default
        try:
            return self._layer_names.index(name)
        except ValueError:
            near = difflib.get_close_matches(name, self._layer_names, n=3)
            shown = ", ".join(self._layer_names[:20]) + (", ..." if len(self._layer_names) > 20 else "")
            hint = f"did you mean {' or '.join(near)}?" if near else f"its layers are {shown}."
            raise CaffelikeError(f"Net '{self.name}' has no layer '{name}'; {hint}") from None

    def _blob(self, name: str) -> Blob:
        try:
            return self._blobs_by_name[name]
        except KeyError:
            raise CaffelikeError(
                f"Net '{self.name}' has no blob '{name}'; its blobs are {', '.join(self._blob_names)}."
            ) from None

    @staticmethod
    def _check_names(given: dict[str, Any], known: list[str], text: str) -> None:
        if set(given) != set(known):
            raise CaffelikeError(
                f"{text}: given {', '.join(sorted(given))}; needed {', '.join(sorted(known)) or 'none'}."
            )

    @staticmethod
    def _assign_diff(blob: Blob, name: str, array: np.ndarray) -> None:
        if not _broadcasts(array.shape, blob.shape):
            raise ShapeError(
                f"Diff is not batch sized: '{name}' takes an array of shape {blob.shape}, but {array.shape} was given."
            )
        blob.diff[...] = array

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Let the net's first layer, a MemoryData, deliver these records from the next forward pass on.

        data: (n, channels, height, width), labels: n values, n a multiple of its batch_size. Raises CaffelikeError.
        """
        self._memory_layer("set_input_arrays").reset(data, labels)

    def _set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        self.set_input_arrays(data, labels)

    def set_input_source(self, source: Any) -> None:
        """Let the net's first layer, a MemoryData, deliver what `source` yields from the next forward pass on.

        source: an iterable of (data, label), one record or several each, or a function that returns one, such as a
        generator function; see `MemoryData.feed`. Raises CaffelikeError.
        """
        self._memory_layer("set_input_source").feed(source)

    def _memory_layer(self, called: str) -> Any:
        layer: Any = self._nodes[0].layer if self._nodes else None
        if layer is None or layer.type not in ("MemoryData", "RemoteData"):
            raise CaffelikeError(
                f"{called} may only be called if the first layer is a MemoryData; net '{self.name}' begins with"
                f" {layer.type if layer else 'nothing'}. Fill net.blobs[...].data instead."
            )
        return layer

    # Weights -----------------------------------------------------------------------------------

    def copy_from(self, path: str | os.PathLike) -> None:
        """Copy weights by layer name from a .caffemodel or .h5 file. Raises FileError or WeightsError."""
        self._copy(os.fspath(path))

    def _copy(self, path: str) -> set[int]:
        from caffelike.schema import weights as stored

        file = stored.read_weights(path)
        # HDF5 files, known by their content, hold shared parameters once.
        return weights.copy_weights(self._nodes, file.layers, path, fewer=file.generation == "HDF5")

    def unmatched_weights(self, paths: Iterable[str]) -> list[str]:
        """Sentences on which layers the files' weights do not reach, and which weights reach none; none if all fit."""
        from caffelike.schema import weights as stored

        files = {path: [layer.name for layer in stored.read_weights(path).layers if layer.blobs] for path in paths}
        return weights.unmatched(self._nodes, files)

    def load_hdf5(self, path: str | os.PathLike) -> None:
        """Copy weights from an HDF5 file whatever its name."""
        from caffelike.schema import weights as stored

        name = os.fspath(path)
        weights.copy_weights(self._nodes, stored.read_hdf5_weights(name).layers, name, fewer=True)

    def save(self, path: str | os.PathLike, write_diff: bool = False) -> None:
        """Write the net with its weights as a .caffemodel that Caffe reads; `path` is replaced at the very end."""
        from caffelike.schema import weights as stored

        stored.write_weights(os.fspath(path), self.name, self._stored_layers(write_diff))

    def save_hdf5(self, path: str | os.PathLike, write_diff: bool = False) -> None:
        """Write the weights as Caffe's HDF5 form; shared parameters are stored once."""
        from caffelike.schema import weights as stored

        stored.write_hdf5_weights(os.fspath(path), self._stored_layers(write_diff, owners_only=True))

    def _stored_layers(self, write_diff: bool, owners_only: bool = False) -> list[Any]:
        """The layers with their parameter arrays, as `schema.weights` takes them."""
        from caffelike.schema.weights import LayerArrays

        owned = {(own.layer, own.index) for own in self.learnable}
        layers = []
        for node in self._nodes:
            blobs: list[Any] = []
            for i, blob in enumerate(node.layer.blobs):
                if owners_only and (node.name, i) not in owned:
                    blobs.append(None)
                else:
                    blobs.append((blob.raw_data, blob.raw_diff if write_diff else None))
            layers.append(LayerArrays(node.layer.message, blobs))
        return layers

    def share_with(self, other: "Net") -> None:
        """Use the parameter data of `other`'s layers of the same names from now on."""
        weights.share_weights(self._nodes, other._nodes)

    # Life --------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of files, prefetch threads and the memory of running. It cannot run afterwards; blobs can be read."""
        self._closed = True
        self._plan = None
        for node in self._nodes:
            node.arrays.clear()
            node.gpu_arrays.clear()
            if isinstance(node.layer, HostLayer):
                node.layer.close()

    def __enter__(self) -> "Net":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable, tuple]:
        # Attributes that others added (a Classifier's transformer) come along, callbacks do not.
        extra = {name: value for name, value in self.__dict__.items() if name not in self._own and name != "_own"}
        shapes = {name: self.blobs[name].shape for name in self.inputs}
        values = [np.array(own.blob.raw_data) for own in self.learnable]
        definition = self._definition.SerializeToString()
        return _rebuilt, (type(self), definition, self.filename, self.seed, shapes, values, extra)

    def __repr__(self) -> str:
        phase = "TRAIN" if self.phase == TRAIN else "TEST"
        return f"<Net '{self.name}' {phase}: {len(self._nodes)} layers>"


def _rebuilt(
    cls: type[Net],
    definition: bytes,
    filename: str,
    seed: int,
    shapes: dict[str, tuple[int, ...]],
    values: list[np.ndarray],
    extra: dict[str, Any],
) -> Net:
    """A net out of its pickle."""
    from caffelike.schema import message_class

    message = message_class("NetParameter").FromString(definition)
    net = cls.__new__(cls)
    net._init(message, filename, [""] * len(message.layer), None, None, seed)
    for own, value in zip(net.learnable, values, strict=True):
        own.blob.raw_data[...] = value
        own.blob.data_storage.wrote()
    for name, shape in shapes.items():
        net.blobs[name].reshape(*shape)
    net.__dict__.update(extra)
    return net


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of `shape` may fill a blob: of its shape, a scalar, or of its batch size and broadcastable."""
    if shape == to or not shape:
        return True
    if not to or shape[0] != to[0]:
        return False
    return len(shape) == len(to) and all(a in (1, b) for a, b in zip(shape, to, strict=True))
