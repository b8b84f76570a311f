"""What to say when training meets a NaN or an infinity: where it began, and what helps."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from caffelike import log
from caffelike.errors import NotFiniteError

_SATURATED = -math.log(np.finfo(np.float32).tiny)  # 87.3365: the largest loss SoftmaxWithLoss can have

_CURES = (
    "Usual cures: a smaller base_lr; clip_gradients: 10; data scaled to about -1..1 (transform_param scale and mean);"
    " fillers other than constant 0; labels from 0 to num_output - 1."
    " `--no-guard` (check_finite=False in Python) goes on as Caffe does."
)


def bad_loss(solver: Any, loss: float) -> NotFiniteError:
    """The error for a loss that is not finite; the weights are those of the last update."""
    _show(solver.net)
    return _error(solver, f"the loss is {_word(np.float64(loss))}", _first(_forward_order(solver.net)))


def bad_update(solver: Any) -> NotFiniteError:
    """The error for an update that left a weight that is not finite."""
    net = solver.net
    order = _updates(net) if net.shares_memory else [*_activations(net), *_backward_order(net)]
    return _error(solver, "the update made a weight NaN or infinite", _first(order))


def hint(solver: Any) -> None:
    """Warn once about the loss of a softmax that gives the true labels no probability at all."""
    if abs(solver.smoothed_loss - _SATURATED) < 1e-3 and not getattr(solver, "hinted", False):
        solver.hinted = True
        log.warning(
            "solver.cpp:239",
            f"A loss of {_SATURATED:.6g} is -log(FLT_MIN): the net has diverged and gives the true labels no"
            f" probability. {_CURES}",
        )


def _error(solver: Any, what: str, place: str) -> NotFiniteError:
    good = (
        f"The last good snapshot is {solver.last_snapshot}: go on from it with -snapshot."
        if solver.last_snapshot
        else "There is no snapshot to go on from."
    )
    where = f" First at {place}." if place else ""
    return NotFiniteError(f"Iteration {solver.iter}: {what}.{where} {good} {_CURES}")


def _word(value: Any) -> str:
    return "NaN" if np.isnan(value) else "infinite"


def _first(blobs: Iterator[tuple[str, np.ndarray]] | list[tuple[str, np.ndarray]]) -> str:
    """The first array with a value that is not finite, in words; "" if there is none."""
    for name, values in blobs:
        finite = np.isfinite(values)
        if not finite.all():
            bad = values[~finite]
            return f"{name}: {bad.size} of {values.size} values are not finite, the first is {_word(bad[0])}"
    return ""


def _show(net: Any) -> None:
    """Run the last batch once more if blobs took turns in their memory, so that each holds what it held."""
    if net.shares_memory:
        net.share_memory(False)
        net.run_forward(next((i for i, node in enumerate(net._nodes) if node.bottom), 0))


def _forward_order(net: Any) -> Iterator[tuple[str, np.ndarray]]:
    for node in net._nodes:
        for i, blob in enumerate(node.layer.blobs):
            yield f"parameter {i} of layer '{node.name}' ({node.layer.type})", blob.raw_data
        yield from _tops(node)


def _activations(net: Any) -> Iterator[tuple[str, np.ndarray]]:
    for node in net._nodes:
        yield from _tops(node)


def _tops(node: Any) -> Iterator[tuple[str, np.ndarray]]:
    for name, blob in zip(node.top_names, node.top, strict=True):
        yield f"top blob '{name}' of layer '{node.name}' ({node.layer.type})", blob.raw_data


def _backward_order(net: Any) -> Iterator[tuple[str, np.ndarray]]:
    for node in reversed(net._nodes):
        for name, blob, wanted in zip(node.bottom_names, node.bottom, node.bottom_backward, strict=True):
            if wanted:
                yield f"the gradient of bottom blob '{name}' of layer '{node.name}' ({node.layer.type})", blob.raw_diff
        yield from _update(node)


def _updates(net: Any) -> Iterator[tuple[str, np.ndarray]]:
    for node in reversed(net._nodes):
        yield from _update(node)


def _update(node: Any) -> Iterator[tuple[str, np.ndarray]]:
    for i, blob in enumerate(node.layer.blobs):
        yield f"the update of parameter {i} of layer '{node.name}' ({node.layer.type})", blob.raw_diff
