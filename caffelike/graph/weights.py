"""Trained weights into a net and out of it, matched by layer name."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.errors import WeightsError
from caffelike.graph.node import Node


def first_of_name(nodes: list[Node]) -> dict[str, Node]:
    """Nodes by layer name; of duplicate names the first, as Caffe picks it."""
    found: dict[str, Node] = {}
    for node in nodes:
        found.setdefault(node.name, node)
    return found


def copy_weights(nodes: list[Node], stored: Iterable[Any], path: str, fewer: bool = False) -> set[int]:
    """Copy stored layers (`schema.weights.StoredLayer`) into the layers of the same name.

    A stored layer whose name no layer has is logged and left out; layers that the file does not name keep
    what they have. fewer: the file may hold fewer blobs than a layer (HDF5, where shared ones are stored once).
    Returns the ids of the Storages that were written. Raises WeightsError for a count or shape that differs.
    """
    targets = first_of_name(nodes)
    written = set()
    for source in stored:
        node = targets.get(source.name)
        if node is None:
            log.info("net.cpp:744", f"Ignoring source layer {source.name}")
            continue
        blobs = node.layer.blobs
        if len(source.blobs) > len(blobs) or (len(source.blobs) < len(blobs) and not fewer):
            raise WeightsError(
                f"{path}: Incompatible number of blobs for layer {node.name}: the file has {len(source.blobs)}, the net"
                f" {len(blobs)} ({node.layer.type}). Rename the layer to keep its own values, or fix its options."
            )
        for i, (blob, stored_blob) in enumerate(zip(blobs, source.blobs, strict=False)):
            if stored_blob is None:
                continue
            if not _fits(blob, stored_blob):
                raise WeightsError(
                    f"{path}: Cannot copy param {i} weights from layer '{node.name}'; shape mismatch.  Source param"
                    f" shape is {_shape(stored_blob.shape)}; target param shape is {_shape(blob.shape)}. To learn this"
                    " layer's parameters from scratch rather than copying from a saved net, rename the layer."
                )
            stored_blob.copy_into(blob.raw_data)
            blob.data_storage.wrote()
            written.add(id(blob.data_storage))
            if stored_blob.diff is not None:
                blob.raw_diff[...] = np.reshape(stored_blob.diff, blob.shape)
    return written


def unmatched(nodes: list[Node], files: dict[str, list[str]]) -> list[str]:
    """Sentences on what names of layers did not bring together; none if each with parameters was found, and used.

    files: path -> names of its layers that hold weights, in the order in which they were copied.
    """
    targets = [name for name, node in first_of_name(nodes).items() if node.layer.blobs]
    stored = {name for names in files.values() for name in names}
    kept = [name for name in targets if name not in stored]
    unused = [(path, [name for name in names if name not in targets]) for path, names in files.items()]
    if not kept and not any(names for _, names in unused):
        return []
    found = [f"{len(targets) - len(kept)} of {len(targets)} layers with parameters got weights."]
    for name in kept:
        near = difflib.get_close_matches(name, sorted(stored - set(targets)), n=1)
        hint = f"; '{near[0]}' is near" if near else ""
        found.append(f"Layer '{name}' keeps what its fillers gave: no layer of that name is stored{hint}.")
    found += [
        f"Not used of {path}: {', '.join(names)}; no layer with parameters has that name."
        for path, names in unused
        if names
    ]
    return found


def _fits(blob: Blob, stored: Any) -> bool:
    """Equal shapes; a stored one with the old num, channels, height, width may have 1s in front."""
    shape = tuple(stored.shape)
    if not stored.legacy:
        return shape == blob.shape
    return len(blob.shape) <= 4 and shape == (1,) * (4 - len(blob.shape)) + blob.shape


def _shape(shape: Iterable[int]) -> str:
    """A shape as Caffe's messages write it: `20 1 5 5 (500)`."""
    dims = tuple(shape)
    return "".join(f"{d} " for d in dims) + f"({int(np.prod(dims, dtype=np.int64))})"


def share_weights(nodes: list[Node], others: list[Node]) -> None:
    """Let `nodes` use the parameter data of the layers of the same name in `others` (gradients stay apart).

    Raises WeightsError where counts or shapes differ.
    """
    targets = first_of_name(nodes)
    for other in others:
        node = targets.get(other.name)
        if node is None:
            log.info("net.cpp:671", f"Ignoring source layer {other.name}")
            continue
        mine, theirs = node.layer.blobs, other.layer.blobs
        if [b.shape for b in mine] != [b.shape for b in theirs]:
            raise WeightsError(
                f"Cannot share param weights from layer '{other.name}'; shape mismatch: source shapes are"
                f" {[b.shape for b in theirs]}, target shapes are {[b.shape for b in mine]}."
            )
        for blob, source in zip(mine, theirs, strict=True):
            blob.share_data(source)
