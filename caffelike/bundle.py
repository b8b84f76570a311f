"""A bundle: one small file with all that is needed to use a trained net, its preprocessing and labels included.

A zip archive, stored without compression, of

    bundle.json          the SHA-1 of every other member
    net.prototxt         the definition, for the phase TEST
    weights.caffemodel   as Caffe writes them
    recipe.json          how a picture becomes the net's input (`caffelike.recipe.Recipe`)
    mean.binaryproto     if the recipe has a mean image

Each member is a file that Caffe's users know, so a bundle can be unpacked and used without us.
"""

import hashlib
import json
import mmap
import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from caffelike.errors import FileError, WeightsError
from caffelike.files import atomic_path
from caffelike.recipe import Recipe
from caffelike.schema import TEST, message_class
from caffelike.schema.definitions import upgraded_net
from caffelike.schema.reader import parse
from caffelike.schema.stored import read_blob
from caffelike.schema.weights import parse_weights, write_mean
from caffelike.schema.wire import Source
from caffelike.schema.writer import format_text

if TYPE_CHECKING:
    from caffelike.graph.net import Net

INDEX, NET, WEIGHTS, RECIPE, MEAN = (
    "bundle.json", "net.prototxt", "weights.caffemodel", "recipe.json", "mean.binaryproto",
)  # fmt: skip
_FORMAT = 1


def is_bundle(path: str | os.PathLike) -> bool:
    """Whether a file is a zip archive with a bundle's index."""
    try:
        with zipfile.ZipFile(path) as archive:
            return INDEX in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def write(path: str | os.PathLike, definition: str | os.PathLike, weights: str | os.PathLike, recipe: Recipe) -> None:
    """Make a bundle of a net's prototxt (for the phase TEST, with inputs, no data layers), its weights and a recipe.

    The net is built with the weights first, so that a bundle always works. The file appears whole or not at all.
    Raises what Net raises, and FileError.
    """
    from caffelike.graph.net import Net
    from caffelike.schema import text

    net = Net(definition, TEST, weights=weights)
    sums = {}
    with (
        atomic_path(path) as temporary,
        tempfile.TemporaryDirectory(dir=temporary.parent) as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        members = Path(folder)
        (members / NET).write_text(format_text(text.read_net(definition).message), encoding="utf-8")
        (members / RECIPE).write_text(recipe.to_json(), encoding="utf-8")
        net.save(members / WEIGHTS)
        if recipe.mean_image is not None:
            write_mean(members / MEAN, recipe.mean_image)
        for member in sorted(members.iterdir()):
            archive.write(member, member.name)
            with open(member, "rb") as file:
                sums[member.name] = hashlib.file_digest(file, "sha1").hexdigest()
        archive.writestr(INDEX, json.dumps({"format": _FORMAT, "sha1": sums}, indent=1))
    net.close()


def read(path: str | os.PathLike) -> "Net":
    """The net of a bundle with its weights, and its recipe as `net.recipe`; each member is checked by its SHA-1.

    Raises FileError when there is no such file, WeightsError for anything that is not a whole bundle.
    """
    from caffelike.graph.net import Net
    from caffelike.graph.weights import copy_weights

    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileError(f"Could not open file {name}")
    with open(name, "rb") as file:
        members = _members(name, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    document = upgraded_net(parse(str(members[NET], "utf-8"), message_class("NetParameter"), f"{name}/{NET}"))
    net = Net.build(document.message, TEST, filename=name, where=document.where_layer)
    stored = parse_weights(Source(members[WEIGHTS], f"{name}/{WEIGHTS}"))
    copy_weights(net._nodes, stored.layers, stored.path)
    mean = None
    if MEAN in members:
        source = Source(members[MEAN], f"{name}/{MEAN}")
        blob = read_blob(source, 0, source.size, "the mean")
        mean = np.empty(blob.shape, np.float32)
        blob.copy_into(mean)
        mean = mean.reshape(mean.shape[-3:])
    net.recipe = Recipe.from_json(str(members[RECIPE], "utf-8"), f"{name}/{RECIPE}", mean)
    return net


def _members(name: str, mapped: mmap.mmap) -> dict[str, memoryview]:
    """Views of the members, checked."""
    try:
        with zipfile.ZipFile(name) as archive:
            index = json.loads(archive.read(INDEX))
            infos = {info.filename: info for info in archive.infolist()}
        sums = index["sha1"]
        if index["format"] != _FORMAT:
            raise WeightsError(f"{name} is a bundle of format {index['format']}; update caffelike to read it.")
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{name} is no bundle ({error}); `caffelike bundle` makes one.") from None
    found = {}
    for member in (NET, WEIGHTS, RECIPE, *([MEAN] if MEAN in sums else [])):
        info = infos.get(member)
        if info is None or info.compress_type != zipfile.ZIP_STORED or member not in sums:
            raise WeightsError(
                f"{name}: {member} is missing or compressed; make the bundle anew with `caffelike bundle`."
            )
        header = info.header_offset
        start = header + 30 + int.from_bytes(mapped[header + 26 : header + 28], "little")
        start += int.from_bytes(mapped[header + 28 : header + 30], "little")
        view = memoryview(mapped)[start : start + info.file_size]
        if hashlib.sha1(view).hexdigest() != sums[member]:
            raise WeightsError(f"{name}: {member} is damaged (its SHA-1 is another); copy the bundle again.")
        found[member] = view
    return found
