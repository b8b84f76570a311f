"""debug_info: passes that log the mean magnitude of every blob they touch, in Caffe's words."""

import math
from typing import Any

import numpy as np

from caffelike import log


def forward(net: Any) -> float:
    """A forward pass, layer by layer, that logs tops and parameters; returns the loss."""
    loss = 0.0
    for i, node in enumerate(net._nodes):
        loss += net.run_forward(i, i)
        for name, blob in zip(node.top_names, node.top, strict=True):
            _line("net.cpp:591", f"[Forward] Layer {node.name}, top blob {name} data", blob.raw_data)
        for name, blob in zip(_param_names(node), node.layer.blobs, strict=True):
            _line("net.cpp:600", f"[Forward] Layer {node.name}, param blob {name} data", blob.raw_data)
    return loss


def forward_backward(net: Any, beta: int = 0) -> float:
    """A forward and a backward pass, layer by layer, logging data and gradients; returns the loss.

    beta 0: parameter gradients start from zero, 1: they are added to.
    """
    loss = forward(net)
    if beta == 0:
        net.clear_param_diffs()
    for i in reversed(range(len(net._nodes))):
        node = net._nodes[i]
        net.run_backward(i, i, beta=1)
        if not node.needs_backward:
            continue
        for name, blob, wanted in zip(node.bottom_names, node.bottom, node.bottom_backward, strict=True):
            if wanted:
                _line("net.cpp:619", f"[Backward] Layer {node.name}, bottom blob {name} diff", blob.raw_diff)
        for k, (blob, wanted) in enumerate(zip(node.layer.blobs, node.param_backward, strict=True)):
            if wanted:
                _line("net.cpp:630", f"[Backward] Layer {node.name}, param blob {k} diff", blob.raw_diff)
    _all_params(net)
    return loss


def _param_names(node: Any) -> list[str]:
    given = [spec.name for spec in node.layer.message.param]
    return [(given[i] if i < len(given) else "") or str(i) for i in range(len(node.layer.blobs))]


def _line(source: str, what: str, values: np.ndarray) -> None:
    log.info(source, f"    {what}: {log.number(np.abs(values).sum(dtype=np.float64) / max(1, values.size))}")


def _all_params(net: Any) -> None:
    pairs = [(own.blob.raw_data, own.blob.raw_diff) for own in net.learnable]
    l1 = [sum(float(np.abs(pair[k]).sum(dtype=np.float64)) for pair in pairs) for k in (0, 1)]
    l2 = [math.sqrt(sum(float(np.square(pair[k], dtype=np.float64).sum()) for pair in pairs)) for k in (0, 1)]
    log.error(
        "net.cpp:555",
        f"    [Backward] All net params (data, diff): L1 norm = ({log.number(l1[0])}, {log.number(l1[1])});"
        f" L2 norm = ({log.number(l2[0])}, {log.number(l2[1])})",
    )
