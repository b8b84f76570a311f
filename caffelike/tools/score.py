"""Which passes score a net: so many batches of its data, or each record of them once."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net
from caffelike.schema import TEST, text


@dataclass
class Passes:
    """Passes to be run one by one: iterating gives (net to run, weight of its outputs in the mean).

    count: how many there are. records: the sum of the weights.
    """

    runs: Iterator[tuple[Net, int]]
    count: int
    records: int

    def __iter__(self) -> Iterator[tuple[Net, int]]:
        return self.runs


def batches(net: Net, count: int) -> Passes:
    """So many batches, one after the other, each with the same weight, as Caffe scores a net."""
    return Passes(iter([(net, 1)] * count), count, count)


def every_record(net: Net, file: str | os.PathLike, level: int = 0, stages: Sequence[str] = ()) -> Passes:
    """Each record of a net's data exactly once; a batch weighs as much as it has records.

    net: of `file` with `level` and `stages`, in phase TEST, fresh. Where the batch size does not divide the number of
    records, a net with the rest as its batch runs last; it shares the weights. Raises CaffelikeError when the data
    layers differ in records or batch size, or do not know how many records there are.
    """
    layers: dict[str, Any] = {node.name: node for node in net._nodes if hasattr(node.layer, "records")}
    sizes = {(node.layer.records(), node.top[0].shape[0]) for node in layers.values()}
    if len(sizes) != 1:
        found = "; ".join(
            f"layer '{name}': {node.layer.records()} records in batches of {node.top[0].shape[0]}"
            for name, node in layers.items()
        )
        raise CaffelikeError(
            f"--all needs one number of records and one batch size ({found})."
            if found
            else "--all needs data whose number is known: a Data, ImageData or HDF5Data layer."
        )
    ((records, batch),) = sizes
    whole, rest = divmod(records, batch)

    def runs() -> Iterator[tuple[Net, int]]:
        for _ in range(whole):
            yield net, batch
        if rest:
            last = _with_batch(file, rest, level, stages)
            last.share_with(net)
            for name, node in layers.items():
                last.layer_dict[name].restore(node.layer.state())  # type: ignore[attr-defined]
            yield last, rest
            last.close()

    return Passes(runs(), whole + bool(rest), records)


def _with_batch(file: str | os.PathLike, batch: int, level: int, stages: Sequence[str]) -> Net:
    """The net of a file with another batch size in its data layers."""
    document = text.read_net(os.fspath(file))
    message = document.message
    for layer in message.layer:
        for descriptor, value in layer.ListFields():
            if descriptor.name.endswith("_param") and _has_batch(descriptor, value):
                value.batch_size = batch
    return Net.build(message, TEST, filename=os.fspath(file), level=level, stages=stages, where=document.where_layer)


def _has_batch(descriptor: Any, value: Any) -> bool:
    return descriptor.message_type is not None and hasattr(value, "batch_size") and value.batch_size > 0
