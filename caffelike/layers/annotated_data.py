"""AnnotatedData: images and the boxes in them, records of an LMDB or LevelDB data base."""

import contextlib
from collections.abc import Sequence

from caffelike.blob import Blob
from caffelike.data.annotated import YOLO_BOXES, AnnotatedProducer, LabelMaps
from caffelike.data.boxes import FIELDS, Preparation
from caffelike.data.label_map import read_channels
from caffelike.data.paths import resolve
from caffelike.data.shard import shard_of
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError, FileError, ModelError
from caffelike.layer import Shape
from caffelike.layers._records import RecordLayer
from caffelike.registry import register
from caffelike.schema import message_class


@register("AnnotatedData", param="annotated_data_param")
class AnnotatedData(RecordLayer):
    """Delivers images with the boxes in them over and over, as MultiBoxLoss and DetectionEvaluate read them.

    tops: data (batch_size, channels, height, width); label (1, 1, boxes, 8), optional: item, label, instance, xmin,
        ymin, xmax, ymax (shares of the image), difficult; a row of -1 if there is no box in the batch. Records whose
        annotations have no type give (batch_size) labels. With yolo_data_type 1 label is (batch_size, 1, 300, 5), as
        RegionLoss and Yolov3 read it: class from 0, centre x, y, width, height (shares of the image), then zeros.
        seg_label (batch_size, classes, h, w), optional, where records have label images (eric612's type BBOXandSeg):
        how much of a pixel is of a class, 0 .. 1.
    data_param: source, batch_size, backend, prefetch, shuffle, rand_skip, threads: see Data.
    annotated_data_param: batch_sampler: a part of the image that one of them found takes its place, see
        `data.boxes.sampled`. anno_type: BBOX or BBOXandSeg; not needed. label_map_file: names of the labels, needed for
        seg_label alone, whose classes are its `label_id`, from 1, for the values 0, 1, ... of a label image in the
        order of its items. eric612's yolo_data_type (0): with 1, without samplers, a part of the image of 1 -
        yolo_data_jitter .. 1 (0.3: 0.7) of its height and its width takes its place; train_diffcult (true): whether
        that label has the boxes marked difficult. single_class (true): seg_label has one class, what is brighter than
        100 of 255. seg_resize_height, seg_resize_width (0): its size; else the image's through seg_scales (8).
        difficult_label_warmup true is refused.
    transform_param: see `Transformer`, and before that, each keyed by seed and record: distort_param, expand_param
        (what is added has the colour mean_value), resize_param, noise_param: see caffelike/data/boxes.py and noise.py;
        of several resize_param one is drawn for each batch. emit_constraint: which boxes stay where the image is cut
        (none: all that are visible).
    Errors: ModelError; FileError and DataError naming data base and record.
    Source: Liu et al., "SSD", ECCV 2016 (weiliu89's fork), whose random numbers are others; MobileNet-YOLO (eric612).
    """

    messages = ("transform_param", "data_param")
    tops = ("data", "label?", "seg_label?")
    honours = ("shuffle", "threads", "augment_param", *FIELDS)
    lines = ("annotated_data_layer.cpp:21", "annotated_data_layer.cpp:57")

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Open the data base and take the tops' shapes from its first record."""
        p, own, t = self.data_param(), self.message.annotated_data_param, self.message.transform_param
        if own.difficult_label_warmup:
            raise self.fail("difficult_label_warmup is not supported.", ModelError)
        if own.yolo_data_type not in (0, 1):
            raise self.fail(f"yolo_data_type must be 0 or 1, but is {own.yolo_data_type}.", ModelError)
        yolo = own.yolo_data_type == 1
        if own.anno_type == message_class("AnnotatedDatum").LANE:
            raise self.fail("anno_type must be BBOX or BBOXandSeg: lanes are not read.", ModelError)
        if t.HasField("augment_param"):
            raise self.fail("augment_param does not move boxes; use distort_param and expand_param.", ModelError)
        batch = self.batch_size(p.batch_size)
        plain = type(t)()
        plain.CopyFrom(t)
        for word in FIELDS:  # they are the preparation's
            plain.ClearField(word)
        maps = self._label_maps() if len(top) > 2 else None
        transformer = Transformer(plain, self.phase, self.seed, self.name, self.folder)
        preparation = Preparation(t, own.batch_sampler, self.name, own.yolo_data_jitter if yolo else None)
        source = self.open()
        producer = AnnotatedProducer(
            source, transformer, preparation, batch, len(top) > 1, p.shuffle, shard_of(self.phase), p.threads,
            p.rand_skip, yolo, own.train_diffcult, maps,
        )  # fmt: skip
        self.deliver(producer, source, top)

    def _label_maps(self) -> LabelMaps:
        """How label images are delivered. Raises ModelError, and what a label map raises."""
        own, t = self.message.annotated_data_param, self.message.transform_param
        if t.crop_size or any(one.resize_mode != one.WARP for one in t.resize_param):
            raise self.fail(
                "a third top goes with resize_param { resize_mode: WARP }, and without crop_size.", ModelError
            )
        if own.seg_scales < 1:
            raise self.fail(f"seg_scales must be 1 or more, but is {own.seg_scales}.", ModelError)
        table = None
        if not own.single_class:
            if not own.label_map_file:
                raise self.fail("needs a label_map_file for its third top, or single_class: true.", ModelError)
            table = read_channels(resolve(own.label_map_file, self.folder))
        size = (own.seg_resize_height, own.seg_resize_width)
        return LabelMaps(table, size if all(size) else None, own.seg_scales)

    def declared(self, tops: int) -> list[Shape | None]:
        """As resize_param or crop_size say; one box; maps of labels where the label map is there."""
        t, batch = self.message.transform_param, self.message.data_param.batch_size
        data, _ = self.declared_image(batch, 1 if t.force_gray else 3, *self.declared_size())
        yolo = self.message.annotated_data_param.yolo_data_type == 1
        shapes: list[Shape | None] = [data, (batch, 1, YOLO_BOXES, 5) if yolo else (1, 1, 1, 8), None]
        if tops > 2 and data:
            with contextlib.suppress(FileError, DataError):  # the label map belongs to data that are not here
                shapes[2] = (batch, *self._label_maps().shape(*data[2:]))
        return shapes[:tops]
