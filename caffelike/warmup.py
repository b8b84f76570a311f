"""Compiling kernels ahead of time, so that the first real pass need not wait for it."""

import os
from collections.abc import Mapping

import numpy as np

from caffelike import registry
from caffelike.layer import Shape
from caffelike.schema import TEST, TRAIN, text
from caffelike.summary import build_without_data


def warm_up(path: str | os.PathLike, inputs: Mapping[str, Shape] | None = None) -> int:
    """Run the nets of a net or solver prototxt once on zeros; how many nets ran.

    Both phases, forward and, where there is a loss, backward; for a solver its update rule, too. One compiled kernel
    serves all shapes, so any batch size will do. inputs: shapes in place of data that are not here, as for `summary`.
    Raises what building the nets raises.
    """
    name = os.fspath(path)
    if not _is_solver(name):
        return sum(_run(name, phase, inputs) for phase in (TRAIN, TEST))
    solver = text.read_solver(name).message
    nets = [n for n in (solver.net or solver.train_net, *solver.test_net) if n]
    beside = [n if os.path.isfile(n) else os.path.join(os.path.dirname(name), n) for n in nets]
    run_update(solver.type)
    return sum(_run(net, phase, inputs) for net in beside for phase in (TRAIN, TEST))


def _is_solver(path: str) -> bool:
    from caffelike.errors import ParseError
    from caffelike.schema import SolverParameter

    try:
        text.read(path, SolverParameter)
    except ParseError:
        return False
    return True


def _run(path: str, phase: int, inputs: Mapping[str, Shape] | None) -> int:
    net = build_without_data(path, phase, inputs)
    try:
        net.run_forward()
        if any(net.blob_loss_weights.values()):
            net.run_backward()
    finally:
        net.close()
    return 1


def run_update(rule: str) -> None:
    """One update of one number by the solver type `rule`."""
    from caffelike import SGDSolver
    from caffelike.schema import NetParameter, SolverParameter

    net = NetParameter()
    data = net.layer.add(name="x", type="Input", top=["x"])
    data.input_param.shape.add(dim=[1, 1])
    product = net.layer.add(name="y", type="InnerProduct", bottom=["x"], top=["y"])
    product.inner_product_param.num_output = 1
    net.layer.add(name="loss", type="EuclideanLoss", bottom=["y", "x"], top=["loss"])
    solver_class: type[SGDSolver] = registry.solvers[rule]
    solver = solver_class(SolverParameter(net_param=net, base_lr=0.01, lr_policy="fixed", max_iter=1, type=rule))
    solver.net.blobs["x"].data[...] = np.ones((1, 1))
    solver.step(1)
