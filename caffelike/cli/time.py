"""`caffelike time`: how long each layer takes."""

from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import Any

import click
import numpy as np

from caffelike import ahead, device, log
from caffelike.cli import _options, _table, _terminal
from caffelike.errors import CaffelikeError
from caffelike.schema import TEST, TRAIN


@click.command()
@_options.model_file
@_options.iterations
@click.option("--phase", default="TRAIN", show_default=True, help="TRAIN or TEST.")
@_options.gpu
@_options.level
@_options.stage
@click.option("--json", "as_json", is_flag=True, help="Print the means as JSON, too; all times in milliseconds.")
def command(net: str, model: str, iterations: int, phase: str, gpu: str, level: int, stage: str, as_json: bool) -> None:
    """Time forward and backward of NET (a prototxt), layer by layer.

    Example: caffelike time deploy.prototxt --phase TEST --iterations 20
    """
    path = _options.only_one(
        net, model, "model", "Need a model definition to time. Write `caffelike time NET` or -model FILE."
    )
    if phase not in ("TRAIN", "TEST"):
        raise CaffelikeError(f'phase must be "TRAIN" or "TEST", but is "{phase}".')
    if iterations < 1:
        raise CaffelikeError(f"-iterations must be at least 1, but is {iterations}.")
    _options.use_device(gpu, "caffe.cpp:343")
    which = TRAIN if phase == "TRAIN" else TEST
    with ahead.compiling(path, which, level, stage):
        from caffelike import Net

        timed = Net(path, which, level=level, stages=stage.split(","))
        timed.share_memory()
        log.info("caffe.cpp:351", "Performing Forward")
        log.info("caffe.cpp:356", f"Initial loss: {log.number(timed.run_forward())}")
        log.info("caffe.cpp:357", "Performing Backward")
        timed.run_backward()
    log.info("caffe.cpp:365", "*** Benchmark begins ***")
    log.info("caffe.cpp:366", f"Testing for {iterations} iterations.")
    began = perf_counter()
    forward, backward = np.zeros(len(timed.layers)), np.zeros(len(timed.layers))
    with _terminal.progress("time", iterations) as show:
        for i in range(iterations):
            taken = _pass(timed, forward, backward)
            log.info("caffe.cpp:394", f"Iteration: {i + 1} forward-backward time: {_ms(taken)} ms.")
            show(i + 1, lambda: "")
    total = perf_counter() - began
    log.info("caffe.cpp:397", "Average time per layer: ")
    for i, name in enumerate(timed._layer_names):
        log.info("caffe.cpp:400", f"{name:>10}\tforward: {_ms(forward[i] / iterations)} ms.")
        log.info("caffe.cpp:403", f"{name:>10}\tbackward: {_ms(backward[i] / iterations)} ms.")
    log.info("caffe.cpp:408", f"Average Forward pass: {_ms(forward.sum() / iterations)} ms.")
    log.info("caffe.cpp:410", f"Average Backward pass: {_ms(backward.sum() / iterations)} ms.")
    log.info("caffe.cpp:412", f"Average Forward-Backward: {_ms(total / iterations)} ms.")
    log.info("caffe.cpp:414", f"Total Time: {_ms(total)} ms.")
    log.info("caffe.cpp:415", "*** Benchmark ends ***")
    if as_json:
        forward, backward = forward * 1e3 / iterations, backward * 1e3 / iterations
        layers = zip(timed._layer_names, timed.layers, forward, backward, strict=True)
        _table.echo_json(
            {
                "iterations": iterations,
                "forward": forward.sum(),
                "backward": backward.sum(),
                "forward_backward": total * 1e3 / iterations,
                "layers": [{"name": n, "type": x.type, "forward": f, "backward": b} for n, x, f, b in layers],
            }
        )
    timed.close()


def _pass(net: Any, forward: np.ndarray, backward: np.ndarray) -> float:
    """One pass of all layers; adds each one's seconds to `forward` and `backward` and returns the whole.

    Layers run as they always do: several that are one kernel count with the first of them, backward with the last.
    Nothing waits between layers: a GPU takes the times itself as it passes marks, which are read at the end.
    """
    count = len(forward)
    mark: Callable[[], Any] = perf_counter
    between: Callable[[Any, Any], float] = _seconds
    if device.mode() == device.CUDA:
        mark, between = device.door().mark, device.door().seconds
    marks = [mark()]

    def passed(layer: int) -> None:
        marks.append(mark())

    net.on_layer_done(passed, forward=True)
    net.on_layer_done(passed)
    net.forward_backward()
    taken = [between(*pair) for pair in pairwise(marks)]
    forward += taken[:count]
    backward += taken[count:][::-1]
    return between(marks[0], marks[-1])


def _seconds(first: float, second: float) -> float:
    return second - first


def _ms(seconds: float) -> str:
    return log.number(round(seconds * 1e3, 6))
