"""The plan of a net: every layer's functions bound to their arrays, once per shape.

A step is (function, arguments); running a net is a loop over steps. When a blob changes its shape the
plan is stale, and the next pass fits all layers and binds anew.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from caffelike import device
from caffelike.binding import bind, by_name
from caffelike.blob import Blob, Storage
from caffelike.errors import CaffelikeError, DeviceError, LabelError, LabelWarning, ModelError
from caffelike.graph import fuse
from caffelike.graph.build import Learnable, fill_loss_diffs
from caffelike.graph.definition import at
from caffelike.graph.memory import Shared
from caffelike.graph.node import COPY_OF_BOTTOM, COPY_OF_TOP, Node, Step
from caffelike.graph.place import GPU, HOST, after_gpu, before_cpu, before_gpu, place_of, storages
from caffelike.layer import HostLayer
from caffelike.schema import TEST


class Plan:
    """The bound steps of a net's forward and backward pass."""

    def __init__(self, nodes: list[Node], learnable: list[Learnable]):
        self._nodes, self._learnable = nodes, learnable
        self._forward: list[list[Step]] = [[] for _ in nodes]
        self._whole: list[list[Step]] = [[] for _ in nodes]  # as _forward, with in-place chains fused
        self._losses: list[list[tuple[Blob, np.ndarray, np.ndarray]]] = [[] for _ in nodes]
        self._learned: dict[int, fuse.Learned] = {}  # chains that are one step in both passes, by their last layer
        self._backward: dict[int, list[list[Step]]] = {}
        self._whole_backward: dict[int, list[list[Step]]] = {}
        self._unwritten: list[Blob] = []
        self._device = device.CPU  # where the steps are bound for
        self._places: list[Any] = [HOST for _ in nodes]
        self._told: set[str] = set()  # layers of which was said that they stay on the CPU
        self._used: list[Storage] = []  # what the steps may touch
        self._stale = True
        self._fitted = True
        self.sharing = False  # see share_memory
        self._shared: Shared | None = None
        self.layer_ran: Callable[[int], None] | None = None  # told after each layer's forward steps
        self.layer_done: Callable[[int], None] | None = None  # told after each layer's backward steps

    # Keeping it current ----------------------------------------------------------------------

    def shape_changed(self) -> None:
        """A blob of the net changed its shape or memory: fit and bind again before the next pass."""
        self._stale = True
        self._fitted = False

    def share_memory(self, on: bool) -> None:
        """Let inner blobs take turns in one piece of memory from the next pass on, or end that."""
        self.sharing = on
        if not on and self._shared:
            self._shared.end()
            self._shared = None
        self._stale = True

    @property
    def shared(self) -> Shared | None:
        """The memory that blobs share, while they do."""
        return self._shared

    def refresh(self, on: str = device.CPU) -> None:
        """Fit every layer to its bottoms' shapes and bind all steps for that device, if anything changed."""
        if on != self._device:
            self._device, self._stale = on, True
        if not self._stale:
            return
        if not self._fitted:
            self._fit_from(0)
        if on == device.CUDA:
            if self._shared:  # blobs have memory of their own there
                self._shared.end()
                self._shared = None
        elif self.sharing:
            self._shared = Shared(self._nodes)
        self._bind_from(0)

    def _fit_from(self, start: int) -> None:
        for node in self._nodes[start:]:
            if node.bottom:
                try:
                    node.layer.fit(node.bottom, node.top)
                except CaffelikeError as error:
                    raise at(node.place, error) from error
                fill_loss_diffs(node)
        self._fitted = True

    # Binding ---------------------------------------------------------------------------------

    def _bind_from(self, start: int) -> None:
        for i in range(start, len(self._nodes)):
            self._bind_node(i)
        blobs = {id(b): b for n in self._nodes for b in (*n.bottom, *n.top, *n.layer.blobs)}.values()
        used = [*storages(blobs), *storages(blobs, diffs=True)]
        self._used = list({id(s): s for s in used if s.array.size}.values())
        self._whole[start:] = self._forward[start:]
        self._backward.clear()
        self._whole_backward.clear()
        self._learned = {last: chain for last, chain in self._learned.items() if last < start}
        self._stale = False
        if self._device == device.CPU:
            self._fuse_from(start)
            self._whole[start:] = [self._quick(self._whole, i) for i in range(start, len(self._nodes))]
        else:
            self._fuse_on_gpu_from(start)

    def _bind_node(self, i: int) -> None:
        node = self._nodes[i]
        try:
            if self._device == device.CUDA and isinstance(node.layer, HostLayer) and not node.bottom:
                for storage in storages(node.top):  # batches: the GPU fetches one while the next is made
                    storage.pin()
            self._places[i] = HOST if self._device == device.CPU else place_of(node, self._told)
            self._bind_forward(i)
        except DeviceError as error:
            raise self._explain(i, error) from error

    def _fuse_from(self, start: int) -> None:
        done = start
        merged = self._shared.merged if self._shared else {}
        summed = self._shared.summed if self._shared else {}
        for i in range(start, len(self._nodes)):
            if i < done:  # the kernel of an earlier layer does this one, too
                self._whole[i] = []
            elif i in merged:
                step, length = fuse.merged(self._nodes, merged[i], self.values, self._keeps_copy)
                self._whole[i], done = [step], i + length
            elif i in summed:
                chain = summed[i]
                done = i + len(chain.nodes)
                self._whole[i] = [chain.bind(chain.forward, [self.values(n) for n in chain.nodes])]
            elif (learned := self._learned_from(i)) is not None:
                done = i + len(learned.nodes)
                self._learned[done - 1] = learned
                self._whole[i] = [learned.bind(learned.forward, [self.values(n) for n in learned.nodes], self._kept(i))]
            elif (found := fuse.chain(self._nodes, i, self.values, self._keeps_copy)) is not None:
                step, length = found
                self._whole[i], done = [step], i + length

    def _quick(self, whole: list[list[Step]], i: int, back: bool = False) -> list[Step]:
        """The steps of layer i with less Python; what no blob uses meanwhile is spare.

        They may do the layers after it, too (backward: before it), which then have no steps.
        """
        if not (whole[i] and self._shared):
            return [device.quick(*step) for step in whole[i]]
        end = i - 1 if back else i + 1
        while 0 <= end < len(whole) and not whole[end]:
            end += -1 if back else 1
        moments = (2 * len(whole) - 1 - i, 2 * len(whole) - 2 - end) if back else (i, end - 1)
        spare = partial(self._shared.spare, *moments)
        return [device.quick(*step, spare) for step in whole[i]]

    def _fuse_on_gpu_from(self, start: int) -> None:
        for i in range(start, len(self._nodes) - 1):
            if not self._whole[i] or self._places[i] is not GPU or self._places[i + 1] is not GPU:
                continue
            step = fuse.on_gpu(self._nodes, i, lambda node: self.values(node, GPU), self._keeps_copy)
            if step is not None:
                self._whole[i] = [*self._crossing(self._nodes[i], GPU), step]
                self._whole[i + 1] = []

    def _learned_from(self, i: int) -> fuse.Learned | None:
        """The chain that learns from layer i on, unless it leaves a gradient in a blob that would hold another."""
        if not (self.sharing or (self._nodes[i].top and self._nodes[i].in_place(0))):
            return None
        return fuse.learned(self._nodes, i, self._keeps_copy)

    def values(self, node: Node, place: Any = HOST) -> dict[str, Any]:
        """Arrays by name for `bind`, without gradients."""
        return node.values(place.data) | self._saved(node, place) | {"key": node.key}

    def _saved(self, node: Node, place: Any) -> dict[str, Any]:
        arrays: dict[str, Any] = {}
        for name, saved in node.layer.saved.items():
            skipped = saved.for_backward and not node.needs_backward
            arrays[name] = None if skipped else self._array(node, place, name, saved.shape, saved.dtype)
        return arrays

    def _bind_forward(self, i: int) -> None:
        node = self._nodes[i]
        layer = node.layer
        place = self._places[i]
        self._losses[i] = self._weighted(node)
        if isinstance(layer, HostLayer):
            self._forward[i] = [*self._crossing(node, place), (self._run_host, (i,))]
            return
        steps: list[Step] = []
        function = place.function(layer, "forward")
        if function is not None and not (self._shared and self._shared.joined(node)):
            if layer.random:
                steps.append((_next_pass, (node.key,)))
            if (copied := self._private_bottom(i)) is not None and copied is not self._producers_copy(i):
                steps.append((place.copy, (copied, place.data(node.bottom[0]))))
            if self._device == device.CPU and (packed := fuse.packed(node, self.values)) is not None:
                steps.append(packed)
            else:
                steps += [(function, bind(function, layer, values)) for values in self._pairs(node, place)]
            if (copied := self._private_top(i)) is not None:
                steps.append((place.copy, (copied, place.data(node.top[0]))))
        self._forward[i] = [*self._crossing(node, place), *steps] if steps else []

    @staticmethod
    def _weighted(node: Node) -> list[tuple[Blob, np.ndarray, np.ndarray]]:
        """The tops that count in the loss, with their values and weights."""
        return [(t, t.raw_data, t.raw_diff) for t, w in zip(node.top, node.loss_weights, strict=True) if w]

    def _crossing(self, node: Node, place: Any) -> list[Step]:
        """The step before a layer's forward that brings its blobs to where it runs; none in a net on the CPU."""
        if self._device == device.CPU:
            return []
        return [place.crossing(storages(node.bottom), storages((*node.top, *node.layer.blobs)))]

    def _crossing_back(self, node: Node, place: Any) -> list[Step]:
        """The same for its backward."""
        if self._device == device.CPU:
            return []
        params = node.layer.blobs
        read = [*storages((*node.bottom, *node.top, *params)), *storages(node.top, diffs=True)]
        written = [b for b, on in zip(node.bottom, node.bottom_backward, strict=True) if on]
        written += [b for b, on in zip(params, node.param_backward, strict=True) if on]
        return [place.crossing(read, storages(written, diffs=True))]

    def _pairs(self, node: Node, place: Any) -> list[dict[str, Any]]:
        """One dictionary of values, or one for each (bottom, top) pair of a pairwise layer."""
        values, data = self.values(node, place), place.data
        if not node.layer.pairwise or len(node.bottom) < 2:
            return [values]
        x, y = node.layer.bottoms[0], node.layer.tops[0]
        return [values | {x: data(b), y: data(t)} for b, t in zip(node.bottom, node.top, strict=True)]

    def _private_bottom(self, i: int) -> np.ndarray | None:
        """A copy of an in-place layer's input, where its backward reads what it overwrites."""
        node = self._nodes[i]
        reads = node.layer.bottoms and node.layer.bottoms[0] in node.layer.backward_reads
        if not (reads and node.needs_backward and node.top and node.in_place(0)):
            return None
        if (kept := self._producers_copy(i)) is not None:
            return kept
        return self._array(node, self._places[i], COPY_OF_BOTTOM, node.bottom[0].shape)

    def _producers_copy(self, i: int) -> np.ndarray | None:
        """The copy that the layer before keeps of what is layer i's bottom, if it keeps one."""
        bottom = self._nodes[i].bottom[0]
        producer = next((j for j in range(i - 1, -1, -1) if any(bottom is t for t in self._nodes[j].top)), None)
        same = producer is not None and self._places[producer] is self._places[i]
        return self._private_top(producer) if producer is not None and same else None

    def _keeps_copy(self, i: int) -> bool:
        return self._private_bottom(i) is not None or self._private_top(i) is not None

    def _kept(self, i: int) -> np.ndarray:
        """What lies between the first two layers of a chain that learns, from layer i on."""
        kept = self._private_bottom(i + 1)
        assert kept is not None
        return kept

    def _private_top(self, i: int) -> np.ndarray | None:
        """A copy of a layer's output, where its backward reads it and a later layer overwrites it."""
        node = self._nodes[i]
        reads = node.layer.tops and node.layer.tops[0] in node.layer.backward_reads
        if not (reads and node.needs_backward and node.top):
            return None
        overwritten = any(node.top[0] is b for later in self._nodes[i + 1 :] for b in later.top)
        return self._array(node, self._places[i], COPY_OF_TOP, node.top[0].shape) if overwritten else None

    @staticmethod
    def _array(node: Node, place: Any, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
        """An array that a layer keeps, made anew when it must have another shape."""
        kept = place.arrays(node)
        array = kept.get(name)
        if array is None or tuple(array.shape) != shape or array.dtype != dtype:
            array = kept[name] = place.zeros(shape, dtype)
        return array

    def _bind_backward(self, first_beta: int) -> None:
        """Backward steps of every node; `first_beta` 0 lets a parameter's first gradient overwrite."""
        written: set[int] = set()
        values_of: dict[int, dict[str, Any]] = {}
        self._unwritten = []
        all_steps: list[list[Step]] = [[] for _ in self._nodes]
        for i in range(len(self._nodes) - 1, -1, -1):
            node = self._nodes[i]
            if not node.needs_backward or not (any(node.bottom_backward) or any(node.param_backward)):
                continue
            layer, place = node.layer, self._places[i]
            if isinstance(layer, HostLayer):
                step = layer.backward, (node.top, node.bottom_backward, node.bottom)
                all_steps[i] = [*self._crossing_back(node, place), step]
                continue
            function = place.function(layer, "backward")
            if function is None:
                if "diff" not in layer.shares:
                    raise layer.fail(
                        "has no gradient, but one is asked for; set propagate_down: false on its bottoms.", ModelError
                    )
                continue
            all_steps[i] = self._crossing_back(node, place)
            try:
                gradients = self._gradients(node, i)
            except DeviceError as error:
                raise self._explain(i, error) from error
            for values in gradients:
                learning = [b for b, on in zip(layer.blobs, node.param_backward, strict=True) if on]
                fresh = [b for b in learning if id(b.diff_storage) not in written]
                values["beta"] = first_beta if len(fresh) == len(learning) else 1
                if values["beta"]:  # added to beside a shared one: must start from zero
                    self._unwritten += fresh
                written.update(id(b.diff_storage) for b in learning)
                all_steps[i].append((function, bind(function, layer, values)))
            values_of[i] = gradients[0]
        self._unwritten += [own.blob for own in self._learnable if id(own.blob.diff_storage) not in written]
        self._backward[first_beta] = all_steps
        whole = self._fuse_backward(all_steps, values_of)
        if self._device == device.CPU:
            whole = [self._quick(whole, i, back=True) for i in range(len(whole))]
        self._whole_backward[first_beta] = whole

    def _fuse_backward(self, steps: list[list[Step]], values_of: dict[int, dict[str, Any]]) -> list[list[Step]]:
        """The steps with one for each chain that learns, or adds, at its last layer: backward comes to that first."""
        whole = list(steps)
        for last, chain in self._learned.items():
            first = last + 1 - len(chain.nodes)
            values = [values_of[i] for i in range(first, last + 1)]
            whole[first : last + 1] = _at_last(chain.bind(chain.backward, values, self._kept(first)), len(values))
        for sum_ in self._shared.summed.values() if self._shared else ():
            values = [values_of[i] for i in range(sum_.first, sum_.last + 1)]
            whole[sum_.first : sum_.last + 1] = _at_last(sum_.bind(sum_.backward, values), len(values))
        for i in range(len(whole) if self._shared else 0):
            if (
                i in values_of
                and whole[i]
                and (function := fuse.handed_on(self._nodes, i, self._keeps_copy)) is not None
            ):
                values = [values_of[k] for k in range(i, i + 3)]
                whole[i : i + 3] = _at_last(fuse.bind_handed_on(function, self._nodes[i : i + 3], values), 3)
        return whole

    def _gradients(self, node: Node, i: int) -> list[dict[str, Any]]:
        """Values for backward: arrays and diffs by name, one dictionary for each pair of a pairwise layer."""
        layer, place = node.layer, self._places[i]
        diff = place.diff
        down = [diff(b) if wanted else None for b, wanted in zip(node.bottom, node.bottom_backward, strict=True)]
        diffs = {f"d{k}": v for k, v in by_name(layer.bottoms, down).items()}
        diffs |= {f"d{k}": v for k, v in by_name(layer.tops, [diff(t) for t in node.top]).items()}
        for name, blob, wanted in zip(layer.param_names, layer.blobs, node.param_backward, strict=True):
            diffs[f"d{name}"] = diff(blob) if wanted else None
        pairs = [values | diffs for values in self._pairs(node, place)]
        if len(pairs) > 1:
            x, y = layer.bottoms[0], layer.tops[0]
            for values, top, dx in zip(pairs, node.top, down, strict=True):
                values |= {f"d{x}": dx, f"d{y}": diff(top)}
        if (copied := self._private_bottom(i)) is not None:
            pairs[0][layer.bottoms[0]] = copied
        if (copied := self._private_top(i)) is not None:
            pairs[0][layer.tops[0]] = copied
        return pairs

    # Running ---------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        """The steps of a whole forward and backward pass on the CPU in their order, without those of host layers."""
        self.refresh()
        self._bind_backward(0)
        layers = [*self._whole, *reversed(self._whole_backward[0])]
        hosts = [isinstance(node.layer, HostLayer) for node in self._nodes]
        return [
            step for host, steps in zip([*hosts, *reversed(hosts)], layers, strict=True) for step in steps if not host
        ]

    def forward(self, start: int, end: int, on: str = device.CPU) -> float:
        """Run layers start..end (both included) on that device; the sum of their weighted losses."""
        self.refresh(on)
        self._before()
        try:
            return self._run_forward(start, end)
        finally:
            self._after()

    def _before(self) -> None:
        """Make the values current where the steps expect them."""
        if self._device == device.CUDA:
            device.use()
            before_gpu(self._used)
        elif device.used():
            before_cpu(self._used)

    def _after(self) -> None:
        if self._device == device.CUDA:
            after_gpu(self._used)

    def _run_forward(self, start: int, end: int) -> float:
        loss = 0.0
        i = start
        steps = self._whole if start == 0 and end == len(self._nodes) - 1 else self._forward
        try:
            with np.errstate(all="ignore"):  # infinities and NaN are values like others here
                for i in range(start, end + 1):
                    for function, arguments in steps[i]:
                        try:
                            function(*arguments)
                        except LabelError as error:
                            self._run_made_up(i, function, arguments, error)
                    for blob, data, weight in self._losses[i]:
                        blob.data_storage.to_host()
                        blob.diff_storage.to_host()
                        loss += float(np.vdot(data, weight))
                    if self.layer_ran is not None:
                        self.layer_ran(i)
        except CaffelikeError as error:
            raise self._explain(i, error) from error
        return loss

    def _run_made_up(self, i: int, function: Callable, arguments: tuple, error: LabelError) -> None:
        """Run a step whose labels are no classes as Caffe does, with a LabelWarning; or raise `error` again.

        For forward passes of TEST nets whose labels are inputs: people run such nets on made-up numbers, to see that
        they work or how fast they are. Caffe reads whatever number lies where the label points: a definition's
        `forward_made_up` does so inside of its own array; without one labels are taken for the nearest class. Backward
        passes raise.
        """
        node = self._nodes[i]
        given = {id(t.data_storage) for n in self._nodes[:i] if _is_input(n) for t in n.top}
        bad = [b.raw_data for b in node.bottom if id(b.data_storage) in given]
        bad = [a for a in bad if ((np.trunc(a) < 0) | (a >= error.classes) | np.isnan(a)).any()]
        if node.layer.phase != TEST or not bad:
            raise error
        own = node.layer.definition("forward_made_up")
        how = "the numbers mean nothing" if own else "they are taken for the nearest class"
        text = f"{self._explain(i, error)} As they are inputs of a TEST net, {how}."
        warnings.warn(text, LabelWarning, stacklevel=4)
        if self._device == device.CUDA:
            crossing, blobs = HOST.crossing(storages(node.bottom), storages((*node.top, *node.layer.blobs)))
            crossing(*blobs)
            kernel = HOST.function(node.layer, "forward")
            assert kernel is not None
            function, arguments = kernel, bind(kernel, node.layer, self._pairs(node, HOST)[0])
        if own:
            own(*bind(own, node.layer, self._pairs(node, HOST)[0]))
            return
        moved = [
            np.clip(np.nan_to_num(np.trunc(a)), 0, error.classes - 1)
            if isinstance(a, np.ndarray) and any(np.shares_memory(a, b) for b in bad)
            else a
            for a in arguments
        ]
        function(*moved)

    def backward(self, start: int, end: int, beta: int, on: str = device.CPU) -> None:
        """Run the backward steps of layers start down to end (both included) on that device.

        beta 0: parameter gradients are overwritten (a whole pass only), 1: added to.
        """
        self.refresh(on)
        if beta not in self._backward:
            self._bind_backward(beta)
        self._before()
        try:
            self._run_backward(start, end, beta)
        finally:
            self._after()

    def _run_backward(self, start: int, end: int, beta: int) -> None:
        all_of_it = start == len(self._nodes) - 1 and end == 0
        steps = (self._whole_backward if all_of_it else self._backward)[beta]
        if beta == 0:
            for blob in self._unwritten:
                if self._device == device.CPU:
                    blob.raw_diff[...] = 0
                else:
                    blob.zero_diff()
        i = start
        try:
            with np.errstate(all="ignore"):
                for i in range(start, end - 1, -1):
                    for function, arguments in steps[i]:
                        function(*arguments)
                    if self.layer_done is not None:
                        self.layer_done(i)
        except CaffelikeError as error:
            raise self._explain(i, error) from error

    def _run_host(self, i: int) -> None:
        """Run a layer that works on blobs; what follows is fitted and bound again if its tops changed shape."""
        node = self._nodes[i]
        layer: Any = node.layer
        layer.reshape(node.bottom, node.top)
        layer.forward(node.bottom, node.top)
        if self._stale:
            if self.sharing:  # what is in use now was planned for other shapes: each goes on by itself
                self.share_memory(False)
            self._fit_from(i + 1)
            self._bind_from(i + 1)
            self._losses[i] = self._weighted(node)

    def _explain(self, i: int, error: CaffelikeError) -> CaffelikeError:
        """The error with place and layer, and for a bad label the record it came from."""
        node = self._nodes[i]
        text = str(error)
        if f"'{node.name}'" not in text:
            text = f"Layer '{node.name}' ({node.layer.type}): {text}"
        if isinstance(error, LabelError):
            for other in self._nodes[:i]:
                keys = getattr(other.layer, "batch_keys", None)
                if keys and error.item < len(keys):
                    text += f" The record is '{keys[error.item]}' of layer '{other.name}'."
                    break
        error.args = (text, *error.args[1:])
        return at(node.place, error)


def _at_last(step: Step, count: int) -> list[list[Step]]:
    """The steps of `count` layers that one step does, at the last of them."""
    return [*([] for _ in range(count - 1)), [step]]


def _is_input(node: Node) -> bool:
    """Whether its tops are filled from outside."""
    layer = node.layer
    return not layer.bottoms and not isinstance(layer, HostLayer) and layer.definition("forward") is None


def _next_pass(key: np.ndarray) -> None:
    key[2] += np.uint64(1)
