"""Memory that blobs take turns in: where nobody looks at a net, data and gradients need be there only while in use.

A pass over n layers has 2n moments: layer i runs forward at moment i and backward at 2n - 1 - i. A `Lease` is a piece
of memory from the first moment that writes it to the last that reads it; two may have the same addresses unless
they overlap in time. In a net that only predicts, the bottoms of a Concat of one image are made where they will lie in
its top, which leaves nothing to copy; and what the kernel of an earlier layer makes (`fuse.merges`) is in use from then
on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from caffelike.blob import Blob, Storage, aligned_zeros
from caffelike.graph.fuse import Merge, Summed, handed_on, merges, summed
from caffelike.graph.node import COPY_OF_TOP, Node
from caffelike.layer import HostLayer

_ALIGN = 16  # float32 elements: every lease starts on a cache line


@dataclass
class Lease:
    """`count` floats in use from moment `first` to moment `last`, both included; offset: in the arena.

    storages: whose values they are, one after the other; none for an array that a layer keeps for its backward pass.
    """

    storages: list[Storage]
    count: int
    first: int
    last: int
    offset: int = 0


class Shared:
    """One arena for the data and gradients of a net's inner blobs, and for what layers keep for backward.

    arena: its memory. wanted: the bytes that all in it would take each by itself. merged, summed: by their first layer,
    the merges and sums that this memory allows for.
    """

    def __init__(self, nodes: Sequence[Node]):
        self._kept = list(_kept_arrays(nodes))
        self._parts = _joined(nodes)
        found, kept = _used(nodes, self._parts)
        _hand_on(nodes, found)
        self.summed = dict(_sum_up(nodes, found, kept, self._parts))
        self.merged = dict(_merge(nodes, found, kept, self._parts))
        self._leases = _sorted(nodes, found, kept)[0] + [lease for lease, _, _ in self._kept]
        self.arena = aligned_zeros(place(self._leases))
        self.wanted = 4 * sum(lease.count for lease in self._leases)
        for lease in self._leases:
            for storage in lease.storages:
                storage.adopt(self._part(lease))
        for part in self._parts.values():
            part.storage.adopt(part.whole.array[part.offset : part.offset + part.size])
        for lease, node, name in self._kept:
            saved = node.layer.saved[name]
            piece = self._part(lease).view(np.uint8)[: prod(saved.shape) * np.dtype(saved.dtype).itemsize]
            node.arrays[name] = piece.view(saved.dtype).reshape(saved.shape)

    def _part(self, lease: Lease) -> np.ndarray:
        return self.arena[lease.offset : lease.offset + lease.count]

    def spare(self, first: int, last: int) -> list[np.ndarray]:
        """The parts of the arena that are in use at none of the moments first..last, both included."""
        used = [(one.offset, one.offset + one.count) for one in self._leases if one.first <= last and first <= one.last]
        found, begin = [], 0
        for start, end in [*sorted(used), (self.arena.size, 0)]:
            if begin < start:
                found.append(self.arena[begin:start])
            begin = max(begin, end)
        return found

    def joined(self, node: Node) -> bool:
        """Whether the layer's bottoms lie in its top where it would copy them to."""
        parts = [self._parts.get(id(blob.data_storage)) for blob in node.bottom]
        offsets = node.layer.joins(*(b.shape for b in node.bottom)) if all(parts) and parts else None
        if offsets is None:
            return False
        top = _address(node.top[0])
        return all(_address(b) == top + 4 * at for b, at in zip(node.bottom, offsets, strict=True))

    def end(self) -> None:
        """Give every blob memory of its own, with what is in its place now."""
        for _, node, name in self._kept:
            node.arrays[name] = node.arrays[name].copy()
        for chain in self.summed.values():  # what backward looks for, should it come next
            chain.nodes[0].arrays[COPY_OF_TOP] = chain.kept.raw_data.copy()
        pieces = [(part.storage, part.size) for part in self._parts.values()]
        pieces += [(storage, lease.count) for lease in self._leases for storage in lease.storages]
        for storage, size in pieces:
            if np.may_share_memory(storage.array, self.arena):  # else it grew and moved out
                own = aligned_zeros(size)
                own[...] = storage.array
                storage.adopt(own)


