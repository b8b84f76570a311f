"""`caffelike device_query`: what GPUs there are, and what the CPU offers."""

import json
import os
import platform
from typing import Any

import click

from caffelike import device, log
from caffelike.cli import _options
from caffelike.errors import DeviceError


@click.command()
@_options.gpu
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the GPUs, the CPU, and why there is no GPU.")
def command(gpu: str, as_json: bool) -> None:
    """Show each GPU (or the one that -gpu names) in Caffe's eighteen lines, and what the CPU offers.

    Without a GPU it says why none can be used; it is an error only where -gpu asks for one.

    Example: caffelike device_query --json
    """
    log.info("caffe.cpp:115", f"Querying GPUs {gpu}")
    found, why = _gpus(gpu)
    cpu = _cpu()
    if as_json:
        click.echo(json.dumps({"gpus": found, "no_gpu": why, "cpu": cpu}, indent=1))
        return
    for properties in found:
        for word, value in properties.items():
            log.info("common.cpp:177", f"{word + ':':<30} {_text(value)}")
    if not found:
        click.echo(f"No GPU: {why}")
        for word, value in cpu.items():
            click.echo(f"{word + ':':<30} {_text(value)}")


def _gpus(ids: str) -> tuple[list[dict[str, Any]], str]:
    """The GPUs asked for, by the words that are printed, and where there are none why."""
    try:
        door = device.door()
        numbers = [int(n) for n in ids.split(",")] if ids and ids != "all" else range(door.count())
        found = [door.properties(number) for number in numbers]
    except DeviceError as error:
        if ids:
            raise
        return [], str(error)
    except ValueError:
        raise DeviceError(f"-gpu takes the numbers of GPUs, from 0, or all; not '{ids}'.") from None
    return found, "" if found else "the driver is there, but no GPU."


def _cpu() -> dict[str, Any]:
    """What the CPU's kernels have to work with."""
    import llvmlite.binding as llvm
    import numba

    from caffelike.kernels.launch import get_num_threads
    from caffelike.kernels.vector import LANES

    return {
        "CPU": f"{llvm.get_host_cpu_name()} ({platform.machine()})",
        "Processors": os.cpu_count(),
        "Threads used by kernels": get_num_threads(),
        "Numbers in a vector": LANES,
        "Numba": numba.__version__,
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
