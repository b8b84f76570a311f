"""Images with boxes, as Faster R-CNN trains on: a list of records that its data layer reads, one a pass."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from caffelike.data import images, paths
from caffelike.data.resize import resize_nearest
from caffelike.errors import DataError, FileError

Record = dict[str, Any]


def read_roidb(path: str, folder: str = "") -> list[Record]:
    """The records of a JSON file: a list of {"image": path, "boxes": [[x1, y1, x2, y2], ...], "gt_classes": [...]}.

    See `checked` for the fields. Images not found as they are named are looked for beside the file.
    folder: where `path` is looked for too. Raises FileError when it is missing, DataError when it holds something else.
    """
    path = paths.resolve(path, folder)
    if not os.path.isfile(path):
        raise FileError(paths.missing(path, "roidb"))
    try:
        with open(path, encoding="utf-8") as file:
            records = json.load(file)
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from None
    if not isinstance(records, list):
        raise DataError(f"{path} must hold a list of records, not a {type(records).__name__}.")
    beside = os.path.dirname(path)
    return [
        record | {"image": paths.resolve(record["image"], beside)} if isinstance(record.get("image"), str) else record
        for record in checked(records)
    ]


def checked(records: Sequence[Record]) -> list[Record]:
    """The records with arrays for lists.

    image: a path, or pixels (H, W, 3), uint8, BGR. boxes (n, 4): x1, y1, x2, y2 in pixels of the image, both corners
    included. gt_classes (n,): from 1 on; 0 for a box that is a proposal only. flipped, optional: read from right to
    left, boxes included as they are written. Raises DataError for others, naming the record.
    masks, optional, one for each box: its object's polygons as COCO writes them ([[x1, y1, x2, ...], ...] in pixels
    of the image), or (H, W), not 0 on the object; None for a proposal. keypoints, optional (n, K, 3): of each box x, y
    and 0 for a point that is not known, above 0 for one that is.
    """
    found = []
    for number, record in enumerate(records):
        if not {"image", "boxes", "gt_classes"} <= set(record):
            raise DataError(
                f"record {number} of the roidb needs image, boxes and gt_classes, but has {sorted(record)}."
            )
        boxes = np.asarray(record["boxes"], np.float32).reshape(-1, 4)
        classes = np.asarray(record["gt_classes"], np.int64).reshape(-1)
        if len(boxes) != len(classes):
            raise DataError(f"record {number} of the roidb has {len(boxes)} boxes, but {len(classes)} gt_classes.")
        for field in ("masks", "keypoints"):
            if field in record and len(record[field]) != len(boxes):
                raise DataError(
                    f"record {number} of the roidb has {len(boxes)} boxes, but {len(record[field])} {field}."
                )
        found.append(dict(record, boxes=boxes, gt_classes=classes))
    if not found:
        raise DataError("the roidb has no records.")
    return found


def pixels_of(record: Record) -> np.ndarray:
    """The record's image (H, W, 3), BGR, turned round where it is flipped."""
    image = record["image"]
    pixels = images.read(image) if isinstance(image, str) else np.asarray(image)
    return pixels[:, ::-1] if record.get("flipped") else pixels


def masks_of(record: Record, objects: np.ndarray, scale: float, height: int, width: int) -> np.ndarray:
    """(len(objects), height, width), 1 on each object: the record's boxes `objects`, scaled to that size.

    Raises DataError where there is no mask of an object.
    """
    found = np.zeros((len(objects), height, width), np.float32)
    for mask, number in zip(found, objects, strict=True):
        given = record["masks"][number] if "masks" in record else None
        if given is None:
            raise DataError(f"a net asks for masks, but box {number} of a record of the roidb has none.")
        if isinstance(given, np.ndarray) and given.ndim == 2:
            mask[...] = resize_nearest(given != 0, height, width)
            continue
        drawn = Image.new("L", (width, height))
        for polygon in given:
            ImageDraw.Draw(drawn).polygon([float(v) * scale for v in polygon], fill=1)
        mask[...] = np.asarray(drawn)
    return found


def cut_masks_of(record: Record, objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each object's mask cut to its box, filled up with 0 to one size (n, rows, columns); and rows, columns (n, 2).

    objects: numbers of the record's boxes, which are rounded to whole pixels of its image. Raises DataError where there
    is no mask of an object.
    """
    height, width = pixels_of(record).shape[:2]
    whole = masks_of(record, objects, 1.0, height, width)
    boxes = np.clip(np.rint(record["boxes"][objects]).astype(np.int64), 0, [width - 1, height - 1] * 2)
    sizes = boxes[:, :1:-1] - boxes[:, 1::-1] + 1
    found = np.zeros((len(objects), *sizes.max(axis=0, initial=1)), np.float32)
    for mask, one, (x1, y1, x2, y2), (rows, columns) in zip(found, whole, boxes, sizes, strict=True):
        mask[:rows, :columns] = one[y1 : y2 + 1, x1 : x2 + 1]
    return found, sizes.astype(np.float32)


def set_roidb(net: Any, records: Sequence[Record]) -> None:
    """Give the records to a net's (or solver's training net's) RoIDataLayer, as py-faster-rcnn does.

    Raises DataError where the net has no such layer, or for records that are none.
    """
    layers = [layer for layer in getattr(net, "net", net).layers if hasattr(layer, "set_roidb")]
    if not layers:
        raise DataError("the net has no layer roi_data_layer.layer.RoIDataLayer to give a roidb to.")
    for layer in layers:
        layer.set_roidb(records)
