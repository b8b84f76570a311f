"""`caffelike detect`: a picture in, boxes and a picture with them out."""

import json
from pathlib import Path
from typing import Any

import click

from caffelike.cli import _recipe

minloglevel = 1


@click.command()
@click.argument("model", metavar="BUNDLE|NET")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--weights", default=None, metavar="FILE", help="The .caffemodel, unless the model is a bundle.")
@click.option("--threshold", default=0.5, show_default=True, help="Lowest score of a box.")
@click.option("--out", default=None, metavar="DIR", help="Write each picture there with its boxes drawn, as PNG.")
@_recipe.flags
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line a picture.")
def command(
    model: str,
    pictures: tuple[str, ...],
    weights: str | None,
    threshold: float,
    out: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Find the objects in each PICTURE with a net that ends in DetectionOutput (SSD, YOLO and the like).

    Boxes are in pixels: xmin ymin xmax ymax. Exit code 1: a picture could not be read; the others are answered.

    Example: caffelike detect ssd.bundle street.jpg --out found
    """
    from caffelike.inference import detect
    from caffelike.tools.boxes import draw

    code = 0
    for answer in detect(_recipe.net(model, weights, given), pictures, threshold):
        if as_json:
            best = [found._asdict() for found in answer.best]
            click.echo(json.dumps({"picture": answer.name, "best": best, "error": answer.error}))
        elif not answer.error:
            click.echo(f"---------- {len(answer.best)} objects in {answer.name} ----------")
            for found in answer.best:
                click.echo(
                    f'{found.score:.4f} - "{found.name or found.label}" {" ".join(f"{x:.0f}" for x in found.box)}'
                )
        if answer.error:
            click.echo(f"caffelike: {answer.name}: {answer.error}", err=True)
            code = 1
        elif out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            draw(answer.name, answer.best, Path(out) / f"{Path(answer.name).stem}.png")
    return code
