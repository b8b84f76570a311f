"""Flags for a recipe: how a picture becomes a net's input."""

import dataclasses
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from caffelike.errors import CaffelikeError

if TYPE_CHECKING:
    from caffelike.graph.net import Net
    from caffelike.recipe import Recipe

_FLAGS = (
    click.option("--color", type=click.Choice(["BGR", "RGB", "gray"]), default=None, help="Order of the channels."),
    click.option(
        "--resize", type=click.Choice(["warp", "shorter", "pad", "none"]), default=None, help="How the size is met."
    ),
    click.option("--size", default=None, metavar="H[,W]", help="Size before the middle is cut out."),
    click.option("--mean", default=None, metavar="VALUES|FILE", help="104,117,123, or a .binaryproto or .npy file."),
    click.option("--scale", type=float, default=None, help="Multiplied with what is left."),
    click.option("--labels", default=None, metavar="FILE", help="The classes' names, one a line."),
    click.option("--output", default=None, metavar="BLOB", help="The blob with the answer, if there are several."),
)


def flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the flags; the command gets them as keywords, None where not given, and hands them to `recipe`."""
    for flag in reversed(_FLAGS):
        function = flag(function)
    return function


def recipe(base: "Recipe | None", given: dict[str, Any]) -> "Recipe":
    """`base` (a bundle's; default: Recipe's own) with what the flags say."""
    from caffelike.recipe import Recipe

    values: dict[str, Any] = {
        key: given[key] for key in ("color", "resize", "scale", "output") if given[key] is not None
    }
    if given["size"] is not None:
        size = [int(n) for n in given["size"].split(",") if n.isdigit()]
        if len(size) not in (1, 2):
            raise CaffelikeError(f"--size takes 256 or 256,320 (height, width), not '{given['size']}'.")
        values["size"] = (size[0], size[-1])
    if given["mean"] is not None:
        values |= _mean(given["mean"])
    if given["labels"] is not None:
        from caffelike.tools.confusion import read_names

        values["labels"] = tuple(read_names(given["labels"]))
    return dataclasses.replace(base or Recipe(), **values)


def _mean(text: str) -> dict[str, Any]:
    if os.path.isfile(text):
        from caffelike.data.transformer import read_mean

        return {"mean_image": read_mean(text), "mean": ()}
    try:
        return {"mean": tuple(float(x) for x in text.split(",")), "mean_image": None}
    except ValueError:
        raise CaffelikeError(f"--mean takes values such as 104,117,123, or a file; '{text}' is neither.") from None


def net(model: str, weights: str | None, given: dict[str, Any]) -> "Net":
    """The net of a bundle, or of a prototxt or a known model with `weights`, with its recipe."""
    import caffelike
    from caffelike import bundle, hub

    if bundle.is_bundle(model):
        if weights is not None:
            raise CaffelikeError(f"{model} is a bundle, which has weights; {weights} is one too many.")
        found = bundle.read(model)
    elif weights is None and model.endswith((".caffemodel", ".h5")):
        raise CaffelikeError(
            f"{model} has weights; their net comes first: NET (a deploy.prototxt) and --weights {model}."
        )
    elif weights is None:
        if not os.path.isfile(model):
            hub.find(model)  # a name that nothing has is the error to report
        raise CaffelikeError(f"{model} needs weights: --weights FILE. Only a bundle has its own.")
    elif os.path.isfile(model):
        found = caffelike.Net(model, caffelike.TEST, weights=weights)
    else:
        found = caffelike.load(model, weights=weights)
    found.recipe = recipe(found.recipe, given)
    found.share_memory()
    return found
