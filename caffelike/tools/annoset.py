"""Images and the boxes in them into a data base for AnnotatedData layers, as convert_annoset of SSD's fork does."""

import json
import os
from typing import Any
from xml.etree import ElementTree

from caffelike import log, rng
from caffelike.data import datum, writing
from caffelike.data.imagelist import read_text
from caffelike.data.label_map import read_label_map
from caffelike.errors import DataError, FileError
from caffelike.schema import message_class
from caffelike.tools.imageset import Converted, ImageReader, of_other_size, tell_unreadable

Box = tuple[str, tuple[float, float, float, float], bool]
"""Name, (xmin, ymin, xmax, ymax) as shares of the image, and whether it is difficult."""

LABEL_TYPES = ("xml", "json")


def convert_annoset(
    root: str | os.PathLike,
    listfile: str | os.PathLike,
    db: str | os.PathLike,
    *,
    label_map_file: str | os.PathLike,
    label_type: str = "xml",
    gray: bool = False,
    shuffle: bool = False,
    backend: str = "lmdb",
    resize_height: int = 0,
    resize_width: int = 0,
    min_dim: int = 0,
    max_dim: int = 0,
    check_size: bool = False,
    check_label: bool = False,
    encoded: bool = False,
    encode_type: str = "",
    seed: int | None = None,
) -> Converted:
    """Write AnnotatedDatum records of images and their boxes into a new data base.

    root: put before each name. listfile: lines `image annotation`. label_type: what annotations are: xml, Pascal VOC's
    (name, bndbox, difficult); json, an object of image (height, width) and annotation, a list of bbox (x, y, width,
    height in pixels), category_id and iscrowd, which makes it difficult. label_map_file: a LabelMap, whose items give
    each name (for json, each category_id) its label. min_dim, max_dim: images keep their proportions, but a shorter
    side below min_dim becomes that, and a longer side above max_dim, which counts more; not with resize_height and
    resize_width. check_label: refuse a label map with two names of one label. The other options are those of
    convert_imageset. An image or annotation that cannot be read is logged, and left out.
    Raises FileError and DataError for the list, the label map, a name that it does not know, an option that makes no
    sense, or when nothing can be read at all.
    """
    if label_type not in LABEL_TYPES:
        raise DataError(f"Unknown label_type {label_type}: choose {' or '.join(LABEL_TYPES)}.")
    if (resize_height > 0) != (resize_width > 0):
        raise DataError("resize_height and resize_width belong together: give both, or neither.")
    if (min_dim or max_dim) and resize_height:
        raise DataError("min_dim and max_dim keep an image's proportions; resize_height and resize_width do not.")
    names = read_label_map(label_map_file)
    if check_label and len(set(names.values())) != len(names):
        raise DataError(f"{os.fspath(label_map_file)}: two names have one label.")
    lines = [words for line in read_text(os.fspath(listfile), "list").splitlines() if (words := line.split())]
    if wrong := [words for words in lines if len(words) != 2]:
        raise DataError(f"{os.fspath(listfile)}: expected lines `image annotation`, but one is `{' '.join(wrong[0])}`.")
    if shuffle:
        log.info("convert_annoset.cpp:115", "Shuffling data")
        order = rng.generator(int.from_bytes(os.urandom(7), "little") if seed is None else seed, "convert_annoset")
        lines = [lines[i] for i in order.permutation(len(lines))]
    log.info("convert_annoset.cpp:119", f"A total of {len(lines)} images.")
    result, root = Converted(), os.fspath(root)
    limits = (min_dim, max_dim)
    images = ImageReader(root, gray, (resize_height, resize_width), encoded, encode_type.lower(), limits)
    shape: tuple[int, ...] = ()
    with writing.create(db, backend) as database:
        for i, (image, annotation) in enumerate(lines):
            try:
                content, size = images.read(image)
                boxes = read_boxes(root + annotation, label_type)
            except (FileError, DataError) as error:
                log.error("convert_annoset.cpp:150", str(error))
                result.unreadable.append(image)
                continue
            if unknown := sorted({name for name, _, _ in boxes} - set(names)):
                text = f"has the name {unknown[0]}, which the label map does not know"
                raise DataError(f"The annotation {root}{annotation} {text}.")
            shape = shape or size
            if check_size and size != shape:
                raise of_other_size(root + image, size, shape)
            record = message_class("AnnotatedDatum")()
            record.datum.MergeFromString(datum.to_bytes(content, 0))
            record.type = record.BBOX
            add_boxes(record, boxes, names)
            database.put(f"{i:08d}_{image}".encode(), record.SerializeToString())
        if lines and not database.count:
            raise DataError(
                f"None of the {len(lines)} images and annotations could be read, so there is no {os.fspath(db)}."
                " ROOTFOLDER is put before the names as it is."
            )
    result.records = database.count
    log.info("convert_annoset.cpp:192", f"Processed {result.records} files.")
    tell_unreadable(result.unreadable, len(lines), os.fspath(db), "convert_annoset.cpp:192")
    return result


def read_boxes(path: str, label_type: str) -> list[Box]:
    """The boxes of an annotation file, see `convert_annoset`. Raises FileError and DataError naming it."""
    if not os.path.isfile(path):
        raise FileError(f"There is no annotation {path}. The root is put before the names as it is.")
    try:
        return _xml(path) if label_type == "xml" else _json(path)
    except (ElementTree.ParseError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise DataError(f"The annotation {path} cannot be used: {type(error).__name__} {error}.") from error


def add_boxes(record: Any, boxes: list[Box], names: dict[str, int]) -> None:
    """Put boxes into an AnnotatedDatum: a group for each label, its boxes numbered from 0."""
    groups: dict[int, Any] = {}
    for name, corners, difficult in boxes:
        label = names[name]
        group = groups.get(label)
        if group is None:
            group = groups[label] = record.annotation_group.add(group_label=label)
        one = group.annotation.add(instance_id=len(group.annotation))
        one.bbox.xmin, one.bbox.ymin, one.bbox.xmax, one.bbox.ymax = corners
        one.bbox.difficult = difficult


def _xml(path: str) -> list[Box]:
    tree = ElementTree.parse(path).getroot()
    width, height = (float(tree.findtext(f"size/{side}", "")) for side in ("width", "height"))
    found = []
    for thing in tree.iter("object"):
        x1, y1, x2, y2 = (float(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax"))
        hard = thing.findtext("difficult", "0").strip() == "1"
        found.append((thing.findtext("name", "").strip(), (x1 / width, y1 / height, x2 / width, y2 / height), hard))
    return found


def _json(path: str) -> list[Box]:
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    width, height = float(whole["image"]["width"]), float(whole["image"]["height"])
    found = []
    for one in whole["annotation"]:
        x, y, w, h = map(float, one["bbox"])
        box = (x / width, y / height, (x + w) / width, (y + h) / height)
        found.append((str(one["category_id"]), box, bool(one.get("iscrowd", 0))))
    return found
