"""Gradients in pieces: which parts of the arena are complete when which layer's backward has run."""

from collections.abc import Sequence
from typing import Any, NamedTuple

LEAST = 1 << 20
"""Bytes of a bucket, unless the rest is smaller: enough that the link's bandwidth counts and not its latency."""


class Bucket(NamedTuple):
    """A range of the arena's numbers that is complete once the backward of layer `ready` has run."""

    ready: int
    start: int
    end: int


def cut(net: Any, least: int = LEAST) -> list[Bucket]:
    """The arena of a net's gradients in buckets, in the order in which they become complete.

    Parameters lie in the arena in the order of their layers, and backward runs from the last layer to the first, so
    buckets are cut from the arena's end. A parameter that several layers share is complete with the first of them.
    """
    first: dict[int, int] = {}
    for i, node in enumerate(net._nodes):
        for blob in node.layer.blobs:
            first.setdefault(id(blob.diff_storage), i)
    own = [(first[id(one.blob.diff_storage)], one.offset, one.offset + one.count) for one in net.learnable]
    return join(own, least)


def join(parameters: Sequence[tuple[int, int, int]], least: int) -> list[Bucket]:
    """Neighbours of (ready, start, end) joined, from the last on, until each bucket has `least` bytes of float32."""
    buckets: list[Bucket] = []
    for ready, start, end in sorted(parameters, key=lambda one: -one[1]):
        last = buckets[-1] if buckets else None
        if last is None or 4 * (last.end - last.start) >= least:
            buckets.append(Bucket(ready, start, end))
        else:
            buckets[-1] = Bucket(min(last.ready, ready), start, last.end)
    return sorted(buckets, key=lambda bucket: -bucket.ready)
