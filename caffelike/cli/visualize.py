"""`caffelike visualize`: pictures of what is inside a net."""

import json
import os
from typing import Any

import click
import numpy as np

from caffelike.cli import _recipe, _terminal
from caffelike.errors import CaffelikeError

minloglevel = 1

TECHNIQUES = (
    "filters",
    "activations",
    "gradient",
    "guided",
    "cam",
    "grad-cam",
    "occlusion",
    "deconvnet",
    "strongest",
    "dream",
    "class-model",
    "embedding",
)

_WITHOUT_PICTURES = ("filters", "class-model", "dream")


@click.command()
@click.argument("technique", type=click.Choice(TECHNIQUES))
@click.argument("model", metavar="BUNDLE|NET|MODEL")
@click.argument("pictures", nargs=-1, metavar="[PICTURE...]")
@click.option("--weights", default=None, metavar="FILE", help="The .caffemodel, unless the model is a bundle.")
@click.option("--layer", default="", metavar="NAME", help="The layer or blob to look at; each technique has a default.")
@click.option("--unit", type=int, default=None, help="The channel of that layer, or the class; default: the strongest.")
@click.option("--steps", type=int, default=None, help="Steps of dream (an octave) and class-model.")
@click.option("--out", default="visualized", show_default=True, metavar="DIR", help="Where the pictures go.")
@_recipe.flags
@click.option("--json", "as_json", is_flag=True, help="Print the files and numbers as JSON.")
def command(
    technique: str,
    model: str,
    pictures: tuple[str, ...],
    weights: str | None,
    layer: str,
    unit: int | None,
    steps: int | None,
    out: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Look into a net: PNG files in DIR, and a page index.html that shows them together.

    filters: the weights of a layer. activations: its answers. gradient, guided: the pixels that a class or unit depends
    on. cam, grad-cam: where a class is. occlusion: what covering a part changes. deconvnet: the pattern that a unit
    answers to. strongest: the pictures that a unit likes best. dream: a picture, or without one noise, changed to
    please a layer, or the class --unit with the layer of the scores. class-model: the picture of a class. embedding:
    many pictures in the plane.

    Example: caffelike visualize grad-cam squeezenet.bundle cat.jpg --out cat
    """
    from caffelike import viz

    net = viz.able(_recipe.net(model, weights, given))
    if technique not in _WITHOUT_PICTURES and not pictures:
        raise CaffelikeError(f"visualize {technique} takes one picture or more.")
    os.makedirs(out, exist_ok=True)
    maker = _Maker(net, layer, unit, steps, out)
    getattr(maker, technique.replace("-", "_"))(pictures)
    page = maker.page(technique)
    if as_json:
        click.echo(json.dumps({"page": str(page), "pictures": [dict(row) for row in maker.rows]}))
        return
    for row in maker.rows:
        click.echo(f"{row['file']}: {row['what']}")
    click.echo(f"Wrote {page}")


class _Maker:
    """Makes the pictures of one call; each method is a technique."""

    def __init__(self, net: Any, layer: str, unit: int | None, steps: int | None, out: str):
        self.net, self.layer, self.unit, self.steps, self.out = net, layer, unit, steps, out
        self.rows: list[dict[str, Any]] = []

    def page(self, title: str) -> Any:
        """Write the page of all pictures."""
        from caffelike.viz import picture

        return picture.page(self.out, title, [(row["file"], row["what"]) for row in self.rows])

    def filters(self, pictures: tuple[str, ...]) -> None:
        """One picture of all filters."""
        from caffelike import viz
        from caffelike.viz import picture

        found = viz.filters(self.net, self.layer)
        shape = " x ".join(map(str, found.shape))
        self._save("filters", picture.filters(found), f"{self.layer or 'first layer'}: {shape}", shape=found.shape)

    def activations(self, pictures: tuple[str, ...]) -> None:
        """The maps of a layer for each picture."""
        from caffelike import viz
        from caffelike.viz import passes, picture

        layer = self.layer or passes.last_maps(self.net)
        for name, x in self._inputs(pictures):
            found = viz.activations(self.net, x, layer)
            if found.ndim != 3:
                raise CaffelikeError(f"'{layer}' has the shape {found.shape}: no maps to draw. Take a layer before it.")
            self._save(f"{name}.activations", picture.maps(found), f"{name}: {layer}", shape=found.shape)

    def gradient(self, pictures: tuple[str, ...]) -> None:
        """Gradients of a unit, and the saliency map."""
        from caffelike import viz
        from caffelike.viz import picture

        for name, x in self._inputs(pictures):
            found = viz.gradient(self.net, x, self.unit, self.layer)
            self._save(f"{name}.gradient", picture.signed(found), f"{name}: gradient")
            self._save(f"{name}.saliency", picture.gray(np.abs(found).max(axis=0)), f"{name}: its largest, by pixel")

    def guided(self, pictures: tuple[str, ...]) -> None:
        """Guided backpropagation."""
        from caffelike import viz
        from caffelike.viz import picture

        for name, x in self._inputs(pictures):
            found = viz.guided(self.net, x, self.unit, self.layer)
            self._save(f"{name}.guided", picture.signed(found), f"{name}: guided backpropagation")

    def cam(self, pictures: tuple[str, ...]) -> None:
        """Class activation maps over the pictures."""
        from caffelike import viz

        self._heat(pictures, "cam", lambda x: viz.cam(self.net, x, self.unit))

    def grad_cam(self, pictures: tuple[str, ...]) -> None:
        """Grad-CAM over the pictures."""
        from caffelike import viz

        self._heat(pictures, "grad-cam", lambda x: viz.grad_cam(self.net, x, self.unit, self.layer))

    def occlusion(self, pictures: tuple[str, ...]) -> None:
        """The three maps of covering a part."""
        from caffelike import viz
        from caffelike.viz import picture

        for name, x in self._inputs(pictures):
            found = viz.occlusion(self.net, x, self.unit, layer=self.layer)
            shown = picture.of_input(x, self.net.recipe)
            for what, values in zip(("probability", "best", "activation"), found, strict=False):
                text = {"best": "most probable class"}.get(what, what)
                self._save(
                    f"{name}.{what}",
                    picture.over(shown, np.asarray(values, np.float32)),
                    f"{name}: {text} when covered there",
                )

    def deconvnet(self, pictures: tuple[str, ...]) -> None:
        """What a unit answered to."""
        from caffelike import viz
        from caffelike.viz import passes, picture

        layer = self.layer or passes.last_maps(self.net)
        for name, x in self._inputs(pictures):
            passes.show(self.net, x)
            blob = passes.blob_of(self.net, layer)
            unit = passes.strongest_unit(self.net, blob) if self.unit is None else self.unit
            found, place = viz.deconvolve(self.net, x, layer, unit)
            self._save(
                f"{name}.deconvnet",
                picture.signed(found),
                f"{name}: unit {unit} of {layer} at {place}",
                unit=unit,
                place=place,
            )

    def strongest(self, pictures: tuple[str, ...]) -> None:
        """The patches that a unit answers most."""
        from caffelike import viz
        from caffelike.viz import passes, picture

        layer, unit = self.layer or passes.last_maps(self.net), self.unit or 0
        inputs = list(self._inputs(pictures))
        for rank, one in enumerate(viz.strongest(self.net, [x for _, x in inputs], layer, unit), 1):
            name, x = inputs[one.image]
            top, left, bottom, right = one.box
            patch = picture.of_input(x, self.net.recipe)[top:bottom, left:right]
            self._save(f"{rank}.{name}", patch, f"{rank}: {name}, {one.score:.3g} at {one.place}", score=one.score)

    def dream(self, pictures: tuple[str, ...]) -> None:
        """DeepDream."""
        from caffelike import viz
        from caffelike.viz import passes, picture

        layer = self.layer or passes.last_maps(self.net)
        noise = np.random.default_rng(0).normal(0, 20, self.net.input_blobs[0].shape[1:]).astype(np.float32)
        for name, x in self._inputs(pictures) if pictures else [("noise", noise)]:
            steps = self.steps or 10
            with _terminal.progress("dream", 4 * steps) as show:
                found, before, after = viz.dream(
                    self.net,
                    x,
                    layer,
                    self.unit,
                    steps=steps,
                    progress=lambda done, _, value: show(done, lambda: f"{value:.4g}"),
                )
            text = f"{name}: {layer}, objective {before:.4g} -> {after:.4g}"
            self._save(f"{name}.dream", picture.of_input(found, self.net.recipe), text, before=before, after=after)

    def class_model(self, pictures: tuple[str, ...]) -> None:
        """The picture of a class."""
        from caffelike import viz
        from caffelike.viz import picture

        if self.unit is None:
            raise CaffelikeError("visualize class-model takes --unit, the number of the class.")
        steps = self.steps or 200
        with _terminal.progress("class", steps) as show:
            found = viz.class_model(
                self.net, self.unit, steps, progress=lambda done, _, value: show(done, lambda: f"{value:.4g}")
            )
        self._save(f"class{self.unit}", picture.of_input(found, self.net.recipe), f"class {self.unit}")

    def embedding(self, pictures: tuple[str, ...]) -> None:
        """All pictures, small, where a layer's features put them."""
        from caffelike import viz
        from caffelike.viz import passes, picture

        layer = self.layer or passes.last_maps(self.net)
        inputs = list(self._inputs(pictures))
        points = viz.embedding(viz.features(self.net, [x for _, x in inputs], layer))
        shown = [picture.of_input(x, self.net.recipe) for _, x in inputs]
        self._save("embedding", picture.scatter(points, shown), f"{len(inputs)} pictures by {layer}")
        for (name, _), point in zip(inputs, points, strict=True):
            self.rows[-1].setdefault("points", {})[name] = point.tolist()

    def _heat(self, pictures: tuple[str, ...], what: str, make: Any) -> None:
        from caffelike.viz import picture

        for name, x in self._inputs(pictures):
            shown = picture.over(picture.of_input(x, self.net.recipe), make(x))
            self._save(f"{name}.{what}", shown, f"{name}: {what}")

    def _inputs(self, pictures: tuple[str, ...]) -> Any:
        recipe = self.net.recipe
        for path in pictures:
            shape = self.net.input_blobs[0].shape
            yield os.path.splitext(os.path.basename(path))[0], recipe.prepare(recipe.read(path), shape)

    def _save(self, name: str, shown: np.ndarray, what: str, **more: Any) -> None:
        from caffelike.viz import picture

        picture.save(os.path.join(self.out, f"{name}.png"), shown, least=160)
        self.rows.append({"file": f"{name}.png", "what": what, **more})
