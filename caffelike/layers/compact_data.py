"""CompactData: labels and encoded pictures, without the messages of Caffe's records."""

from collections.abc import Sequence

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.compact import FIELDS, CompactProducer, Corners, Warps
from caffelike.data.paths import resolve
from caffelike.data.shard import shard_of
from caffelike.data.source import open_source
from caffelike.data.transformer import Transformer
from caffelike.errors import CaffelikeError, ModelError
from caffelike.layer import Shape
from caffelike.layers._source import SourceLayer, log_size
from caffelike.registry import register
from caffelike.schema import TRAIN


@register("CompactData", param="data_param")
class CompactData(SourceLayer):
    """Delivers the records of a data base in the order of their keys, over and over: pictures in gray.

    tops: data (batch_size, 1, crop_size, crop_size); label (batch_size), optional.
    source: a data base whose records are a whole number of four bytes, the label, and an encoded picture (JPEG, PNG,
    ...). batch_size, backend, prefetch, rand_skip: as Data.
    transform_param: crop_size, required; mean_file (its middle) or mean_value, scale. multiscale (false): the changes
    that `caffelike.data.compact.Warps` lists, in TEST too. Without it: a corner or the middle of each picture at random
    while training, else the middle, and mirror (false). smooth_filtering and jpeg_compression are refused;
    debug_display: without effect.
    Raises ModelError, FileError, and DataError naming data base and record.
    Source: ChenglongChen's caffe-windows (Kaggle's National Data Science Bowl, 2015).
    """

    honours = FIELDS

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Open the data base and take the tops' shapes from its first record."""
        p = self.message.data_param
        t = type(self.message.transform_param)()
        t.CopyFrom(self.message.transform_param)
        if not p.source:
            raise self.fail("needs data_param { source: ... }: the folder of the data base.", ModelError)
        if not t.crop_size:
            raise self.fail("needs a crop_size: its pictures may have any size.", ModelError)
        sizes: Warps | Corners
        if t.multiscale:
            t.mirror = False  # the warps mirror
            sizes = Warps(t, self.name)
        else:
            sizes = Corners(t.crop_size, self.name, self.phase == TRAIN)
        batch = self.batch_size(p.batch_size)
        transformer = Transformer(t, self.phase, self.seed, self.name, self.folder, sizes)
        backend = type(p).DB.Name(p.backend)
        source = open_source(resolve(p.source, self.folder), backend, p.HasField("backend"), self._note)
        producer = CompactProducer(
            source, transformer, batch, int(len(top) > 1), False, shard_of(self.phase),
            rand_skip=p.rand_skip if self.phase == TRAIN else 0,
        )  # fmt: skip
        try:
            shapes = producer.shapes()
        except CaffelikeError:
            producer.close()
            raise
        self._source = source
        self.feed(producer, shapes, top)
        log_size("compact_data_layer.cpp:150", shapes[0])

    def records(self) -> int:
        """How many records there are in the data base."""
        return len(self._source.keys())

    def declared(self, tops: int) -> list[Shape | None]:
        """Gray crops."""
        return self.declared_image(self.message.data_param.batch_size, 1, 0, 0)[:tops]

    def _note(self, text: str) -> None:
        log.warning("compact_data_layer.cpp:110", f"Layer '{self.name}': {text}")
