"""CompactData: labels and encoded pictures, without the messages of Caffe's records."""

from collections.abc import Sequence

from caffelike.blob import Blob
from caffelike.data.compact import FIELDS, CompactProducer, Corners, Warps
from caffelike.data.shard import shard_of
from caffelike.data.transformer import Transformer
from caffelike.errors import ModelError
from caffelike.layer import Shape
from caffelike.layers._records import RecordLayer
from caffelike.registry import register
from caffelike.schema import TRAIN


@register("CompactData", param="data_param")
class CompactData(RecordLayer):
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
    lines = ("compact_data_layer.cpp:110", "compact_data_layer.cpp:150")

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Open the data base and take the tops' shapes from its first record."""
        p = self.data_param()
        t = type(self.message.transform_param)()
        t.CopyFrom(self.message.transform_param)
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
        source = self.open()
        producer = CompactProducer(
            source, transformer, batch, int(len(top) > 1), False, shard_of(self.phase),
            rand_skip=p.rand_skip if self.phase == TRAIN else 0,
        )  # fmt: skip
        self.deliver(producer, source, top)

    def declared(self, tops: int) -> list[Shape | None]:
        """Gray crops."""
        return self.declared_image(self.message.data_param.batch_size, 1, 0, 0)[:tops]
