"""Several layers in one step: weights packed ahead, and chains of in-place layers inside the kernel before them.

Kernels and definitions offer what is possible under fixed names; the graph knows no layer type:

    kernels: pack(...)            weights in the order `forward_packed` reads them, or None for "as they are"
             forward_packed(...)  forward with `packed`, and a flag named like the stem of each layer type it can
                                  do on the way, such as `relu`
             forward_<stem>(...)  forward and a layer of that stem behind it, in one pass
             backward_<stem>(...) with it: both layers learn, and `kept` is what lies between them; a flag as above
                                  says that a third layer follows
             merges(...)          which of the arguments `add` and `halved` forward_packed takes: it adds to what y
                                  holds; it gives the maxima of squares of 2x2 only
             backward_<stem>_<stem>(...) of a layer that adds: its gradients from those of the tops of the second layer
                                  behind it, which reads what the one between, in place, makes of the sum
    definitions: affine(...)      (scale, shift) for each channel, of a layer that is nothing else
                 fold(weight, bias, scale, shift)  the weights that do that, too
                 adds(...), halves(...)  whether it is a sum of two bottoms, or the maxima of squares of 2x2

A chain is cut wherever a blob between its layers could be seen, so it is for whole passes only. One that goes on in
another blob (`merges`) is for those where blobs share memory: the blob between is never made.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from caffelike import device
from caffelike.binding import bind
from caffelike.blob import Blob, Storage
from caffelike.graph.node import Node, Step
from caffelike.layer import HostLayer, parameters
from caffelike.schema import TRAIN

Values = Callable[[Node], dict[str, Any]]  # a node's arrays by name


def packed(node: Node, values: Values) -> Step | None:
    """Forward of one layer with packed weights, if its kernel packs."""
    function = _kernel(node, "forward_packed")
    return None if function is None else _packed(node, function, values, [], "")


def chain(nodes: list[Node], i: int, values: Values, copies: Callable[[int], bool]) -> tuple[Step, int] | None:
    """Layer i and in-place layers behind it as (one step, how many layers); None where nothing fuses.

    copies: whether the plan keeps a copy of a layer's bottom or top for backward, which fusing would lose.
    """
    first = nodes[i]
    followers = _followers(nodes, i, copies)
    if not followers:
        return None
    function = _kernel(first, "forward_packed")
    if function is not None:
        affine = _affine(first, followers, values)
        rest = followers[len(affine) :]
        flag = rest[0].layer.stem() if rest and _does(function, rest[0], flag=True) else ""
        if affine or flag:
            return _packed(first, function, values, affine, flag), 1 + len(affine) + bool(flag)
    function = _kernel(first, f"forward_{followers[0].layer.stem()}")
    if function is not None and _does(function, followers[0]):
        arguments = bind(function, first.layer, values(first) | followers[0].layer.options)
        return (function, arguments), 2
    return None


class Merge(NamedTuple):
    """A layer whose top the kernel of layer `first` can make, in place of its own.

    added: the blob that the kernel must find in the top's memory and adds to; None: it makes maxima of squares.
    """

    first: int
    last: int
    added: Blob | None


def merges(nodes: list[Node]) -> Iterator[Merge]:
    """All of a net's: chains whose last layer, not in place, is a sum with another blob or gives maxima of squares.

    Only where no gradient is wanted. Whether the blob to be added can lie in the top's memory is left to see.
    """
    readers = Counter(id(blob) for node in nodes for blob in node.bottom)
    for i, node in enumerate(nodes):
        kernel, packed = _kernel(node, "merges"), _kernel(node, "forward_packed")
        if kernel is None or packed is None or node.needs_backward or len(node.top) != 1:
            continue
        followers = _followers(nodes, i, lambda _: False)
        last, top = i + 1 + len(followers), node.top[0]
        if last == len(nodes) or any(any(n.loss_weights) for n in (node, *followers)):
            continue
        then = nodes[last]
        if readers[id(top)] > 1 + len(followers) or then.needs_backward or len(then.top) != 1 or then.in_place(0):
            continue
        able = kernel(*bind(kernel, node.layer, node.values()))
        rest = followers[len(_affine(node, followers, Node.values)) :]
        clips = len(rest) == 1 and _does(packed, rest[0], flag=True)
        if "halved" in able and _is(then, "halves") and (clips or not rest):
            yield Merge(i, last, None)
        elif "add" in able and _is(then, "adds") and not rest:
            others = [blob for blob in then.bottom if blob is not top]
            if len(others) == 1:
                yield Merge(i, last, others[0])


def merged(nodes: list[Node], merge: Merge, values: Values, copies: Callable[[int], bool]) -> tuple[Step, int]:
    """The layers of a merge as (one step, how many layers)."""
    first, last = nodes[merge.first], nodes[merge.last]
    function = _kernel(first, "forward_packed")
    assert function is not None
    affine = _affine(first, nodes[merge.first + 1 : merge.last], values)
    rest = nodes[merge.first + 1 + len(affine) : merge.last]
    length = 1 + merge.last - merge.first
    top = values(last)[last.layer.tops[0]]
    if merge.added is None:
        flag = rest[0].layer.stem() if rest else ""
        return _packed(first, function, values, affine, flag, {"halved": top}), length
    behind = _followers(nodes, merge.last, copies)[:1]
    clips = bool(behind) and _does(function, behind[0], flag=True)
    flag = behind[0].layer.stem() if clips else ""
    return _packed(first, function, values, affine, flag, {"add": True, first.layer.tops[0]: top}), length + clips


def _is(node: Node, name: str) -> bool:
    """Whether the layer is what its definition's function of that name asks for."""
    function = node.layer.definition(name)
    return function is not None and bool(function(*bind(function, node.layer, node.values())))


