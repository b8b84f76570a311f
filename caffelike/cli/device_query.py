"""`caffelike device_query`: what is known of the GPUs."""

import click

from caffelike import log
from caffelike.cli import _options
from caffelike.errors import CaffelikeError


@click.command()
@_options.gpu
def command(gpu: str) -> None:
    """Show GPU diagnostic information; without -gpu there is nothing to show, as in Caffe."""
    log.info("caffe.cpp:115", f"Querying GPUs {gpu}")
    if gpu:
        raise CaffelikeError("Cannot query GPU: this version of caffelike runs on the CPU only.")
