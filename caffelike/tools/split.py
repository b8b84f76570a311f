"""Dividing labelled images into lists to train, validate and test with."""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from caffelike import rng
from caffelike.data.imagelist import read_text
from caffelike.errors import DataError
from caffelike.files import atomic_path, make_folder
from caffelike.tools.imageset import class_folders

PARTS = {"train": 0.8, "val": 0.1, "test": 0.1}


def split_imageset(
    source: str | os.PathLike, folder: str | os.PathLike = ".", parts: Mapping[str, float] = PARTS, seed: int = 0
) -> dict[str, int]:
    """Write `<folder>/<part>.txt` for each part, lines `name label` for convert_imageset; their lengths by part.

    source: a folder of folders of images (each a class; `classes.txt` gets their names), or such a list.
    folder: made if it is missing.
    parts: name and share of each. Every label is divided in these shares, and each list is in a random order; both
    depend on the seed alone. Raises FileError, and DataError for shares that make no sense.
    """
    if not parts or min(parts.values()) <= 0 or sum(parts.values()) > 1 + 1e-9:
        shares = ", ".join(f"{name}={share:g}" for name, share in parts.items())
        raise DataError(f"The shares should be greater than 0 and come to 1 at most, but are {shares or 'none'}.")
    source, target = os.fspath(source), make_folder(folder)
    if os.path.isdir(source):
        entries, classes = class_folders(source)
        lines = [f"{entry.path} {entry.label}" for entry in entries]
        _write(target / "classes.txt", classes)
    else:
        lines = [line.strip() for line in read_text(source, "image list").splitlines() if line.strip()]
    by_label: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        by_label[line.rpartition(" ")[2]].append(line)
    cuts = np.cumsum([0.0, *parts.values()])
    lists: dict[str, list[str]] = {name: [] for name in parts}
    for label, group in sorted(by_label.items()):
        order = rng.generator(seed, f"split/{label}").permutation(len(group))
        ends = np.floor(cuts * len(group) + 0.5).astype(int)
        for name, start, end in zip(parts, ends, ends[1:], strict=False):
            lists[name] += [group[i] for i in order[start:end]]
    for name, chosen in lists.items():
        order = rng.generator(seed, f"order/{name}").permutation(len(chosen))
        _write(target / f"{name}.txt", [chosen[i] for i in order])
    return {name: len(chosen) for name, chosen in lists.items()}


def _write(path: Path, lines: list[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