def on_gpu(nodes: list[Node], i: int, values: Values, copies: Callable[[int], bool]) -> Step | None:
    """Layer i and the in-place layer right behind it as one step on the GPU; None where its kernels have none."""
    followers = _followers(nodes, i, copies)[:1]
    function = _kernel(nodes[i], f"forward_{followers[0].layer.stem()}", device.CUDA) if followers else None
    if function is None or not _does(function, followers[0]):
        return None
    return function, bind(function, nodes[i].layer, values(nodes[i]) | followers[0].layer.options)


class Learned(NamedTuple):
    """Layers that learn and run as one step forward and one backward."""

    nodes: list[Node]
    forward: Callable
    backward: Callable

    def bind(self, function: Callable, values: list[dict[str, Any]], kept: np.ndarray) -> Step:
        """The step: values by name of each of the nodes."""
        named: dict[str, Any] = {"relu": False, "negative_slope": 0.0}
        named |= _together(self.nodes, values) | {node.layer.stem(): True for node in self.nodes[2:]} | {"kept": kept}
        return function, tuple(named[name] for name in parameters(function))


def learned(nodes: list[Node], i: int, copies: Callable[[int], bool]) -> Learned | None:
    """Layer i and the one or two in-place layers behind it that its kernel does forward and backward; None: none.

    copies: whether the plan keeps a copy of a layer's bottom or top for backward.
    """
    first = nodes[i]
    if not first.needs_backward or len(first.top) != 1 or any(first.loss_weights):
        return None
    behind = nodes[i + 1 : i + 3]
    for at, node in enumerate(behind):
        alone = len(node.bottom) == len(node.top) == 1 and node.bottom[0] is first.top[0] and node.in_place(0)
        if not alone or not node.needs_backward or any(node.loss_weights) or isinstance(node.layer, HostLayer):
            behind = behind[:at]
            break
    if not behind:
        return None
    second = behind[0]
    forward, backward = (_kernel(first, f"{way}_{second.layer.stem()}") for way in ("forward", "backward"))
    affine = second.layer.definition("affine")
    if forward is None or backward is None or affine is None or not copies(i + 1):
        return None
    own = {name: blob.data for name, blob in zip(second.layer.param_names, second.layer.blobs, strict=True)}
    channelwise = affine(*bind(affine, second.layer, own)) is not None
    if not channelwise or set(first.layer.param_names) & set(second.layer.param_names):
        return None
    third = len(behind) == 2 and not copies(i + 2) and _does(forward, behind[1], flag=True)
    return Learned([first, *behind[: 1 + third]], forward, backward)


