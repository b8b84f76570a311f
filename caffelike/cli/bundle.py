"""`caffelike bundle`: a net, its weights and its preprocessing in one file."""

import os
from typing import Any

import click

from caffelike.cli import _recipe

minloglevel = 1


@click.command()
@click.argument("net")
@click.argument("weights")
@click.argument("target", metavar="BUNDLE")
@_recipe.flags
def command(net: str, weights: str, target: str, **given: Any) -> None:
    """Write BUNDLE: NET (a deploy.prototxt), WEIGHTS, and how a picture becomes the net's input.

    caffelike.load, `classify` and `detect` read it, so preprocessing cannot be got wrong later. --mean is of pixels of
    0..255 in the order of --color. It is a zip archive of files that Caffe knows.

    Example: caffelike bundle deploy.prototxt cats.caffemodel cats.bundle --mean 104,117,123 --labels names.txt
    """
    from caffelike import bundle

    bundle.write(target, net, weights, _recipe.recipe(None, given))
    click.echo(f"Wrote {target}: {os.path.getsize(target):,} bytes")
