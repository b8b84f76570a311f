"""`caffelike classify`: pictures in, classes out."""

import json
from typing import Any

import click

from caffelike.cli import _recipe

minloglevel = 1


@click.command()
@click.argument("model", metavar="BUNDLE|NET|MODEL")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--weights", default=None, metavar="FILE", help="The .caffemodel, unless the model is a bundle.")
@click.option("--top", default=5, show_default=True, help="How many classes to name.")
@click.option("--batch", default=1, show_default=True, help="Pictures a pass.")
@_recipe.flags
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line a picture.")
def command(
    model: str, pictures: tuple[str, ...], weights: str | None, top: int, batch: int, as_json: bool, **given: Any
) -> int:
    """Name the classes that each PICTURE shows, the likeliest first.

    A bundle knows how pictures become its input; for a prototxt the flags say it. Exit code 1: a picture could not be
    read; the others are answered.

    Example: caffelike classify squeezenet.bundle cat.jpg dog.jpg
    """
    from caffelike.inference import classify

    code = 0
    for answer in classify(_recipe.net(model, weights, given), pictures, top, batch):
        if as_json:
            best = [scored._asdict() for scored in answer.best]
            click.echo(json.dumps({"picture": answer.name, "best": best, "error": answer.error}))
        elif not answer.error:
            click.echo(f"---------- Prediction for {answer.name} ----------")
            for scored in answer.best:
                click.echo(f'{scored.score:.4f} - "{scored.name or scored.label}"')
        if answer.error:
            click.echo(f"caffelike: {answer.name}: {answer.error}", err=True)
            code = 1
    return code