class Summed(NamedTuple):
    """Two layers that learn, the sum behind them, ReLU in place on it, and perhaps Split, as one step each way.

    first: index of the first. kept: top of the first two; their values are never made, in their place lies what the
    second layer multiplies, until backward. other: the sum's other bottom.
    """

    first: int
    nodes: list[Node]
    kept: Blob
    other: Blob
    forward: Callable
    backward: Callable

    @property
    def last(self) -> int:
        """Index of the last layer: backward begins there."""
        return self.first + len(self.nodes) - 1

    @property
    def arriving(self) -> list[Blob]:
        """One or two blobs whose gradients add up to the sum's."""
        return self.nodes[4].top if len(self.nodes) == 5 else self.nodes[3].top

    def bind(self, function: Callable, values: list[dict[str, Any]]) -> Step:
        """The step; values by name of each of the nodes."""
        first, second, third, fourth = self.nodes[:4]
        own = fourth.layer.options | _together([first, second], values[:2]) | {fourth.layer.stem(): True}
        own |= {"kept": self.kept.raw_data, "other": self.other.raw_data, "total": third.top[0].raw_data}
        own |= {"dys": tuple(blob.raw_diff for blob in self.arriving)}
        if "dxs" in values[2]:
            own["dother"] = values[2]["dxs"][[blob is self.other for blob in third.bottom].index(True)]
        return function, tuple(own[name] for name in parameters(function))


def summed(nodes: list[Node], i: int) -> Summed | None:
    """Layer i and those behind it as a `Summed`, for nets whose blobs share memory."""
    chain = learned(nodes, i, lambda at: at == i + 1)
    if chain is None or len(chain.nodes) != 2 or i + 4 > len(nodes):
        return None
    (first, second), (third, fourth) = chain.nodes, nodes[i + 2 : i + 4]
    kept, top = first.top[0], third.top[0]
    others = [blob for blob in third.bottom if blob is not kept]
    readers = [n for n in nodes[i + 2 :] if any(b.data_storage is kept.data_storage for b in n.bottom)]
    makers = [n for n in nodes if any(t is top for t in n.top)]
    names = (f"{way}_{second.layer.stem()}_{third.layer.stem()}" for way in ("forward", "backward"))
    forward, backward = (_kernel(first, name) for name in names)
    if (
        forward is None
        or backward is None
        or not _is(third, "adds")
        or len(third.bottom) != 2
        or len(others) != 1
        or readers != [third]
        or makers != [third, fourth]
        or not fourth.in_place(0)
        or not _does(forward, fourth, flag=True)
        or fourth.layer.bottoms[0] in fourth.layer.backward_reads
        or not first.bottom_backward[0]
        or any(any(node.loss_weights) or not node.needs_backward for node in (third, fourth))
    ):
        return None
    found = [first, second, third, fourth]
    behind = nodes[i + 4] if i + 4 < len(nodes) else None
    if behind is not None and behind.layer.stem() == "split" and behind.bottom[0] is top and len(behind.top) == 2:
        found.append(behind)
    return Summed(i, found, kept, others[0], forward, backward)


def handed_on(nodes: Sequence[Node], i: int, copies: Callable[[int], bool]) -> Callable | None:
    """The kernel that does the backward passes of layer i, which adds, and the two behind it in one; None: none.

    copies: whether the plan keeps a copy of a layer's bottom or top for backward.
    """
    if i + 3 > len(nodes):
        return None
    first, second, third = nodes[i : i + 3]
    if not _is(first, "adds"):
        return None
    alone = len(first.top) == len(second.bottom) == len(third.bottom) == 1
    same = alone and first.top[0] is second.bottom[0] is third.bottom[0] and second.in_place(0)
    if not same or any(any(node.loss_weights) or not node.needs_backward for node in (first, second, third)):
        return None
    function = _kernel(first, f"backward_{second.layer.stem()}_{third.layer.stem()}")
    if function is None or copies(i) or copies(i + 1) or not _does(function, second):
        return None
    return function


def bind_handed_on(function: Callable, nodes: list[Node], values: list[dict[str, Any]]) -> Step:
    """The step; values by name of each of the three."""
    named = _together(nodes, values)
    return function, tuple(named[name] for name in parameters(function))


def _together(nodes: list[Node], values: list[dict[str, Any]]) -> dict[str, Any]:
    """The nodes' values and options by name; where they share a name, the earliest layer's. Absent parameters: None.

    beta is 1 if it is for any of them: a parameter that another layer has, too, is added to.
    """
    params = [n.strip("*?") for node in nodes for n in node.layer.params]
    named: dict[str, Any] = dict.fromkeys(way + n for n in params for way in ("", "d"))
    for node, its in zip(reversed(nodes), reversed(values), strict=True):
        named |= its | node.layer.options
    if betas := [its["beta"] for its in values if "beta" in its]:
        named["beta"] = max(betas)
    return named


def _kernel(node: Node, name: str, on: str = device.CPU) -> Callable | None:
    single = len(node.bottom) == 1 or not node.layer.pairwise
    return device.kernel(node.layer.stem(), name, on) if single and not isinstance(node.layer, HostLayer) else None


