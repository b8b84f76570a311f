"""Memory that blobs take turns in: where nobody looks at a net, data and gradients need be there only while in use.

A pass over n layers has 2n moments: layer i runs forward at moment i and backward at 2n - 1 - i. A `Lease` is a piece
of memory from the first moment that writes it to the last that reads it; two may have the same addresses unless
they overlap in time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from caffelike.blob import Blob, Storage, aligned_zeros
from caffelike.graph.node import Node
from caffelike.layer import HostLayer

_ALIGN = 16  # float32 elements: every lease starts on a cache line


@dataclass
class Lease:
    """`count` floats in use from moment `first` to moment `last`, both included; offset: in the arena.

    storage: whose values they are; None for an array that a layer keeps for its backward pass.
    """

    storage: Storage | None
    count: int
    first: int
    last: int
    offset: int = 0


class Shared:
    """One arena for the data and gradients of a net's inner blobs, and for what layers keep for backward.

    arena: its memory. wanted: the bytes that all in it would take each by itself.
    """

    def __init__(self, nodes: Sequence[Node]):
        self._kept = list(_kept_arrays(nodes))
        self._leases = leases(nodes) + [lease for lease, _, _ in self._kept]
        self.arena = aligned_zeros(place(self._leases))
        self.wanted = 4 * sum(lease.count for lease in self._leases)
        for lease in self._leases:
            if lease.storage:
                lease.storage.adopt(self._part(lease))
        for lease, node, name in self._kept:
            saved = node.layer.saved[name]
            part = self._part(lease).view(np.uint8)[: prod(saved.shape) * np.dtype(saved.dtype).itemsize]
            node.arrays[name] = part.view(saved.dtype).reshape(saved.shape)

    def _part(self, lease: Lease) -> np.ndarray:
        return self.arena[lease.offset : lease.offset + lease.count]

    def end(self) -> None:
        """Give every blob memory of its own, with what is in its place now."""
        for _, node, name in self._kept:
            node.arrays[name] = node.arrays[name].copy()
        for lease in self._leases:
            if lease.storage and np.may_share_memory(lease.storage.array, self.arena):  # else it grew and moved out
                own = aligned_zeros(lease.count)
                own[...] = lease.storage.array
                lease.storage.adopt(own)


def leases(nodes: Sequence[Node]) -> list[Lease]:
    """What may lie in an arena, with the moments it is in use.

    Not among it: what layers without bottoms make (they may fill it once only), what layers see that work on blobs
    themselves, losses, outputs, and gradients that nobody writes (they are read as zeros).
    """
    found: dict[int, Lease] = {}
    kept: set[int] = set()

    def use(storage: Storage, count: int, moment: int) -> None:
        lease = found.setdefault(id(storage), Lease(storage, 0, moment, moment))
        lease.count = max(lease.count, count)
        lease.first, lease.last = min(lease.first, moment), max(lease.last, moment)

    for i, node in enumerate(nodes):
        back = 2 * len(nodes) - 1 - i
        for blob in (*node.bottom, *node.top):
            use(blob.data_storage, blob.count, i)
        if node.needs_backward:
            for blob in _read_back(node):
                use(blob.data_storage, blob.count, back)
            for blob in node.top:
                use(blob.diff_storage, blob.count, back)
        for blob, wanted in zip(node.bottom, node.bottom_backward, strict=True):
            if wanted:
                use(blob.diff_storage, blob.count, back)
        kept.update(_ids(_kept(node)))
    written = {id(b.diff_storage) for n in nodes for b, on in zip(n.bottom, n.bottom_backward, strict=True) if on}
    unwritten = {id(b.diff_storage) for n in nodes for b in (*n.bottom, *n.top)} - written
    kept.update(_ids(_unread(nodes)), unwritten)
    return [lease for key, lease in found.items() if key not in kept and lease.count]


def _kept_arrays(nodes: Sequence[Node]) -> Iterator[tuple[Lease, Node, str]]:
    """What layers keep for their backward pass: (lease, node, its name)."""
    for i, node in enumerate(nodes):
        if node.needs_backward and not isinstance(node.layer, HostLayer):
            for name, saved in node.layer.saved.items():
                size = prod(saved.shape) * np.dtype(saved.dtype).itemsize
                if saved.for_backward and size:
                    yield Lease(None, -(-size // 4), i, 2 * len(nodes) - 1 - i), node, name


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
    """Give every lease an offset, the largest first, at the lowest place free while it lasts; the size of it all."""
    placed: list[Lease] = []
    size = 0
    for lease in sorted(wanted, key=lambda one: (-one.count, one.first)):
        beside = [other for other in placed if other.first <= lease.last and lease.first <= other.last]
        lease.offset = 0
        for other in sorted(beside, key=lambda one: one.offset):
            if other.offset >= lease.offset + lease.count:
                break
            lease.offset = max(lease.offset, -(-(other.offset + other.count) // _ALIGN) * _ALIGN)
        placed.append(lease)
        size = max(size, lease.offset + lease.count)
    return size
