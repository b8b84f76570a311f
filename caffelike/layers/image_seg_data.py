"""ImageSegData and its kin: images with a label for each pixel, from a list of files."""

from collections.abc import Sequence
from typing import Any, ClassVar

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.paths import resolve
from caffelike.data.segmentation import (
    Cut,
    EdgeProducer,
    SegmentationProducer,
    WindowProducer,
    read_pairs,
    read_windows,
)
from caffelike.data.shard import shard_of
from caffelike.data.transformer import Transformer
from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._source import SourceLayer, log_size
from caffelike.registry import register


@register("ImageSegData", param="image_data_param")
class ImageSegData(SourceLayer):
    """Delivers the images of a list and the labels of their pixels, over and over.

    tops: data (batch_size, 3 or 1, height, width); label (batch_size, 1, height, width); data_dim, if there is a third
    top: (batch_size, 1, 1, 2), height and width of each image, at most those of data.
    source: a text file of lines `image labels`, split at spaces. label_type IMAGE: a number for all pixels; PIXEL: the
    path of an image whose gray values or palette indices are labels; NONE: nothing, all are ignore_label (255).
    root_folder (""): put before every path as it is. batch_size (1). shuffle, rand_skip, new_height, new_width,
    is_color, threads: as ImageData. transform_param: mean_value, scale, mirror; scale_factors: one of these, chosen at
    random in TEST too, changes the size first, so that a crop is needed; crop_size, or crop_height and crop_width (or
    crop_h and crop_w): at random while training, else the middle; where the image is smaller, 0 (after the mean) and
    ignore_label are added at its right and lower ends.
    Raises ModelError, FileError and DataError naming list, line and image.
    Source: DeepLab's fork of Caffe (Chen et al., ICLR 2015), DeconvNet's and PSPNet's; scale_factors: DeepLab v2.
    """

    tops: ClassVar[tuple[str, ...]] = ("data", "label", "data_dim?")
    honours: ClassVar[tuple[str, ...]] = (
        "label_type", "ignore_label", "threads", "augment_param", "scale_factors", "crop_height", "crop_width",
        "crop_h", "crop_w",
    )  # fmt: skip
    _producer: ClassVar[type[SegmentationProducer]] = SegmentationProducer

    def options_message(self) -> Any:
        """Where source and the sizes are."""
        return self.message.image_data_param

    def entries(self, source: str) -> list[Any]:
        """What the list names. Raises FileError and DataError."""
        return read_pairs(source, self.kind())

    def kind(self) -> str:
        """What stands behind a path, in `read_pairs`' words."""
        p = self.options_message()
        return {"IMAGE": "number", "PIXEL": "image", "NONE": "none"}[type(p).LabelType.Name(p.label_type)]

    def cut(self) -> Cut:
        """What is cut out. Raises ModelError."""
        t = self.message.transform_param
        sides = [(t.crop_size, t.crop_size), (t.crop_height, t.crop_width), (t.crop_h, t.crop_w)]
        given = [pair for pair in sides if any(pair)]
        if len(given) > 1 or any(0 in pair for pair in given):
            raise self.fail("needs either crop_size, or both crop_height and crop_width.", ModelError)
        if t.mean_file:
            raise self.fail("takes no mean_file, as its images differ in size; use mean_value.", ModelError)
        if t.scale_factors and not given:
            raise self.fail("scale_factors change the images' sizes: add crop_size.", ModelError)
        if t.scale_factors and min(t.scale_factors) <= 0:
            raise self.fail("scale_factors must be greater than 0.", ModelError)
        size = (int(given[0][0]), int(given[0][1])) if given else None
        return Cut(size, self.phase == 0, size is not None, tuple(t.scale_factors))

    def transform(self) -> Any:
        """transform_param without what `cut` does."""
        t = type(self.message.transform_param)()
        t.CopyFrom(self.message.transform_param)
        t.ClearField("crop_size")
        return t

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the list and take the tops' shapes from its first image."""
        p = self.options_message()
        if not p.source:
            raise self.fail(f"needs {self.param} {{ source: ... }}: a text file of images and labels.", ModelError)
        if bool(p.new_height) != bool(p.new_width):
            raise self.fail("new_height and new_width go together: set both, or none.", ModelError)
        batch, cut = self.batch_size(p.batch_size if p.HasField("batch_size") else 1), self.cut()
        transformer = Transformer(self.transform(), self.phase, self.seed, self.name, self.folder)
        source = resolve(p.source, self.folder)
        log.info("image_seg_data_layer.cpp:43", f"Opening file {source}")
        lines = self.entries(source)
        log.info("image_seg_data_layer.cpp:67", f"A total of {len(lines)} images.")
        producer = self._producer(
            cut, len(top) > 2, lines, source, p.root_folder, self.folder, transformer, batch,
            (p.new_height, p.new_width) if p.new_height else None, p.is_color, p.shuffle, p.rand_skip,
            shard_of(self.phase), getattr(p, "threads", 0) if "threads" in _given(p) else 0,
            getattr(p, "ignore_label", 255),
        )  # fmt: skip
        self._lines = len(lines)
        shapes = producer.shapes()
        self.feed(producer, shapes, top)
        log_size("image_seg_data_layer.cpp:120", shapes[0])

    def records(self) -> int:
        """How many images the list names."""
        return self._lines

    def declared(self, tops: int) -> list[Shape | None]:
        """Images of new_height x new_width, or cuts."""
        p, cut = self.options_message(), self.cut()
        batch = p.batch_size if p.HasField("batch_size") else 1
        size = cut.size or ((p.new_height, p.new_width) if p.new_height and p.new_width else None)
        data: Shape | None = None
        label: Shape | None = None
        if size is not None:
            data = (batch, 3 if p.is_color else 1, *size)
            label = (batch, 1, *(n // cut.divide for n in size))
        return [data, label, (batch, 1, 1, 2)][:tops]


@register("WindowSegData", param="image_data_param")
class WindowSegData(ImageSegData):
    """Delivers windows of the images of a list and the labels of their pixels, over and over.

    tops: data, label, data_dim (the whole image's height and width) and options as ImageSegData
    (images as ImageData has them); is_color true: 3 channels.
    source: a text file of lines `image labels x1 y1 x2 y2`, with label_type NONE without labels: the part of the image
    from x1, y1 to x2, y2, both inside, brought to new_height x new_width if these are set. What of it lies outside the
    image is 0, and labelled ignore_label (255). (The fork shuffles images and windows apart from each other; here they
    stay together.)
    Raises ModelError, FileError and DataError naming list, line and image.
    Source: Noh et al., "Learning Deconvolution Network for Semantic Segmentation", ICCV 2015 (DeconvNet's fork).
    """

    _producer = WindowProducer

    def entries(self, source: str) -> list[Any]:
        """Images with windows."""
        return read_windows(source, self.kind())


@register("ImageLabelmapData", param="image_data_param")
class ImageLabelmapData(ImageSegData):
    """Delivers the images of a list and maps of their edges, over and over.

    tops: data (batch_size, 3 or 1, height, width); label (batch_size, 1, height, width): 1 where the map is at least
    half of 255, else 0.
    source: a text file of lines `image map`, two paths, split at a space; the map is read in gray, and resized bilinear
    with the image. is_color true: 3 channels. Everything else as ImageSegData with label_type PIXEL, which is not read
    here (images as ImageData has them).
    Raises ModelError, FileError and DataError naming list, line and image.
    Source: Xie and Tu, "Holistically-nested edge detection", ICCV 2015 (HED's fork).
    """

    tops = ("data", "label")
    _producer = EdgeProducer

    def kind(self) -> str:
        """Images of edges."""
        return "image"


@register("DenseImageData", param="dense_image_data_param")
class DenseImageData(ImageSegData):
    """Delivers the images of a list and the labels of their pixels, over and over.

    tops: data (batch_size, 3 or 1, height, width); label (batch_size, 1, height, width), or that over
    label_divide_factor (1).
    source: a text file of lines `image labels`, two paths, split at a space; the second is an image whose gray values
    or palette indices are labels. root_folder (""), batch_size (1), shuffle, rand_skip, new_height, new_width, is_color
    (true): as ImageData; labels are resized to the nearest pixel. mirror (false): half of them, with their labels.
    crop_height, crop_width: a random cut, in TEST too; not with label_divide_factor.
    transform_param: mean_value, mean_file, scale; mirror and crop_size (a random cut while training, else the middle)
    as well.
    Raises ModelError, FileError and DataError naming list, line and image.
    Source: SegNet's fork of Caffe (Badrinarayanan et al., PAMI 2017), where transform_param may neither mirror nor
    crop; label_divide_factor: ENet's (Paszke et al., 2016).
    """

    tops = ("data", "label")
    honours = ("augment_param",)

    def options_message(self) -> Any:
        """dense_image_data_param."""
        return self.message.dense_image_data_param

    def kind(self) -> str:
        """Label images."""
        return "image"

    def cut(self) -> Cut:
        """What is cut out. Raises ModelError."""
        p, t = self.options_message(), self.message.transform_param
        if p.mean_file:
            raise self.fail("mean_file belongs into transform_param.", ModelError)
        if bool(p.crop_height) != bool(p.crop_width) or (p.crop_height and t.crop_size):
            raise self.fail("needs crop_height and crop_width together, and then no crop_size.", ModelError)
        own = p.crop_height > 0
        size = (int(p.crop_height), int(p.crop_width)) if own else (int(t.crop_size),) * 2 if t.crop_size else None
        if p.label_divide_factor < 1 or (p.label_divide_factor > 1 and size):
            raise self.fail("label_divide_factor must be 1 or more, and does not go with a crop.", ModelError)
        if p.label_divide_factor > 1 and t.HasField("augment_param"):
            raise self.fail("label_divide_factor does not go with augment_param.", ModelError)
        return Cut(size, own or self.phase == 0, divide=int(p.label_divide_factor))

    def transform(self) -> Any:
        """transform_param without what `cut` does, with the layer's own mirror."""
        t = super().transform()
        t.mirror = t.mirror or self.options_message().mirror
        return t


def _given(p: Any) -> set[str]:
    return {field.name for field, _ in p.ListFields()}
