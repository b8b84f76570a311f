"""`caffelike demo`: see the whole way work, from digits to a trained and tested LeNet."""

import time
from pathlib import Path

import click

minloglevel = 1


@click.command()
@click.option("--output", default="demo-output", show_default=True, metavar="DIR", help="Where to leave everything.")
def command(output: str) -> int:
    """Train LeNet on 1,437 real handwritten digits, test it on 360 others, classify them, draw what happened.

    Exit code 0 when at least 97 % of the 360 are read right, else 1.

    Example: caffelike demo
    """
    from caffelike import demo

    began = time.perf_counter()
    train, held_out = demo.load_digits()
    result = demo.run(Path(output), train, held_out, click.echo)
    verdict = "passed" if result.passed else "FAILED"
    seconds = time.perf_counter() - began
    click.echo(f"Demonstration {verdict} in {seconds:.0f} s: accuracy {result.accuracy:.4f}, required {demo.REQUIRED}")
    return 0 if result.passed else 1
