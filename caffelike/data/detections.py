"""Files of what a detector found, as the servers of Pascal VOC, COCO and ILSVRC take them."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from caffelike.data.imagelist import read_text
from caffelike.data.label_map import read_label_map
from caffelike.errors import DataError, ModelError
from caffelike.files import atomic_path, make_folder

FORMATS = ("VOC", "COCO", "ILSVRC")


class ResultFiles:
    """Gathers the boxes of one image after the other; writes them all when as many images are in as a test has.

    VOC: <prefix><name of the label>.txt for each label, lines `image score xmin ymin xmax ymax` in whole pixels.
    ILSVRC: <prefix>.txt, lines `image label score xmin ymin xmax ymax`. COCO: <prefix>.json, a list of image_id,
    category_id (the label's name), bbox (x, y, width, height) and score; what is all digits is a number.
    """

    def __init__(self, param: Any, labels: Iterable[int], names: str, sizes: str):
        """param: a SaveOutputParameter; names, sizes: the paths of its label map and of its list of images.

        Raises ModelError for another format; FileError, ParseError and DataError for files that cannot be used.
        """
        self._kind = param.output_format
        if self._kind not in FORMATS:
            raise ModelError(f"save_output_param {{ output_format }} must be {', '.join(FORMATS)}, not {self._kind!r}.")
        if param.HasField("resize_param") and param.resize_param.resize_mode != param.resize_param.WARP:
            raise ModelError("save_output_param: a resize_mode other than WARP is not supported.")
        self._folder, self._prefix = param.output_directory, param.output_name_prefix
        by_name = read_label_map(names)
        self._names = {label: name for name, label in by_name.items()}
        if missing := [label for label in labels if label not in self._names]:
            raise DataError(f"{names} has no name for label {missing[0]}.")
        self._labels = list(labels)
        self._images = _read_sizes(sizes)
        self._count = param.num_test_image if param.HasField("num_test_image") else len(self._images)
        if not 0 < self._count <= len(self._images):
            raise DataError(f"{sizes} lists {len(self._images)} images, but num_test_image is {self._count}.")
        self._seen = 0
        self._found: list[tuple[str, int, float, list[float]]] = []

    def add(self, rows: np.ndarray) -> None:
        """The boxes of the next image: item, label, score, xmin, ymin, xmax, ymax (shares of it)."""
        name, height, width = self._images[self._seen]
        for row in rows:
            corners = np.clip(row[3:7], 0, 1) * np.array([width, height, width, height], np.float32)
            box = [corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1]]
            self._found.append((name, int(row[1]), float(row[2]), [round(float(v), 2) for v in box]))
        self._seen += 1
        if self._seen == self._count:
            self._write()
            self._seen, self._found = 0, []

    def _write(self) -> None:
        folder = make_folder(self._folder)
        if self._kind == "COCO":
            rows = [
                {"image_id": _number(name), "category_id": _number(self._names[label]), "bbox": box, "score": score}
                for name, label, score, box in self._found
            ]
            _save(folder / f"{self._prefix}.json", json.dumps(rows) + "\n")
        elif self._kind == "ILSVRC":
            lines = [f"{name} {label} {_pixels(score, box)}\n" for name, label, score, box in self._found]
            _save(folder / f"{self._prefix}.txt", "".join(lines))
        else:
            for wanted in self._labels:
                lines = [f"{name} {_pixels(s, box)}\n" for name, label, s, box in self._found if label == wanted]
                _save(folder / f"{self._prefix}{self._names[wanted]}.txt", "".join(lines))


def _read_sizes(path: str) -> list[tuple[str, int, int]]:
    """(name, height, width) of each image in a list."""
    lines = [line.split() for line in read_text(path, "list of sizes").splitlines() if line.strip()]
    try:
        return [(name, int(height), int(width)) for name, height, width in lines]
    except ValueError:
        raise DataError(f"{os.fspath(path)} must hold lines `name height width`.") from None


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _pixels(score: float, box: list[float]) -> str:
    """A score and the corners; place and size are cut to whole pixels, each for itself."""
    x, y, width, height = map(int, box)
    return f"{score:g} {x} {y} {x + width} {y + height}"


def _save(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
