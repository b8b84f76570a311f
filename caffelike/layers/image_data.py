"""ImageData: image files named in a list."""

from collections.abc import Sequence

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.boxes import FIELDS
from caffelike.data.imagelist import ImageProducer, read_list
from caffelike.data.paths import resolve
from caffelike.data.random_size import INTEL, NVIDIA
from caffelike.data.shard import shard_of
from caffelike.data.transformer import Transformer
from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._source import SourceLayer, log_size
from caffelike.registry import register


@register("ImageData", param="image_data_param")
class ImageData(SourceLayer):
    """Delivers the images of a list with their labels, over and over.

    tops: data (batch_size, 3 or 1, height, width), shaped by the batch's first image; label (batch_size), or
    (batch_size, labels), or (batch_size, 1, height, width) for label images; none with label_type NONE.
    source: a text file of lines `path label`, split at the last space. root_folder (""): put before every path as it
    is. batch_size (1). shuffle (false): a new order in every pass. rand_skip (0): start at a random one of the first
    so many images. new_height, new_width (0: as they are): resize, both together. is_color (true): 3 channels, BGR,
    else 1. transform_param: see `Transformer`, with augment_param; scale 1, mean_file, crop_size and
    mirror: as Data; SSD's resize_param, distort_param, expand_param, noise_param, after new_height and new_width: see
    `data.prepared.SsdFields`. data_param.prefetch (4): batches made ahead. threads (4, at most as many as processors):
    that decode.
    labels (1): how many numbers, whole or not, stand behind the path; `path 1,0,0.5` works too. label_type IMAGE: such
    numbers; PIXEL: the path of an image whose gray values or palette indices are labels, moved with the pixels, where
    ignore_label (255) comes in from outside; NONE: nothing.
    Raises FileError and DataError naming list, line and image. Source: BVLC Caffe's ImageData layer; label_type:
    PSPNet's fork.
    """

    tops = ("data", "label?")
    _any_number = False
    honours = ("labels", "label_type", "ignore_label", "threads", "augment_param", *INTEL, *NVIDIA, *FIELDS)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the list and take the tops' shapes from its first image."""
        p = self.message.image_data_param
        if not p.source:
            raise self.fail("needs image_data_param { source: ... }: a text file of paths and labels.", ModelError)
        if bool(p.new_height) != bool(p.new_width):
            raise self.fail(
                f"new_height ({p.new_height}) and new_width ({p.new_width}) go together: set both, or none.", ModelError
            )
        if p.labels < 1:
            raise self.fail("labels must be 1 or more; for a list without labels write label_type: NONE.", ModelError)
        kind = {"IMAGE": "number", "PIXEL": "image", "NONE": "none"}[type(p).LabelType.Name(p.label_type)]
        if len(top) != 1 + (kind != "none"):
            raise self.fail(
                f"has {len(top)} top(s), but makes {1 + (kind != 'none')}: data"
                f"{' and label (write label_type: NONE for a list without labels)' if kind != 'none' else ''}.",
                ModelError,
            )
        batch = self.batch_size(p.batch_size)
        transformer = Transformer(self.message.transform_param, self.phase, self.seed, self.name, self.folder)
        source = resolve(p.source, self.folder)
        log.info("image_data_layer.cpp:38", f"Opening file {source}")
        lines = read_list(source, p.labels, "numbers" if kind == "number" and self._any_number else kind)
        log.info("image_data_layer.cpp:62", f"A total of {len(lines)} images.")
        producer = ImageProducer(
            lines,
            source,
            p.root_folder,
            self.folder,
            transformer,
            batch,
            (p.new_height, p.new_width) if p.new_height else None,
            p.is_color,
            p.shuffle,
            p.rand_skip,
            shard_of(self.phase),
            p.threads if p.HasField("threads") else 0,
            p.ignore_label,
        )
        self._lines = len(lines)
        shapes = producer.shapes()
        self.feed(producer, shapes, top)
        log_size("image_data_layer.cpp:90", shapes[0])

    def records(self) -> int:
        """How many images the list names."""
        return self._lines

    def declared(self, tops: int) -> list[Shape | None]:
        """Images of new_height x new_width, or as resize_param makes them, or crops."""
        p = self.message.image_data_param
        size = self.declared_size(p.new_height, p.new_width)
        data, label = self.declared_image(p.batch_size, 3 if p.is_color else 1, *size)
        if p.label_type == type(p).LabelType.Value("PIXEL"):
            label = data and (data[0], 1, *data[2:])
        elif p.labels > 1:
            label = (p.batch_size, p.labels)
        return [data, label][:tops]


@register("MultiLabelImageData", param="image_data_param")
class MultiLabelImageData(ImageData):
    """ImageData whose lines hold any number of labels: all words behind the first.

    tops: data; label (batch_size, labels), or (batch_size) for one. Options as ImageData, with transform_param. Those
    that take the labels for points of a face and turn it (face_transform, max_rotate_angle, ...), balance_class and
    label_cut_start are refused.
    Raises FileError and DataError naming list, line and image. Source: happynear's fork of Caffe.
    """

    _any_number = True

    def declared(self, tops: int) -> list[Shape | None]:
        """As ImageData; how many labels there are only the list tells."""
        return [super().declared(tops)[0], None][:tops]
