"""`caffelike warmup`: compile the kernels of a model before they are needed."""

import time

import click

from caffelike.cli import _options

minloglevel = 1


@click.command()
@click.argument("file", metavar="FILE")
@_options.inputs
def command(file: str, inputs: tuple[str, ...]) -> None:
    """Compile what FILE (a net's or a solver's prototxt) needs into the kernel cache.

    Later processes of this user start without compiling. Data need not be there if --input gives their shape; any batch
    size will do.

    Example: caffelike warmup deploy.prototxt
    """
    from caffelike.warmup import warm_up

    start = time.perf_counter()
    count = warm_up(file, _options.shapes(inputs))
    click.echo(f"{file}: {count} net(s) ran once in {time.perf_counter() - start:.1f} s; the kernels are in the cache")