class Part(NamedTuple):
    """A blob's data that lies in that of another, from `offset` on."""

    storage: Storage
    whole: Storage
    offset: int
    size: int


def _joined(nodes: Sequence[Node]) -> dict[int, Part]:
    """By id of their storage, the data that can be made inside of what a later layer joins them to.

    None in a net with a backward pass, and none that somebody may look at or that is written once more.
    """
    found: dict[int, Part] = {}
    if any(node.needs_backward for node in nodes):
        return found
    fixed = {key for node in nodes for key in _ids(_kept(node))} | set(_ids(_unread(nodes)))
    readers: dict[int, int] = {}  # the last layer that reads it
    writers: dict[int, int] = {}  # the last layer that writes it
    counts: dict[int, set[int]] = {}
    for i, node in enumerate(nodes):
        for blob in node.bottom:
            readers[id(blob.data_storage)] = i
        for blob in node.top:
            if "data" not in node.layer.shares:
                writers[id(blob.data_storage)] = i
        for blob in (*node.bottom, *node.top):
            counts.setdefault(id(blob.data_storage), set()).add(blob.count)
    for i in reversed(range(len(nodes))):
        node = nodes[i]
        offsets = node.layer.joins(*(b.shape for b in node.bottom))
        if offsets is None:
            continue
        top = node.top[0].data_storage
        storages = [b.data_storage for b in node.bottom]
        keys = [id(s) for s in storages]
        if (
            len(set(keys)) < len(keys)
            or fixed.intersection([id(top), *keys])
            or any(key in found or len(counts[key]) > 1 or key not in writers for key in keys)
            or any(writers[key] > i or (readers[key] > i and writers[id(top)] > i) for key in keys)
        ):
            continue
        within = found.get(id(top))
        whole, start = (within.whole, within.offset) if within else (top, 0)
        for blob, storage, offset in zip(node.bottom, storages, offsets, strict=True):
            found[id(storage)] = Part(storage, whole, start + offset, blob.count)
    return found


@dataclass(frozen=True)
class Needed:
    """Bytes for the blobs of a net and what its layers keep: own, each by itself; shared, as `Shared` places them.

    But for what kernels make of several layers at once: that is for who runs the net, and has loaded them.
    """

    own: int
    shared: int


def needed(nodes: Sequence[Node], backward: bool = True) -> Needed:
    """What passes through these layers take, without parameters: forward and, if wanted and needed, backward."""
    kept = [lease for lease, _, _ in _kept_arrays(nodes)]
    apart, others = _sorted(nodes, *_used(nodes, {}, backward))
    together, _ = _sorted(nodes, *_used(nodes, _joined(nodes), backward))
    fixed = 4 * sum(lease.count for lease in others) + sum(
        prod(saved.shape) * np.dtype(saved.dtype).itemsize
        for node in nodes
        for saved in node.layer.saved.values()
        if not saved.for_backward
    )
    own = 4 * sum(lease.count for lease in (*apart, *kept))
    return Needed(fixed + own, fixed + 4 * place([*together, *kept]))


def _used(nodes: Sequence[Node], parts: Mapping[int, Part], backward: bool = True) -> tuple[dict[int, Lease], set[int]]:
    """The leases of all blobs' data and gradients by the id of their storage, and the ids of what is not to share.

    Those: what layers without bottoms make (they may fill it once only), what layers see that work on blobs
    themselves, losses, outputs, and gradients that nobody writes (they are read as zeros).
    """
    found: dict[int, Lease] = {}
    kept: set[int] = set()

    def use(storage: Storage, count: int, moment: int) -> None:
        if id(storage) in parts:
            storage, count = parts[id(storage)].whole, 0
        lease = found.setdefault(id(storage), Lease([storage], 0, moment, moment))
        lease.count = max(lease.count, count)
        lease.first, lease.last = min(lease.first, moment), max(lease.last, moment)

    for i, node in enumerate(nodes):
        back = 2 * len(nodes) - 1 - i
        for blob in (*node.bottom, *node.top):
            use(blob.data_storage, blob.count, i)
        kept.update(_ids(_kept(node)))
        if not backward:
            continue
        if node.needs_backward:
            for blob in _read_back(node):
                use(blob.data_storage, blob.count, back)
            for blob in node.top:
                use(blob.diff_storage, blob.count, back)
        for blob, wanted in zip(node.bottom, node.bottom_backward, strict=True):
            if wanted:
                use(blob.diff_storage, blob.count, back)
    written = {id(b.diff_storage) for n in nodes for b, on in zip(n.bottom, n.bottom_backward, strict=True) if on}
    unwritten = {id(b.diff_storage) for n in nodes for b in (*n.bottom, *n.top)} - written
    kept.update(_ids(_unread(nodes)), unwritten)
    return found, kept


