"""Batches of images with boxes: AnnotatedDatum records of a data base, as SSD's fork has them."""

from typing import Any, NamedTuple

import numpy as np

from caffelike import rng
from caffelike.data import images
from caffelike.data.boxes import Preparation
from caffelike.data.pillow import Canvas
from caffelike.data.prefetch import Batch, Slot
from caffelike.data.records import RecordProducer
from caffelike.data.resize import resize
from caffelike.data.shard import ALL, Shard
from caffelike.data.source import Source
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError
from caffelike.schema import message_class


class LabelMaps(NamedTuple):
    """How maps of labels are delivered: a channel for each class, 0 .. 1, how much of a pixel is of that class.

    table: see `label_map.read_channels`; None: one channel, 1 where the label image is brighter than 100. size: height
    and width; None: those of the images divided by `scale`.
    """

    table: np.ndarray | None
    size: tuple[int, int] | None
    scale: int

    def shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(channels, height, width) for images of this size."""
        if not self.size and min(height, width) < self.scale:
            raise DataError(f"seg_scales {self.scale} leaves nothing of an image of {height}x{width} pixels")
        channels = 1 if self.table is None else len(self.table)
        return channels, *(self.size or (height // self.scale, width // self.scale))

    def of(self, labels: np.ndarray, height: int, width: int) -> np.ndarray:
        """The maps (channels, height, width), float32, of a label image; resized as cv::resize(INTER_LINEAR) does."""
        size = self.shape(height, width)[1:]
        if self.table is None:
            return (resize(np.ascontiguousarray(labels), *size) > _BRIGHT).astype(np.float32)[None]
        shares = resize(self.table.T[labels], *size).reshape(*size, -1)
        return shares.transpose(2, 0, 1) * np.float32(1 / 255)


YOLO_BOXES = 300
"""So many boxes an image has at most where labels have YOLO's form."""
_BRIGHT = 100


