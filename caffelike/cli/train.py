"""`caffelike train`: train or fine-tune a model."""

from contextlib import closing, nullcontext
from typing import Any

import click

from caffelike import ahead, device, log
from caffelike.cli import _options, _terminal
from caffelike.cli._signals import Signals
from caffelike.errors import CaffelikeError, DeviceError
from caffelike.schema import TRAIN


@click.command()
@click.argument("file", metavar="[SOLVER]", required=False, default="")
@click.option("--solver", default="", metavar="FILE", help="The solver's prototxt, if not given as SOLVER.")
@click.option("--snapshot", default="", metavar="FILE", help="Go on from this .solverstate.")
@click.option("--weights", default="", metavar="A,B", help="Start from these weights; of several the last wins.")
@_options.gpu
@_options.level
@_options.stage
@click.option("--sigint_effect", default="stop", show_default=True, help="What Ctrl-C does: stop, snapshot or none.")
@click.option("--sighup_effect", default="snapshot", show_default=True, help="What a hang-up does: as above.")
@click.option("--guard/--no-guard", default=True, show_default=True, help="Stop at the first NaN or infinity.")
@click.option("--csv", default="", metavar="FILE", help="Write loss, rate and scores into this table.")
@click.option("--tensorboard", default="", metavar="DIR", help="Write them for TensorBoard.")
@click.option("--ranks", default=0, metavar="N", help="Train on so many processes of this machine (MPI).")
@click.option("--sync_bn", is_flag=True, help="BatchNorm over the batches of all ranks together.")
@click.option("--skip-bad-records", default=0, metavar="N", help="Leave out up to N records that cannot be read.")
@_options.solver_extras
def command(
    file: str,
    solver: str,
    snapshot: str,
    weights: str,
    gpu: str,
    level: int,
    stage: str,
    sigint_effect: str,
    sighup_effect: str,
    guard: bool,
    csv: str,
    tensorboard: str,
    ranks: int,
    sync_bn: bool,
    skip_bad_records: int,
    **fields: Any,
) -> int:
    """Train a model as SOLVER (a solver.prototxt) says, or fine-tune one, or go on from a snapshot.

    Flags such as --early_stop set the field of that name in the solver. Under mpirun, or with --ranks, the processes
    train one net together; each reads its share of the data.

    Example: caffelike train solver.prototxt --weights pretrained.caffemodel
    """
    path = _options.only_one(
        file,
        solver,
        "solver",
        "Need a solver definition to train. Write `caffelike train solver.prototxt` or -solver FILE.",
    )
    if snapshot and weights:
        raise CaffelikeError("Give a snapshot to resume training or weights to finetune but not both.")
    from caffelike.parallel import mpi

    if ranks and not mpi.started_by_mpi():
        from caffelike.parallel import launch

        return launch.run(ranks, click.get_current_context().obj)
    signals = Signals(sigint_effect, sighup_effect)
    from caffelike.cli import _watch
    from caffelike.data.tolerance import skipping_bad_records
    from caffelike.parallel.sync_batch_norm import synchronised
    from caffelike.solvers import definition, get_solver

    param = definition.read(path)
    param.train_state.level = level
    param.train_state.stage.extend(stage.split(","))
    for name, value in fields.items():
        if value is not None:
            setattr(param, name, value)
    if not gpu and param.HasField("solver_mode") and param.solver_mode == param.GPU:
        gpu = _solvers_gpu(param)
    _options.use_device(gpu, "caffe.cpp:197")
    if snapshot or weights:
        del param.weights[:]
    if weights:
        param.weights.append(weights)
    source = definition.training_file(param, path)
    beside = ahead.compiling(source, TRAIN, level, stage, param.type) if source else nullcontext()
    with mpi.world() as world, beside if world.size == 1 else nullcontext():
        with skipping_bad_records(skip_bad_records), synchronised(world, sync_bn):
            trained = get_solver(param, filename=path, check_finite=guard)
        world.join(trained)
        with closing(trained), signals, _terminal.progress("train", param.max_iter) as show:
            for net in (trained.net, *trained.test_nets):
                net.share_memory()
            trained.action = signals
            _watch.ProgressLine(trained, show)
            if snapshot:
                log.info("caffe.cpp:235", f"Resuming from {snapshot}")
                trained.restore(snapshot)
            with _watch.record(trained, *((csv, tensorboard) if world.rank == 0 else ("", ""))):
                log.info("caffe.cpp:239", "Starting Optimization")
                trained.solve()
            log.info("caffe.cpp:250", "Optimization Done.")
    return 0


def _solvers_gpu(param: Any) -> str:
    """The GPU that `solver_mode: GPU` and `device_id` mean, as -gpu names it; "" and a warning where none is usable."""
    try:
        device.door().select(param.device_id)
    except DeviceError as error:
        log.warning("caffe.cpp:197", f"solver_mode: GPU is asked for, but training runs on the CPU. {error}")
        return ""
    return str(param.device_id)