def _followers(nodes: list[Node], i: int, copies: Callable[[int], bool]) -> list[Node]:
    """The layers right behind layer i that work in place on its only top."""
    first = nodes[i]
    found: list[Node] = []
    if len(first.top) != 1 or any(first.loss_weights) or copies(i):
        return found
    for j, node in enumerate(nodes[i + 1 :], i + 1):
        alone = len(node.bottom) == len(node.top) == 1 and node.bottom[0] is first.top[0] and node.in_place(0)
        if not alone or isinstance(node.layer, HostLayer) or node.layer.random or copies(j):
            break
        found.append(node)
        if any(node.loss_weights):
            break
    return found


def _does(function: Callable, follower: Node, flag: bool = False) -> bool:
    """Whether `function` does what the follower does: it takes its options, or they are all 0."""
    names, layer = parameters(function), follower.layer
    if layer.params or (flag and layer.stem() not in names):
        return False
    return all(name in names or not value for name, value in layer.options.items())


def _affine(first: Node, followers: list[Node], values: Values) -> list[Node]:
    """The followers that can be folded into the weights of `first`: none while anything of it is learned."""
    if first.layer.definition("fold") is None or first.layer.phase == TRAIN or first.needs_backward:
        return []
    found = []
    for node in followers:
        function = node.layer.definition("affine")
        if function is None or node.needs_backward or function(*bind(function, node.layer, values(node))) is None:
            break
        found.append(node)
    return found


def _packed(
    node: Node, function: Callable, values: Values, affine: list[Node], flag: str, more: Mapping[str, Any] | None = None
) -> Step:
    """more: arguments of its own, or in place of the node's."""
    layer = node.layer
    named = dict.fromkeys(n.strip("*?") for n in (*layer.bottoms, *layer.tops, *layer.params))
    named |= values(node) | layer.options
    own = {p.name: p.default for p in signature(function).parameters.values() if p.default is not p.empty}
    named |= {"packed": None} | own | dict(more or {})
    for name in parameters(function):
        named.setdefault(name, name == flag)
    pack = device.kernel(layer.stem(), "pack")
    if pack is None or layer.phase == TRAIN:
        # While training the weights change with every pass: the kernel packs them as it goes.
        return function, tuple(named[name] for name in parameters(function))
    return _Packed(node, function, pack, named, [(n, values(n)) for n in affine]), ()


class _Packed:
    """A step that hands a kernel its weights folded and packed, and makes them anew when they may have changed."""

    def __init__(
        self,
        node: Node,
        function: Callable,
        pack: Callable,
        values: dict[str, Any],
        affine: list[tuple[Node, Mapping[str, Any]]],
    ):
        self._layer, self._function, self._pack, self._values, self._affine = node.layer, function, pack, values, affine
        self._order = parameters(function)
        self._storage = node.layer.blobs[0].data_storage
        blobs = [*node.layer.blobs[1:], *(b for other, _ in affine for b in other.layer.blobs)]
        self._others: list[Storage] = [b.data_storage for b in blobs] if affine else []
        sources = (values[name] for name in parameters(pack))
        shapes = (v.shape if isinstance(v, np.ndarray) else v for v in sources)
        self._key = (pack, *shapes, *(other.name for other, _ in affine))
        self._made: dict[str, Any] | None = None  # what the step was put together from
        self._step: Step = function, ()

    def __call__(self) -> None:
        made = self._storage.derived(self._key, self._make, self._others)
        if made is not self._made:
            values = self._values | made
            self._made = made
            self._step = device.quick(self._function, tuple(values[name] for name in self._order))
        run, arguments = self._step
        run(*arguments)

    def _make(self) -> dict[str, Any]:
        """Values to put in place of the layer's own: `packed`, and with folding weight and bias."""
        values = dict(self._values)
        made: dict[str, Any] = {}
        if self._affine:
            made["weight"], made["bias"] = self._folded()
            values |= made
        made["packed"] = self._pack(*[values[name] for name in parameters(self._pack)])
        return made

    def _folded(self) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = self._values["weight"], self._values["bias"]
        fold = self._layer.definition("fold")
        assert fold is not None
        for other, values in self._affine:
            affine = other.layer.definition("affine")
            assert affine is not None
            scale, shift = affine(*bind(affine, other.layer, dict(values)))
            weight, bias = fold(weight, bias, scale, np.broadcast_to(shift, scale.shape))
        return np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32)
