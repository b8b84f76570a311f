"""One loop from pictures to answers: what `caffelike classify`, `detect` and `test` on pictures share.

    for answer in classify(caffelike.load("squeezenet.bundle"), ["cat.jpg", "dog.jpg"]):
        print(answer.name, answer.best[0])

A picture that cannot be read is an answer with an error, and the others go on.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffelike.errors import CaffelikeError, DataError, FileError
from caffelike.recipe import Recipe

if TYPE_CHECKING:
    from caffelike.graph.net import Net


class Scored(NamedTuple):
    """A class, its name ("" where there are no labels), and its score."""

    label: int
    name: str
    score: float


class Found(NamedTuple):
    """An object: its class, its score, and its box in pixels of the picture, xmin, ymin, xmax, ymax."""

    label: int
    name: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Answer:
    """What a net says of one picture; error: why there is no answer, else "". output: the blob's values for it."""

    name: str
    best: list[Any] = field(default_factory=list)
    error: str = ""
    output: np.ndarray | None = field(default=None, compare=False, repr=False)


def classify(
    net: "Net", pictures: Iterable[Any], top: int = 5, batch: int = 1, recipe: Recipe | None = None
) -> Iterator[Answer]:
    """The best `top` classes of each picture, in order, with probabilities as the net gives them.

    pictures: files, or pixels as `Recipe.read` takes them; an error among them is answered as such. batch: pictures a
    pass. recipe: the net's own by default.
    Raises CaffelikeError where the net has no recipe, or its output is not one value a class.
    """
    recipe = _recipe(net, recipe)
    for name, output, error, _ in run(net, pictures, recipe, batch):
        if output is None:
            yield Answer(name, error=error)
            continue
        scores = output.reshape(output.shape[0], -1).mean(1)  # the mean over positions, for nets without a last pooling
        order = np.argsort(-scores, kind="stable")[:top]
        yield Answer(name, [Scored(int(i), _label(recipe, int(i)), float(scores[i])) for i in order], output=output)


def detect(
    net: "Net", pictures: Iterable[Any], threshold: float = 0.5, recipe: Recipe | None = None
) -> Iterator[Answer]:
    """The objects in each picture whose score is at least `threshold`, best first.

    The net ends in a layer of the DetectionOutput family: rows of (picture, label, score, xmin, ymin, xmax, ymax),
    boxes as shares of the input. Raises CaffelikeError where it does not.
    """
    recipe = _recipe(net, recipe)
    for name, output, error, size in run(net, pictures, recipe, 1):
        if output is None:
            yield Answer(name, error=error)
            continue
        if output.ndim < 1 or output.shape[-1] != 7:
            raise CaffelikeError(
                "Detection needs rows of 7 numbers (picture, label, score, box), as DetectionOutput makes them, but the"
                f" output has shape {output.shape}. `caffelike classify` is for nets that give a score a class."
            )
        rows = output.reshape(-1, 7)
        rows = rows[(rows[:, 0] >= 0) & (rows[:, 2] >= threshold)]
        rows = rows[np.argsort(-rows[:, 2], kind="stable")]
        boxes = recipe.to_picture(rows[:, 3:], size, net.input_blobs[0].shape)
        yield Answer(
            name,
            [
                Found(int(row[1]), _label(recipe, int(row[1])), float(row[2]), (left, top, right, bottom))
                for row, (left, top, right, bottom) in zip(rows, boxes.tolist(), strict=True)
            ],
            output=output,
        )


@dataclass
class Score:
    """How a net did on pictures with one label each: how many, right at the first guess, right within five."""

    pictures: int = 0
    first: int = 0
    five: int = 0
    errors: list[str] = field(default_factory=list)


def score(net: "Net", labelled: Iterable[tuple[str, Any]], batch: int = 1, recipe: Recipe | None = None) -> Score:
    """Classify (file, label) pairs and count; files that cannot be read are named in `errors` and not counted."""
    pairs = list(labelled)
    found = Score()
    for answer, (_, label) in zip(classify(net, (file for file, _ in pairs), 5, batch, recipe), pairs, strict=True):
        if answer.error:
            found.errors.append(answer.error)
            continue
        guesses = [scored.label for scored in answer.best]
        found.pictures += 1
        found.first += guesses[0] == label
        found.five += label in guesses
    return found


def run(
    net: "Net", pictures: Iterable[Any], recipe: Recipe, batch: int = 1
) -> Iterator[tuple[str, np.ndarray | None, str, tuple[int, int]]]:
    """(name, output, error, (height, width)) of each picture in order; a bad one has no output.

    The net is reshaped where a batch, or with `resize: none` a picture, has another size.
    """
    if len(net.inputs) != 1:
        raise CaffelikeError(f"The net has the inputs {', '.join(net.inputs) or '(none)'}; pictures go into one only.")
    output = recipe.output or (net.outputs[0] if len(net.outputs) == 1 else "")
    if all(output not in tops for tops in net.top_names.values()):
        raise CaffelikeError(
            f"Which output is the answer? The net has {', '.join(net.outputs)}; the recipe says '{recipe.output}'."
        )
    source = iter(pictures)
    number = 0
    while items := list(islice(source, batch if recipe.resize != "none" else 1)):
        names = [
            os.fspath(x) if isinstance(x, str | os.PathLike) else f"picture {number + i}" for i, x in enumerate(items)
        ]
        number += len(items)
        ready = [_prepare(net, recipe, item) for item in items]
        good = [array for array, _, _ in ready if array is not None]
        results: Iterator[np.ndarray] = iter(_forward(net, np.stack(good), output) if good else ())
        for name, (array, error, size) in zip(names, ready, strict=True):
            yield name, None if array is None else next(results), error, size


def _prepare(net: "Net", recipe: Recipe, item: Any) -> tuple[np.ndarray | None, str, tuple[int, int]]:
    if isinstance(item, DataError | FileError):
        return None, str(item), (0, 0)
    try:
        pixels = recipe.read(item)
        return recipe.prepare(pixels, net.input_blobs[0].shape), "", pixels.shape[:2]
    except (DataError, FileError) as error:
        return None, str(error), (0, 0)


def _forward(net: "Net", batch: np.ndarray, output: str) -> Sequence[np.ndarray]:
    """The output's values for each picture of a batch; of an output that is not one a picture, all of it."""
    blob = net.input_blobs[0]
    if blob.shape != batch.shape:
        blob.reshape(*batch.shape)
        net.reshape()
    given: dict[str, Any] = {net.inputs[0]: batch}
    values = net.forward([output], **given)[output].copy()
    return list(values) if values.ndim and values.shape[0] == len(batch) and values.shape[-1:] != (7,) else [values]


def _recipe(net: "Net", recipe: Recipe | None) -> Recipe:
    found = recipe or net.recipe
    if found is None:
        raise CaffelikeError(
            "How does a picture become this net's input? Give a recipe (mean, order of the channels, size), or use a"
            " bundle, which has one: `caffelike bundle`."
        )
    return found


def _label(recipe: Recipe, label: int) -> str:
    return recipe.labels[label] if label < len(recipe.labels) else ""
