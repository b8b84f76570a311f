"""Where a layer runs: on the CPU, or on the GPU; and what crosses between the two.

A plan binds each layer's functions to arrays of its place. In a net that runs on the GPU a layer whose type has no
kernels there stays on the CPU. Each layer's first step brings the blobs it touches to its side (`crossing`), so copies
happen only where neighbours differ.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from caffelike import device, log
from caffelike.blob import Blob, Storage
from caffelike.graph.node import Node, Step
from caffelike.layer import HostLayer, Layer


class Host:
    """The CPU, and the computer's memory."""

    name = device.CPU

    def data(self, blob: Blob) -> Any:
        """A blob's values."""
        return blob.raw_data

    def diff(self, blob: Blob) -> Any:
        """A blob's gradient."""
        return blob.raw_diff

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A new array."""
        return np.zeros(shape, dtype)

    def arrays(self, node: Node) -> dict[str, Any]:
        """What a layer keeps beside its blobs, by name."""
        return node.arrays

    def copy(self, to: Any, source: Any) -> None:
        """Copy an array into another of its shape."""
        np.copyto(to, source)

    def function(self, layer: Layer, name: str) -> Callable | None:
        """The fast kernel of a layer's type for `name`, else its definition, else None."""
        return device.kernel(layer.stem(), name) or layer.definition(name)

    def crossing(self, read: Iterable[Storage], written: Iterable[Storage]) -> Step:
        """The step that makes these blobs' values current here."""
        return _to_host, (tuple({id(s): s for s in (*read, *written)}.values()),)


class Gpu:
    """The GPU and its memory, with the same methods as `Host`."""

    name = device.CUDA

    def data(self, blob: Blob) -> Any:
        """A blob's values."""
        return blob.data_storage.gpu_array[: blob.count].reshape(blob.shape)

    def diff(self, blob: Blob) -> Any:
        """A blob's gradient."""
        blob.diff_storage.reserve(blob.count)
        return blob.diff_storage.gpu_array[: blob.count].reshape(blob.shape)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A new array."""
        return device.use().zeros(int(np.prod(shape, dtype=np.int64)), dtype).reshape(shape)

    def arrays(self, node: Node) -> dict[str, Any]:
        """What a layer keeps beside its blobs, by name."""
        return node.gpu_arrays

    def copy(self, to: Any, source: Any) -> None:
        """Copy an array into another of its shape."""
        device.use().copy(to, source)

    def function(self, layer: Layer, name: str) -> Callable | None:
        """The CUDA kernel of a layer's type for `name`."""
        return device.kernel(layer.stem(), name, device.CUDA)

    def crossing(self, read: Iterable[Storage], written: Iterable[Storage]) -> Step:
        """The step that makes these blobs' values current here."""
        changed = {id(s): s for s in written}
        kept = {id(s): s for s in read if id(s) not in changed}
        return _to_gpu, (tuple(kept.values()), tuple(changed.values()))


HOST, GPU = Host(), Gpu()


def place_of(node: Node, told: set[str]) -> Host | Gpu:
    """Where a layer of a net on the GPU runs: there, if its type has all the kernels it needs.

    told: names of the layers of which it was said already that they stay on the CPU.
    """
    layer = node.layer
    if isinstance(layer, HostLayer):
        if node.bottom:
            _tell(node, told, "works on blobs itself")
        return HOST
    names = ["forward", "backward"] if node.needs_backward else ["forward"]
    wanted = [name for name in names if layer.definition(name)]
    missing = [name for name in wanted if GPU.function(layer, name) is None]
    if missing:
        _tell(node, told, f"has no CUDA kernel for {' and '.join(missing)}")
    return HOST if missing else GPU


def _tell(node: Node, told: set[str], why: str) -> None:
    """Say once that a layer stays on the CPU."""
    if node.name not in told:
        told.add(node.name)
        text = f"Layer '{node.name}' ({node.layer.type}) {why}: it runs on the CPU, and its blobs are copied."
        log.info("layer.hpp:375", text)


def storages(blobs: Iterable[Blob], diffs: bool = False) -> list[Storage]:
    """The Storages of blobs' data, or diffs."""
    return [blob.diff_storage if diffs else blob.data_storage for blob in blobs]


def before_gpu(used: Iterable[Storage]) -> None:
    """What somebody holds a view of may have been written: the GPU must take it from there."""
    for storage in used:
        if storage.held:
            storage.write_host()


def after_gpu(used: Iterable[Storage]) -> None:
    """Views that somebody holds show what the GPU wrote."""
    for storage in used:
        if storage.held:
            storage.to_host()


def before_cpu(used: Iterable[Storage]) -> None:
    """Bring everything to the computer's memory, where a step on the CPU writes it."""
    for storage in used:
        storage.write_host()


def _to_host(used: tuple[Storage, ...]) -> None:
    for storage in used:
        storage.write_host()


def _to_gpu(read: tuple[Storage, ...], written: tuple[Storage, ...]) -> None:
    for storage in read:
        storage.to_gpu()
    for storage in written:
        storage.write_gpu()
