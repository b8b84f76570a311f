"""Which layers, bottoms and parameters the backward pass must visit."""

from caffelike import log
from caffelike.graph.node import Node


def mark(nodes: list[Node], force_backward: bool) -> None:
    """Set needs_backward, bottom_backward and param_backward of every node, by Caffe's three sweeps.

    Forward: a layer needs it when a bottom does or a parameter learns (lr_mult not 0);
    `propagate_down` overrides per bottom. Backward: layers that no loss depends on are pruned.
    Last, `force_backward` asks for every gradient that a layer type can give.
    """
    _forward_sweep(nodes)
    _prune(nodes)
    if force_backward:
        for node in nodes:
            node.needs_backward = True
            for i, able in enumerate(_gradient_possible(node)):
                node.bottom_backward[i] |= able
            node.param_backward = [True] * len(node.layer.blobs)


def _gradient_possible(node: Node) -> list[bool]:
    """Which bottoms force_backward may ask a gradient for: not labels, and not of types without backward."""
    layer = node.layer
    if not hasattr(layer, "backward") and layer.definition("backward") is None and "diff" not in layer.shares:
        return [False] * len(node.bottom)
    names = [n.strip("*?") for n in layer.bottoms]
    return [names[min(i, len(names) - 1)] not in layer.no_gradient for i in range(len(node.bottom))]


def _forward_sweep(nodes: list[Node]) -> None:
    needing: set[int] = set()
    for node in nodes:
        message = node.layer.message
        node.bottom_backward = [
            message.propagate_down[i] if message.propagate_down else blob in needing
            for i, blob in enumerate(node.bottom_ids)
        ]
        node.param_backward = [
            message.param[i].lr_mult != 0 if i < len(message.param) else True for i in range(len(node.layer.blobs))
        ]
        node.needs_backward = any(blob in needing for blob in node.bottom_ids) or any(node.param_backward)
        if node.needs_backward:
            needing.update(node.top_ids)


def _prune(nodes: list[Node]) -> None:
    under_loss: set[str] = set()
    skipped: set[str] = set()
    for node in reversed(nodes):
        contributes = any(
            weight or name in under_loss for weight, name in zip(node.loss_weights, node.top_names, strict=True)
        )
        if node.needs_backward and all(name in skipped for name in node.top_names):
            node.needs_backward = False
            node.bottom_backward = [False] * len(node.bottom)
        node.needs_backward &= contributes
        if node.needs_backward:
            log.info("net.cpp:200", f"{node.name} needs backward computation.")
        else:
            log.info("net.cpp:202", f"{node.name} does not need backward computation.")
        if contributes:
            under_loss.update(node.bottom_names)
        else:
            node.bottom_backward = [False] * len(node.bottom)
        skipped.update(name for name, down in zip(node.bottom_names, node.bottom_backward, strict=True) if not down)