def _sorted(nodes: Sequence[Node], found: dict[int, Lease], kept: set[int]) -> tuple[list[Lease], list[Lease]]:
    """The leases that may lie in an arena, and the others."""
    _join_gradients(nodes, found, kept)
    inner = {id(lease): lease for key, lease in found.items() if key not in kept and lease.count}
    return list(inner.values()), [lease for key, lease in found.items() if key in kept]


def _hand_on(nodes: Sequence[Node], found: dict[int, Lease]) -> None:
    """Have the gradients that `fuse.handed_on` writes early in use from where backward comes to the third layer."""
    for i, node in enumerate(nodes):
        if handed_on(nodes, i, lambda _: False) is not None:
            for blob, wanted in zip(node.bottom, node.bottom_backward, strict=True):
                if wanted:
                    lease = found[id(blob.diff_storage)]
                    lease.first = min(lease.first, 2 * len(nodes) - 1 - (i + 2))


def _sum_up(
    nodes: Sequence[Node], found: dict[int, Lease], kept: set[int], parts: Mapping[int, Part]
) -> Iterator[tuple[int, Summed]]:
    """The chains with a sum behind them that can be one step, by their first layer; their leases are as that needs.

    A gradient that arrives there is used for the last time: what goes on to the chain's bottom takes its place.
    """
    for i in range(len(nodes)):
        chain = summed(list(nodes), i)
        if chain is None:
            continue
        back, sum_, (bottom,) = 2 * len(nodes) - 1 - chain.last, chain.nodes[2], chain.nodes[0].bottom
        values = [b.data_storage for b in (chain.kept, chain.other, sum_.top[0])]
        given = [bottom.diff_storage, *(b.diff_storage for b in sum_.bottom)]
        arriving = [b.diff_storage for b in chain.arriving]
        ids = {id(storage) for storage in (*values, *given, *arriving)}
        if ids & (kept | parts.keys()) or found[id(chain.other.data_storage)].first >= i:
            continue
        held, _, total = (found[id(storage)] for storage in values)
        held.last, total.first = max(held.last, back), i
        for storage in given:
            if id(storage) in found:
                found[id(storage)].first = min(found[id(storage)].first, back)
        for storage in arriving:
            if _goes_on(found, id(storage), id(bottom.diff_storage), back):
                break
        yield i, chain


def _place(storage: Storage, parts: Mapping[int, Part]) -> int:
    """The id of the storage whose lease holds this one's data."""
    return id(parts[id(storage)].whole if id(storage) in parts else storage)


def _merge(
    nodes: Sequence[Node], found: dict[int, Lease], kept: set[int], parts: Mapping[int, Part]
) -> Iterator[tuple[int, Merge]]:
    """The merges that can be, by their first layer; the leases of what they write begin there.

    What is added to must not be read any more: its lease and the sum's become one.
    """
    for merge in merges(list(nodes)):
        top = nodes[merge.last].top[0].data_storage
        if merge.added is None:
            lease = found[_place(top, parts)]
            lease.first = min(lease.first, merge.first)
            yield merge.first, merge
            continue
        other = merge.added.data_storage
        read = {_place(blob.data_storage, parts) for blob in nodes[merge.first].bottom}
        if {id(other), id(top)} & (kept | parts.keys()) or id(other) in read:
            continue
        if found[id(other)].first < merge.first and _goes_on(found, id(other), id(top), merge.last):
            yield merge.first, merge


