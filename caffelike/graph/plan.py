"""The plan of a net: every layer's functions bound to their arrays, once per shape.

A step is (function, arguments); running a net is a loop over steps. When a blob changes its shape the
plan is stale, and the next pass fits all layers and binds anew.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from caffelike import device
from caffelike.binding import bind, by_name
from caffelike.errors import CaffelikeError, LabelError, LabelWarning, ModelError
from caffelike.graph import fuse
from caffelike.graph.build import Learnable, fill_loss_diffs
from caffelike.graph.definition import at
from caffelike.graph.memory import Shared
from caffelike.graph.node import Node, Step
from caffelike.layer import HostLayer
from caffelike.schema import TEST


class Plan:
    """The bound steps of a net's forward and backward pass."""

    def __init__(self, nodes: list[Node], learnable: list[Learnable]):
        self._nodes, self._learnable = nodes, learnable
        self._forward: list[list[Step]] = [[] for _ in nodes]
        self._whole: list[list[Step]] = [[] for _ in nodes]  # as _forward, with in-place chains fused
        self._losses: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in nodes]
        self._backward: dict[int, list[list[Step]]] = {}
        self._unwritten: list[np.ndarray] = []
        self._stale = True
        self._fitted = True
        self.sharing = False  # see share_memory
        self._shared: Shared | None = None
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

    def refresh(self) -> None:
        """Fit every layer to its bottoms' shapes and bind all steps, if anything changed."""
        if not self._stale:
            return
        if not self._fitted:
            self._fit_from(0)
        if self.sharing:
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
            self._bind_forward(i)
        self._whole[start:] = self._forward[start:]
        done = start
        for i in range(start, len(self._nodes)):
            if i < done:  # the kernel of an earlier layer does this one, too
                self._whole[i] = []
            elif (found := fuse.chain(self._nodes, i, self.values, self._keeps_copy)) is not None:
                step, length = found
                self._whole[i], done = [step], i + length
        self._backward.clear()
        self._stale = False

    def values(self, node: Node) -> dict[str, Any]:
        """Arrays by name for `bind`, without gradients."""
        layer = node.layer
        values = by_name(layer.bottoms, [b.raw_data for b in node.bottom])
        values |= by_name(layer.tops, [t.raw_data for t in node.top])
        values |= {name: blob.raw_data for name, blob in zip(layer.param_names, layer.blobs, strict=False)}
        values |= self._saved(node)
        values["key"] = node.key
        return values

    def _saved(self, node: Node) -> dict[str, np.ndarray | None]:
        arrays: dict[str, np.ndarray | None] = {}
        for name, saved in node.layer.saved.items():
            if saved.for_backward and not node.needs_backward:
                arrays[name] = None
                continue
            array = node.arrays.get(name)
            if array is None or array.shape != saved.shape or array.dtype != saved.dtype:
                array = node.arrays[name] = np.zeros(saved.shape, saved.dtype)
            arrays[name] = array
        return arrays

    def _bind_forward(self, i: int) -> None:
        node = self._nodes[i]
        layer = node.layer
        self._losses[i] = [(t.raw_data, t.raw_diff) for t, w in zip(node.top, node.loss_weights, strict=True) if w]
        if isinstance(layer, HostLayer):
            self._forward[i] = [(self._run_host, (i,))]
            return
        steps: list[Step] = []
        function = implementation(layer, "forward")
        if function is not None and not (self._shared and self._shared.joined(node)):
            if layer.random:
                steps.append((_next_pass, (node.key,)))
            if (copied := self._private_bottom(i)) is not None and copied is not self._producers_copy(i):
                steps.append((np.copyto, (copied, node.bottom[0].raw_data)))
            if (packed := fuse.packed(node, self.values)) is not None:
                steps.append(packed)
            else:
                steps += [(function, bind(function, layer, values)) for values in self._pairs(node)]
            if (copied := self._private_top(i)) is not None:
                steps.append((np.copyto, (copied, node.top[0].raw_data)))
        self._forward[i] = steps

    def _pairs(self, node: Node) -> list[dict[str, Any]]:
        """One dictionary of values, or one for each (bottom, top) pair of a pairwise layer."""
        values = self.values(node)
        if not node.layer.pairwise or len(node.bottom) < 2:
            return [values]
        x, y = node.layer.bottoms[0], node.layer.tops[0]
        return [values | {x: b.raw_data, y: t.raw_data} for b, t in zip(node.bottom, node.top, strict=True)]

    def _private_bottom(self, i: int) -> np.ndarray | None:
        """A copy of an in-place layer's input, where its backward reads what it overwrites."""
        node = self._nodes[i]
        reads = node.layer.bottoms and node.layer.bottoms[0] in node.layer.backward_reads
        if not (reads and node.needs_backward and node.top and node.in_place(0)):
            return None
        if (kept := self._producers_copy(i)) is not None:
            return kept
        return self._array(node, "(bottom)", node.bottom[0].shape)

    def _producers_copy(self, i: int) -> np.ndarray | None:
        """The copy that the layer before keeps of what is layer i's bottom, if it keeps one."""
        bottom = self._nodes[i].bottom[0]
        producer = next((j for j in range(i - 1, -1, -1) if any(bottom is t for t in self._nodes[j].top)), None)
        return None if producer is None else self._private_top(producer)

    def _keeps_copy(self, i: int) -> bool:
        return self._private_bottom(i) is not None or self._private_top(i) is not None

    def _private_top(self, i: int) -> np.ndarray | None:
        """A copy of a layer's output, where its backward reads it and a later layer overwrites it."""
        node = self._nodes[i]
        reads = node.layer.tops and node.layer.tops[0] in node.layer.backward_reads
        if not (reads and node.needs_backward and node.top):
            return None
        overwritten = any(node.top[0] is b for later in self._nodes[i + 1 :] for b in later.top)
        return self._array(node, "(top)", node.top[0].shape) if overwritten else None

    @staticmethod
    def _array(node: Node, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in node.arrays or node.arrays[name].shape != shape:
            node.arrays[name] = np.empty(shape, np.float32)
        return node.arrays[name]

    def _bind_backward(self, first_beta: int) -> list[list[Step]]:
        """Backward steps of every node; `first_beta` 0 lets a parameter's first gradient overwrite."""
        written: set[int] = set()
        self._unwritten = []
        all_steps: list[list[Step]] = [[] for _ in self._nodes]
        for i in range(len(self._nodes) - 1, -1, -1):
            node = self._nodes[i]
            if not node.needs_backward or not (any(node.bottom_backward) or any(node.param_backward)):
                continue
            layer = node.layer
            if isinstance(layer, HostLayer):
                all_steps[i] = [(layer.backward, (node.top, node.bottom_backward, node.bottom))]
                continue
            function = implementation(layer, "backward")
            if function is None:
                if "diff" not in layer.shares:
                    raise layer.fail(
                        "has no gradient, but one is asked for; set propagate_down: false on its bottoms.", ModelError
                    )
                continue
            for values in self._gradients(node, i):
                learning = [b for b, on in zip(layer.blobs, node.param_backward, strict=True) if on]
                fresh = [b for b in learning if id(b.diff_storage) not in written]
                values["beta"] = first_beta if len(fresh) == len(learning) else 1
                if values["beta"]:  # added to beside a shared one: must start from zero
                    self._unwritten += [b.raw_diff for b in fresh]
                written.update(id(b.diff_storage) for b in learning)
                all_steps[i].append((function, bind(function, layer, values)))
        self._unwritten += [own.blob.raw_diff for own in self._learnable if id(own.blob.diff_storage) not in written]
        return all_steps

    def _gradients(self, node: Node, i: int) -> list[dict[str, Any]]:
        """Values for backward: arrays and diffs by name, one dictionary for each pair of a pairwise layer."""
        layer = node.layer
        down = [b.raw_diff if wanted else None for b, wanted in zip(node.bottom, node.bottom_backward, strict=True)]
        diffs = {f"d{k}": v for k, v in by_name(layer.bottoms, down).items()}
        diffs |= {f"d{k}": v for k, v in by_name(layer.tops, [t.raw_diff for t in node.top]).items()}
        for name, blob, wanted in zip(layer.param_names, layer.blobs, node.param_backward, strict=True):
            diffs[f"d{name}"] = blob.raw_diff if wanted else None
        pairs = [values | diffs for values in self._pairs(node)]
        if len(pairs) > 1:
            x, y = layer.bottoms[0], layer.tops[0]
            for values, top, dx in zip(pairs, node.top, down, strict=True):
                values |= {f"d{x}": dx, f"d{y}": top.raw_diff}
        if (copied := self._private_bottom(i)) is not None:
            pairs[0][layer.bottoms[0]] = copied
        if (copied := self._private_top(i)) is not None:
            pairs[0][layer.tops[0]] = copied
        return pairs

    # Running ---------------------------------------------------------------------------------

    def forward(self, start: int, end: int) -> float:
        """Run layers start..end (both included); the sum of their weighted losses."""
        self.refresh()
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
                    for data, weight in self._losses[i]:
                        loss += float(np.vdot(data, weight))
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
        if own:
            own(*bind(own, node.layer, self._pairs(node)[0]))
            return
        moved = [
            np.clip(np.nan_to_num(np.trunc(a)), 0, error.classes - 1)
            if isinstance(a, np.ndarray) and any(np.shares_memory(a, b) for b in bad)
            else a
            for a in arguments
        ]
        function(*moved)

    def backward(self, start: int, end: int, beta: int) -> None:
        """Run the backward steps of layers start down to end (both included).

        beta 0: parameter gradients are overwritten (a whole pass only), 1: added to.
        """
        self.refresh()
        if beta not in self._backward:
            self._backward[beta] = self._bind_backward(beta)
        steps = self._backward[beta]
        if beta == 0:
            for diff in self._unwritten:
                diff[...] = 0
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
            self._losses[i] = [(t.raw_data, t.raw_diff) for t, w in zip(node.top, node.loss_weights, strict=True) if w]

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


def _is_input(node: Node) -> bool:
    """Whether its tops are filled from outside."""
    layer = node.layer
    return not layer.bottoms and not isinstance(layer, HostLayer) and layer.definition("forward") is None


def implementation(layer: Any, name: str) -> Callable | None:
    """The fast kernel of a layer's type for `name`, else its definition, else None."""
    return device.kernel(layer.stem(), name) or layer.definition(name)


def _next_pass(key: np.ndarray) -> None:
    key[2] += np.uint64(1)
