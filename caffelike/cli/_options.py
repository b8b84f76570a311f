"""What commands share: flags for device, net state and input shapes, and how they choose a file."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from caffelike import device, log
from caffelike.errors import CaffelikeError, DeviceError

gpu = click.option("--gpu", default="", metavar="IDS", help="The GPU to run on, by its number; all: the only one.")
level = click.option("--level", default=0, help="Level of the net's state, for include and exclude rules.")
stage = click.option("--stage", default="", metavar="A,B", help="Stages of the net's state.")
inputs = click.option(
    "--input", "inputs", multiple=True, metavar="[BLOB=]N,C,H,W", help="Take this shape instead of data."
)
iterations = click.option("--iterations", default=50, show_default=True, help="How many batches to run.")


class Capitals(click.Choice):
    """Words in capitals, such as TRAIN and TEST; small letters are taken for them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word that `value` means."""
        return super().convert(str(value).upper(), param, ctx)


def model_file(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the net as a positional argument NET or as --model."""
    function = click.option("--model", default="", metavar="FILE", help="The net's prototxt, if not given as NET.")(
        function
    )
    return click.argument("net", required=False, default="")(function)


# Fields of SolverParameter that are flags too: name, type, what it does.
_EXTRAS = (
    ("warmup_iter", int, "Let the learning rate rise for so many iterations first."),
    ("warmup_start_lr", float, "The rate that it rises from."),
    ("gradient_scale", float, "Multiply the gradients by it."),
    ("average_decay", float, "Test and keep a running average of the weights."),
    ("keep_snapshots", int, "Keep only the last so many snapshots."),
    ("early_stop", int, "Stop after so many tests without a better score."),
    ("score", str, "The output of the test net that is the score."),
)


def solver_extras(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds flags for the opt-in extras; the command gets them as keywords, None where not given."""
    for name, kind, text in reversed(_EXTRAS):
        function = click.option(f"--{name}", type=kind, default=None, help=text)(function)
    text = "Keep the weights with the best score."
    return click.option("--keep_best", is_flag=True, default=None, help=text)(function)


def only_one(positional: str, flag: str, name: str, missing: str) -> str:
    """The file given either way. Raises CaffelikeError when it is missing, or given twice."""
    if positional and flag:
        raise CaffelikeError(f"{positional} and -{name} {flag} are both given; one is enough.")
    if not (positional or flag):
        raise CaffelikeError(missing)
    return positional or flag


def gpu_number(ids: str) -> int:
    """The GPU that -gpu means: a number, or "all" of one. Raises DeviceError for several, and for what is none."""
    if "," in ids or (ids == "all" and device.door().count() > 1):
        raise DeviceError(
            f"-gpu {ids} asks for several GPUs, which exchange gradients through NCCL in Caffe; caffelike uses one."
            " Give one number, with iter_size in the solver for the same batch; or train on CPUs, without -gpu:"
            " `caffelike train SOLVER --ranks 2` on this machine, `mpirun -n 2 caffelike train SOLVER` on several"
            " (docs/parallel.md)."
        )
    if ids != "all" and not ids.isdigit():
        raise DeviceError(f"-gpu takes the number of a GPU, from 0, or all; not '{ids}'.")
    return 0 if ids == "all" else int(ids)


def use_device(ids: str, source: str) -> None:
    """Let nets run on the GPU that -gpu names, or on the CPU where it is not given; logs which. Raises DeviceError."""
    if not ids:
        device.set_mode_cpu()
        log.info(source, "Use CPU.")
        return
    number = gpu_number(ids)
    device.set_device(number)
    device.set_mode_gpu()
    log.info(source, f"Use GPU with device ID {number}")
    log.info(source, f"GPU {number}: {device.door().properties(number)['Name']}")


def shapes(inputs: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Shapes by blob name from values of --input: BLOB=N,C,H,W, BLOB:N,C,H,W, or NxCxHxW (name "").

    Raises CaffelikeError.
    """
    found = {}
    for text in inputs:
        match = re.fullmatch(r"(?:(.+)[=:])?(\d{1,18}(?:[,x]\d{1,18})*)", text)
        if match is None:
            raise CaffelikeError(f"--input takes a shape such as 64,3,227,227 or data=64,3,227,227, not '{text}'.")
        found[match[1] or ""] = tuple(int(size) for size in re.split("[,x]", match[2]))
    return found