def _join_gradients(nodes: Sequence[Node], found: dict[int, Lease], kept: set[int]) -> None:
    """Make one lease of the gradients of a layer's top and bottom where backward needs no memory for the second."""
    for i, node in reversed(list(enumerate(nodes))):
        if not (node.layer.backward_inplace and node.needs_backward and all(node.bottom_backward)):
            continue
        (bottom,), (top,) = ([id(b.diff_storage) for b in blobs] for blobs in (node.bottom, node.top))
        if bottom == top or kept & {bottom, top} or not {bottom, top} <= found.keys():
            continue
        _goes_on(found, top, bottom, 2 * len(nodes) - 1 - i)


def _goes_on(found: dict[int, Lease], key: int, following: int, moment: int) -> bool:
    """Make one lease of two of a size where the second begins as the first ends, at this moment; whether it is so."""
    above, below = found[key], found[following]
    if above is below or not above.last == moment == below.first or above.count != below.count:
        return False
    above.last = below.last
    above.storages += below.storages
    found[following] = above
    return True


def _address(blob: Blob) -> int:
    return int(blob.data_storage.array.__array_interface__["data"][0])


def _kept_arrays(nodes: Sequence[Node]) -> Iterator[tuple[Lease, Node, str]]:
    """What layers keep for their backward pass: (lease, node, its name)."""
    for i, node in enumerate(nodes):
        if node.needs_backward and not isinstance(node.layer, HostLayer):
            for name, saved in node.layer.saved.items():
                size = prod(saved.shape) * np.dtype(saved.dtype).itemsize
                if saved.for_backward and size:
                    yield Lease([], -(-size // 4), i, 2 * len(nodes) - 1 - i), node, name


def _ids(blobs: Iterator[Blob]) -> Iterator[int]:
    for blob in blobs:
        yield id(blob.data_storage)
        yield id(blob.diff_storage)


def _kept(node: Node) -> Iterator[Blob]:
    """Blobs of a node that need memory of their own."""
    if isinstance(node.layer, HostLayer) or not node.bottom:
        yield from (*node.bottom, *node.top)
    yield from (blob for blob, weight in zip(node.top, node.loss_weights, strict=True) if weight)


def _unread(nodes: Sequence[Node]) -> Iterator[Blob]:
    """The net's outputs."""
    pending: dict[int, Blob] = {}
    for node in nodes:
        for blob in node.bottom:
            pending.pop(id(blob), None)
        pending.update((id(blob), blob) for blob in node.top)
    yield from pending.values()


def _read_back(node: Node) -> Iterator[Blob]:
    """The blobs whose data the layer's backward reads."""
    layer = node.layer
    for names, blobs in ((layer.bottoms, node.bottom), (layer.tops, node.top)):
        for i, blob in enumerate(blobs):
            if names[min(i, len(names) - 1)].strip("*?") in layer.backward_reads:
                yield blob


def place(wanted: Sequence[Lease]) -> int:
    """Give every lease an offset, so that few floats do for all; how many do.

    The better of two orders: the largest first, and those of the longest time first.
    """
    orders = [lambda one: (-one.count, one.first), lambda one: (one.first - one.last, -one.count)]
    tried = [(_lowest(sorted(wanted, key=order)), [lease.offset for lease in wanted]) for order in orders]
    size, offsets = min(tried, key=lambda result: result[0])
    for lease, offset in zip(wanted, offsets, strict=True):
        lease.offset = offset
    return size


def _lowest(wanted: Sequence[Lease]) -> int:
    """Give one lease after the other the lowest place that is free while it lasts; the size of it all."""
    placed: list[Lease] = []
    size = 0
    for lease in wanted:
        beside = [other for other in placed if other.first <= lease.last and lease.first <= other.last]
        lease.offset = 0
        for other in sorted(beside, key=lambda one: one.offset):
            if other.offset >= lease.offset + lease.count:
                break
            lease.offset = max(lease.offset, -(-(other.offset + other.count) // _ALIGN) * _ALIGN)
        placed.append(lease)
        size = max(size, lease.offset + lease.count)
    return size
