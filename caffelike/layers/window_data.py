"""WindowData: windows of images, for R-CNN."""

from collections.abc import Sequence

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.imagelist import Folder
from caffelike.data.paths import resolve
from caffelike.data.shard import shard_of
from caffelike.data.transformer import Transformer
from caffelike.data.windows import WindowProducer, log_windows, read_windows
from caffelike.errors import DataError, ModelError
from caffelike.layer import Shape
from caffelike.layers._source import SourceLayer, log_size
from caffelike.registry import register


@register("WindowData", param="window_data_param")
class WindowData(SourceLayer):
    """Delivers random windows of images, warped to a square: background first, then objects, in every batch.

    tops: data (batch_size, channels, crop_size, crop_size); label (batch_size), 0 for background.
    source: a window file, see `read_windows`. fg_threshold, bg_threshold (0.5): overlaps from which a window is an
    object, and below which it is background. fg_fraction (0.25): share of objects. context_pad (0): pixels of context
    on each side. crop_mode ("warp", or "square"). root_folder (""): put before every path as it is. cache_images
    (false): keep the image files in memory. transform_param: crop_size, mirror, mean_file or mean_value; scale 1
    is window_data_param's, as in Caffe; mean_file, crop_size, mirror there: as Data.
    Raises FileError and DataError naming the image. Source: BVLC Caffe's WindowData layer.
    """

    tops = ("data", "label")

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the window file."""
        p, t = self.message.window_data_param, self.message.transform_param
        if not p.source:
            raise self.fail("needs window_data_param { source: ... }: a window file.", ModelError)
        if not t.crop_size or t.crop_size <= 2 * p.context_pad:
            raise self.fail(
                f"needs a transform_param {{ crop_size: ... }} above twice context_pad ({p.context_pad}):"
                " the side of the square that windows are warped to.",
                ModelError,
            )
        if p.crop_mode not in ("warp", "square"):
            raise self.fail(f"crop_mode is 'warp' or 'square', not '{p.crop_mode}'.", ModelError)
        if t.scale not in (1, p.scale):
            log.warning(
                "window_data_layer.cpp:264",
                f"Layer '{self.name}': transform_param {{ scale }} has no effect on WindowData, as in Caffe; write it"
                " into window_data_param.",
            )
        batch = self.batch_size(p.batch_size)
        transformer = Transformer(t, self.phase, self.seed, self.name, self.folder)
        file = read_windows(resolve(p.source, self.folder), p.fg_threshold, p.bg_threshold)
        log_windows(file)
        shape = (batch, file.channels, t.crop_size, t.crop_size)
        self._check_mean(transformer, shape)
        producer = WindowProducer(
            file,
            Folder(p.root_folder, self.folder),
            transformer,
            batch,
            p.fg_fraction,
            p.context_pad,
            p.crop_mode == "square",
            p.scale,
            p.cache_images,
            shard_of(self.phase),
        )
        self.feed(producer, [shape, (batch,)], top)
        log_size("window_data_layer.cpp:196", shape)

    def declared(self, tops: int) -> list[Shape | None]:
        """Crops of 3 channels."""
        return self.declared_image(self.message.window_data_param.batch_size, 3, 0, 0)

    def _check_mean(self, transformer: Transformer, shape: tuple[int, ...]) -> None:
        channels, crop = shape[1], shape[2]
        mean = transformer.mean
        if mean is not None and (mean.shape[0] != channels or min(mean.shape[1:]) < crop):
            raise DataError(
                f"Layer '{self.name}': the mean file is {'x'.join(map(str, mean.shape))}; it needs {channels} channels"
                f" and at least {crop}x{crop} pixels."
            )
        if transformer.mean_values.size not in (0, 1, channels):
            raise self.fail(
                f"mean_value is given {transformer.mean_values.size} times for {channels} channels.", ModelError
            )