class AnnotatedProducer(RecordProducer):
    """Makes batches of images and of the boxes in them, see `RecordProducer`.

    The second array is (1, 1, boxes, 8): item, label, instance, xmin, ymin, xmax, ymax, difficult; one row of -1 if no
    image has a box. Where annotations have no type it is the records' labels (batch,).
    yolo: the second array is (batch, 1, YOLO_BOXES, 5) instead: class from 0, centre x, y, width, height; then zeros.
    difficult: whether these have the boxes that are marked so.
    maps: there is a third array, of the records' label images, see `LabelMaps`.
    """

    def __init__(
        self,
        source: Source,
        transformer: Transformer,
        preparation: Preparation,
        batch: int,
        labels: bool,
        shuffle: bool = False,
        shard: Shard = ALL,
        threads: int = 0,
        rand_skip: int = 0,
        yolo: bool = False,
        difficult: bool = True,
        maps: LabelMaps | None = None,
    ):
        super().__init__(source, transformer, batch, int(labels), shuffle, shard, threads, rand_skip=rand_skip)
        self._preparation, self._yolo, self._difficult, self._maps = preparation, yolo, difficult, maps
        self._typed = True

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of a batch whose images are like the first one."""
        key, value = self._source.first()
        pixels, (label, _) = self._pixels(key, value)
        self._typed = not isinstance(label, int)
        boxes = np.empty((0, 8)) if isinstance(label, int) else label
        policy = self._preparation.policy(self._generator(0, "sizes"))
        image = self._preparation.apply(pixels, boxes[:, 3:7], self._generator(0), policy).image
        shape = (self._batch, *self._out_shape(bytes(key), image.transpose(2, 0, 1)))
        if not self._typed:
            return [shape, (self._batch,)][: 1 + self._labels]
        rows = (self._batch, 1, YOLO_BOXES, 5) if self._yolo else (1, 1, max(1, len(boxes)), 8)
        maps = [(self._batch, *self._maps.shape(*shape[2:]))] if self._maps else []
        return [shape, rows][: 1 + self._labels] + maps

    def produce(self, slot: Slot) -> Batch:
        """The next batch. Raises DataError naming the record that cannot be used."""
        record = self._record
        if self._tolerance.allowed:
            entries, numbers, loaded, _ = self._usable(self._batch)
        else:
            entries, _ = self._order.take(self._batch)
            numbers, loaded = list(range(record, record + self._batch)), []
        keys = [bytes(key) for key, _ in entries]
        ready: list[Any] = [None] * self._batch
        policy = self._preparation.policy(self._generator(self._shard.number(numbers[0]), "sizes"))

        def prepare(i: int) -> None:
            pixels, (label, labels) = loaded[i] if loaded else self._pixels(*entries[i], self._canvas)
            number = self._shard.number(numbers[i])
            rows = np.empty((0, 8)) if isinstance(label, int) else label
            image, boxes, which, labels = self._preparation.apply(
                pixels, rows[:, 3:7], self._generator(number), policy, labels
            )
            values = np.ascontiguousarray(image.transpose(2, 0, 1))
            shape = self._out_shape(keys[i], values)
            place = self._transformer.place(values.shape, number)
            out = np.empty(shape, np.float32)
            self._transformer.fill(values, place, out)
            if isinstance(label, int):
                ready[i] = out, label, None
                return
            height, width = image.shape[:2]
            part = [place.left / width, place.top / height,
                    (place.left + place.width) / width, (place.top + place.height) / height]  # fmt: skip
            boxes, kept = self._preparation.visible(boxes, np.array(part))
            if place.mirrored:
                boxes = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
            rows = rows[which[kept]].copy()
            rows[:, 0], rows[:, 3:7] = i, boxes
            maps = self._maps.of(labels, *shape[1:]) if self._maps and labels is not None else None
            ready[i] = out, rows, maps if maps is None or not place.mirrored else maps[:, :, ::-1]

        self._workers.run(prepare, 0, self._batch)
        shape = ready[0][0].shape
        data = slot.array(0, (self._batch, *shape))
        for i, (out, label, _) in enumerate(ready):
            if out.shape != shape or isinstance(label, int) == self._typed:
                raise self._wrong(keys[i], DataError(
                    f"it gives {out.shape} (channels, height, width), the first one of its batch {shape}: set"
                    " resize_param" if out.shape != shape else "annotations with and without a type are mixed"
                ))  # fmt: skip
            data[i] = out
        arrays = [data]
        if self._labels:
            found = [label for _, label, _ in ready]
            if self._typed and self._yolo:
                arrays.append(slot.array(1, (self._batch, 1, YOLO_BOXES, 5)))
                arrays[1][:] = 0
                for target, boxes in zip(arrays[1][:, 0], found, strict=True):
                    self._centred(boxes, target)
            elif self._typed:
                rows = np.concatenate(found) if sum(map(len, found)) else np.full((1, 8), -1)
                arrays.append(slot.array(1, (1, 1, *rows.shape)))
                arrays[1][0, 0] = rows
            else:
                arrays.append(slot.array(1, (self._batch,)))
                arrays[1][:] = found
        if self._maps:
            arrays.append(slot.array(2, (self._batch, *self._maps.shape(*shape[1:]))))
            for target, (_, _, maps) in zip(arrays[2], ready, strict=True):
                target[...] = maps
        self._record = numbers[-1] + 1
        self.position = {
            "seed": self._transformer.draws.seed,
            "record": self._record,
            "key": keys[-1].decode("latin-1"),
            "shard": list(self._shard),
        }
        return Batch(arrays, [key.decode("utf-8", "replace") for key in keys], self.position)

    def _centred(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write SSD's rows (boxes, 8) of an image in YOLO's form."""
        rows = rows if self._difficult else rows[rows[:, 7] == 0]
        rows = rows[:YOLO_BOXES]
        out = out[: len(rows)]
        out[:, 0], out[:, 1:3], out[:, 3:] = (
            rows[:, 1] - 1,
            (rows[:, 3:5] + rows[:, 5:7]) / 2,
            rows[:, 5:7] - rows[:, 3:5],
        )

    def _generator(self, number: int, what: str = "boxes") -> np.random.Generator:
        return rng.generator(self._transformer.draws.seed, f"{self._transformer.draws.name}/{what}", number)

    def _pixels(self, key: Any, value: Any, canvas: Canvas | None = None) -> tuple[np.ndarray, Any]:
        """(image (height, width, channels), (rows (boxes, 8) or, without a type, the label; labels)) of a record."""
        from google.protobuf.message import DecodeError

        try:
            try:
                record = message_class("AnnotatedDatum").FromString(bytes(value))
            except DecodeError:
                raise DataError("it is no AnnotatedDatum; plain records are for a Data layer") from None
            datum = record.datum
            if datum.encoded:
                image = images.decode(datum.data, self._transformer.mode, canvas)
            else:
                shape = (datum.channels, datum.height, datum.width)
                if not datum.data or len(datum.data) != np.prod(shape):
                    raise DataError(f"it says {shape} (channels, height, width), but holds {len(datum.data)} bytes")
                image = np.frombuffer(datum.data, np.uint8).reshape(shape).transpose(1, 2, 0)
            labels = self._label_image(datum, image.shape) if self._maps else None
        except DataError as error:
            raise self._wrong(bytes(key), error) from None
        if not record.HasField("type"):
            if self._maps:
                raise self._wrong(bytes(key), DataError("it has no annotations (no type), but a third top wants some"))
            return image, (int(datum.label), None)
        if record.type == record.LANE:
            raise self._wrong(bytes(key), DataError("its annotations are no boxes (type BBOX or BBOXandSeg)"))
        rows = [
            [0, group.group_label, one.instance_id, box.xmin, box.ymin, box.xmax, box.ymax, box.difficult]
            for group in record.annotation_group
            for one in group.annotation
            for box in [one.bbox]
        ]
        return image, (np.array(rows, np.float64).reshape(-1, 8), labels)

    def _label_image(self, datum: Any, shape: tuple[int, ...]) -> np.ndarray:
        """The labels (height, width) of an image of this shape. Raises DataError."""
        if not datum.seg_label:
            raise DataError("it has no seg_label, an encoded image of labels, but a third top wants one")
        labels = images.decode(datum.seg_label, "gray")[:, :, 0]
        if labels.shape != shape[:2]:
            raise DataError(f"its seg_label is {labels.shape} (height, width), but its image {shape[:2]}")
        return labels
