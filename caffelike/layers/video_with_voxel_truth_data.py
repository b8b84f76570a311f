"""VideoWithVoxelTruthData, VideoSegmentationData: clips with numbers for each of their voxels."""

from collections.abc import Sequence

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.imagelist import read_text
from caffelike.data.paths import resolve
from caffelike.data.shard import shard_of
from caffelike.data.transformer import read_volume
from caffelike.data.volumes import VolumeProducer, VoxelCut
from caffelike.errors import DataError, ModelError
from caffelike.layer import Shape
from caffelike.layers._source import SourceLayer, log_size
from caffelike.registry import register


@register("VideoWithVoxelTruthData", param="image_data_param")
class VideoWithVoxelTruthData(SourceLayer):
    """Delivers clips and what a net should say of each voxel, such as its optical flow, over and over.

    tops: data (batch_size, channels - num_truth_channels, frames, height, width); truth (batch_size,
    num_truth_channels, frames, height, width).
    source: a text file of the paths of binary files, see `caffelike.data.volumes`; whether they hold bytes or floats
    their size tells (use_byte_input is not read). root_folder (""). batch_size (1). num_truth_channels (1): the last
    channels of a file are the truth. shuffle (false): a new order in every pass. rand_skip (0): start at a random one
    of the first so many. mean_value (0), or mean_file, a volume of the size of data; scale (1): data become (x - mean)
    scale. crop_size (0: none): a square of all frames, at random while training, else the middle; with it mirror
    (false): half of the clips, and with is_flow the first channel of the truth then gets the other sign; truth_scale
    (1): a factor of the truth, or clip_min and clip_max, which become 0 and 1, and what lies beyond them is cut off;
    without a crop the truth stays as it is. show_data, new_height, new_width and is_color (true): without effect.
    Raises ModelError, FileError and DataError naming list and volume.
    Source: Tran et al., "Deep End2End Voxel2Voxel Prediction", 2016 (C3D 1.0).
    """

    tops = ("data", "truth")
    messages = ()
    honours = (
        "num_truth_channels", "use_byte_input", "is_flow", "truth_scale", "clip_min", "clip_max", "mean_value",
        "show_data",
    )  # fmt: skip

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the list and take the tops' shapes from its first volume."""
        p = self.message.image_data_param
        if not p.source:
            raise self.fail("needs image_data_param { source: ... }: a text file of volumes.", ModelError)
        if p.mirror and not p.crop_size:
            raise self.fail("mirror needs a crop_size.", ModelError)
        if p.HasField("clip_min") and not p.clip_min < p.clip_max:
            raise self.fail(f"clip_min ({p.clip_min:g}) must be less than clip_max ({p.clip_max:g}).", ModelError)
        if p.num_truth_channels < 1:
            raise self.fail("num_truth_channels must be 1 or more.", ModelError)
        batch = self.batch_size(p.batch_size)
        cut = VoxelCut(
            int(p.num_truth_channels), int(p.crop_size), p.mirror, self.phase == 0, p.is_flow, p.scale, p.truth_scale,
            (p.clip_min, p.clip_max) if p.HasField("clip_min") else None,
        )  # fmt: skip
        mean = read_volume(resolve(p.mean_file, self.folder)) if p.mean_file else float(p.mean_value)
        source = resolve(p.source, self.folder)
        paths = read_text(source, "list of volumes").split()
        if not paths:
            raise DataError(f"{source} lists no volumes.")
        log.info("video_with_voxel_truth_data_layer.cpp:40", f"A total of {len(paths)} examples.")
        producer = VolumeProducer(
            paths, source, p.root_folder, self.folder, batch, cut, mean, p.shuffle, p.rand_skip, self.seed, self.name,
            shard_of(self.phase),
        )  # fmt: skip
        self._count = len(paths)
        shapes = producer.shapes()
        self.feed(producer, shapes, top)
        log_size("video_with_voxel_truth_data_layer.cpp:70", shapes[0])

    def records(self) -> int:
        """How many volumes the list names."""
        return self._count

    def declared(self, tops: int) -> list[Shape | None]:
        """The files alone tell how many frames there are."""
        return [None] * tops


@register("VideoSegmentationData", param="image_data_param")
class VideoSegmentationData(VideoWithVoxelTruthData):
    """Delivers clips and the class of each voxel, over and over.

    tops: data and truth; these, options and errors as VideoWithVoxelTruthData, with one channel of truth: what its
    published files use; its own code is not published.
    Source: Tran et al., "Deep End2End Voxel2Voxel Prediction", 2016 (C3D 1.0).
    """
