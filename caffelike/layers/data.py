"""Data: records of an LMDB or LevelDB data base."""

from collections.abc import Sequence

from caffelike.blob import Blob
from caffelike.data.boxes import FIELDS
from caffelike.data.random_size import INTEL, NVIDIA
from caffelike.data.records import RecordProducer
from caffelike.data.shard import shard_of
from caffelike.data.transformer import Transformer
from caffelike.layer import Shape
from caffelike.layers._records import RecordLayer
from caffelike.registry import register
from caffelike.schema import TRAIN


@register("Data", param="data_param")
class Data(RecordLayer):
    """Delivers the records of a data base in the order of their keys, or shuffled, over and over.

    tops: data (batch_size, channels, height, width), shaped by the batch's first record; label (batch_size), or
    (batch_size, labels), optional.
    source: the data base. batch_size. backend: LMDB or LEVELDB (the default; looked at when absent). prefetch (4):
    batches made ahead. force_encoded_color: without effect, as in Caffe. transform_param: see `Transformer`;
    encoded records are decoded as they are stored, or as force_color and force_gray say. scale 1, mean_file, crop_size,
    mirror: moved to transform_param from old definitions, without effect in new ones, as in Caffe.
    rand_skip (0): in TRAIN, start at a random one of the first so many records (the whole stream's, where it is shared
    out). shuffle (false): a new order in every pass. Layers of one net with equally many records stay in step.
    labels (0: the record's one label): so many numbers, whole or not, from its float_data beside the pixels. threads
    (0: as many as processors, at most 4): that decode. transform_param's augment_param: random changes; SSD's
    resize_param, distort_param, expand_param, noise_param: see `data.prepared.SsdFields`.
    Raises FileError, and DataError naming data base and record. Source: BVLC Caffe's Data layer; rand_skip: that
    of 2014 (1.0 reads and ignores it); shuffle, threads: NVIDIA's and Intel's forks. SSD's fork resizes encoded
    records alone, and recolours and expands those with boxes alone; here all are.
    """

    honours = ("shuffle", "threads", "labels", "augment_param", *INTEL, *NVIDIA, *FIELDS)
    lines = ("data_layer.cpp:21", "data_layer.cpp:45")

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Open the data base and take the tops' shapes from its first record."""
        p = self.data_param()
        batch = self.batch_size(p.batch_size)
        transformer = Transformer(self.message.transform_param, self.phase, self.seed, self.name, self.folder)
        source = self.open()
        producer = RecordProducer(
            source,
            transformer,
            batch,
            (p.labels or 1) if len(top) > 1 else 0,
            p.shuffle,
            shard_of(self.phase),
            p.threads,
            vector=bool(p.labels) and len(top) > 1,
            rand_skip=p.rand_skip if self.phase == TRAIN else 0,
        )
        self.deliver(producer, source, top)

    def declared(self, tops: int) -> list[Shape | None]:
        """Crops, or pictures as resize_param makes them, of 3 channels, or of 1 with force_gray."""
        channels = 1 if self.message.transform_param.force_gray else 3
        p = self.message.data_param
        data, label = self.declared_image(p.batch_size, channels, *self.declared_size())
        return [data, (p.batch_size, p.labels) if p.labels else label][:tops]
