"""VideoData: clips of videos."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.boxes import FIELDS
from caffelike.data.clips import ClipProducer, Crop, Frames, read_clips
from caffelike.data.paths import resolve
from caffelike.data.shard import shard_of
from caffelike.data.stream import FrameProducer
from caffelike.data.transformer import Transformer, read_volume
from caffelike.errors import CaffelikeError, ModelError
from caffelike.layer import Shape
from caffelike.layers._source import SourceLayer, log_size
from caffelike.registry import register

_TSN = ("num_segments", "modality", "name_pattern")


@register("VideoData", param="video_data_param")
class VideoData(SourceLayer):
    """Delivers clips of the videos that a list names, with their labels, over and over.

    tops: data, label (batch_size). C3D's form: data (batch_size, 3, new_length, height, width); the list's lines are
    `path first_frame label`; with use_image true the path is a folder of images 000001.jpg, 000002.jpg, ..., else a
    video file, read by OpenCV; sampling_rate (1): every so many frames. yjxiong's form (temporal segments), known by
    num_segments (1), modality or name_pattern: data (batch_size, num_segments new_length channels, height, width);
    lines `folder frames label`; each of the num_segments equal parts of the video gives new_length frames, from a
    random place while training, else from its middle; modality RGB: 3 channels of name_pattern "img_%05d.jpg"; FLOW
    (the default): 2, x and y, of "flow_%c_%05d.jpg", the first of which is inverted where it is mirrored.
    source: the list. batch_size (1). new_length (1). root_folder (""). shuffle (false): a new order in every pass.
    new_height, new_width (0: as they are). transform_param, or C3D's scale (1), mean_file, crop_size (0), mirror:
    as for Data, alike for all frames of a clip; mean_file may hold a volume (channels, frames, height, width);
    scale_ratios while training: cuts of these shares of the shorter side, rows and columns at most max_distort (1)
    entries apart (with multi_scale), resized to crop_size; fix_crop, more_fix_crop: at corners and in the middle only.
    C3D's first version writes all of it into image_data_param. show_data: without effect.
    SSD's form, known by video_type, video_file or device_id and no source: data (data_param's batch_size, 3, height,
    width), the frames of one video or camera one after the other; label (batch_size), 0. video_type WEBCAM (the
    default): the camera device_id (0); VIDEO: video_file. skip_frames: without effect, as there. transform_param: as
    for Data, SSD's fields too. It needs OpenCV; a video that has ended is an error (the fork stops the process).
    Fields of other forks (encoded, grayscale, length_first, use_temporal_jitter, max_sampling_rate 1,
    use_sampling_rate_jitter, use_multiple_label, num_of_labels 1, rand_skip, is_color true) are refused where they are
    set.
    Raises ModelError, FileError and DataError naming list, line and frame.
    Source: Tran et al., ICCV 2015 (C3D); Wang et al., "Temporal Segment Networks", ECCV 2016 (yjxiong); SSD (weiliu89).
    """

    tops = ("data", "label?")
    messages = ("transform_param", "image_data_param", "data_param")
    honours = (
        "new_length", "use_image", "sampling_rate", "show_data", "scale_ratios", "max_distort", "multi_scale",
        "fix_crop", "more_fix_crop", "is_flow", *FIELDS,
    )  # fmt: skip

    def options_message(self) -> Any:
        """video_data_param, or where C3D 1.0 has the same fields."""
        old = self.message.HasField("image_data_param") and not self.message.HasField("video_data_param")
        return self.message.image_data_param if old else self.message.video_data_param

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Read the list and take the tops' shapes from its first clip; or open the video."""
        p, t = self.options_message(), self.message.transform_param
        self._clips = 0
        if self._is_stream():
            self._set_up_stream(top)
            return
        for name in FIELDS:
            if name in (field.name for field, _ in t.ListFields()):
                raise self.fail(f"{name} goes with video_type alone; clips have new_height and new_width.", ModelError)
        for name in (
            "video_file", "device_id", "skip_frames", "encoded", "grayscale", "length_first",
            "use_temporal_jitter", "use_sampling_rate_jitter", "use_multiple_label", "rand_skip",
        ):  # fmt: skip
            if getattr(p, name, 0):
                raise self.fail(f"{name} is not supported.", ModelError)
        if not p.source:
            raise self.fail("needs video_data_param { source: ... }: a text file of videos and labels.", ModelError)
        if bool(p.new_height) != bool(p.new_width):
            raise self.fail("new_height and new_width go together: set both, or none.", ModelError)
        batch, frames, crop = self.batch_size(p.batch_size), self.frames(), self.crop()
        mean = t.mean_file or p.mean_file
        if mean and (t.mean_value or crop.ratios):
            raise self.fail("mean_file goes neither with mean_value nor with multi_scale.", ModelError)
        values = read_volume(resolve(mean, self.folder)) if mean else np.array(t.mean_value, np.float32)
        source = resolve(p.source, self.folder)
        log.info("video_data_layer.cpp:30", f"Opening file {source}")
        clips = read_clips(source)
        log.info("video_data_layer.cpp:48", f"A total of {len(clips)} videos.")
        producer = ClipProducer(
            clips, source, p.root_folder, self.folder, batch, frames, crop,
            (p.new_height, p.new_width) if p.new_height else None, values if values.size else None,
            t.scale if t.HasField("scale") else p.scale, not frames.segments, p.shuffle, self.seed, self.name,
            shard_of(self.phase),
        )  # fmt: skip
        self._clips = len(clips)
        shapes = producer.shapes()[: len(top)]
        self.feed(producer, shapes, top)
        log_size("video_data_layer.cpp:70", shapes[0])

    def _is_stream(self) -> bool:
        """Whether it is written in SSD's form."""
        p = self.message.video_data_param
        return not p.source and any(p.HasField(name) for name in ("video_type", "video_file", "device_id"))

    def _set_up_stream(self, top: Sequence[Blob]) -> None:
        """Open the video or the camera, and take the tops' shapes from its first frame."""
        p, t = self.message.video_data_param, self.message.transform_param
        source: str | int = p.device_id
        if p.video_type == type(p).VIDEO or p.video_file:
            if not p.video_file:
                raise self.fail("needs video_data_param { video_file: ... } for video_type: VIDEO.", ModelError)
            source = resolve(p.video_file, self.folder)
        batch = self.batch_size(self.message.data_param.batch_size)
        transformer = Transformer(t, self.phase, self.seed, self.name, self.folder)
        producer = FrameProducer(source, transformer, batch, len(top) > 1)
        try:
            shapes = producer.shapes()
        except CaffelikeError:
            producer.close()
            raise
        self.feed(producer, shapes, top)
        log_size("video_data_layer.cpp:67", shapes[0])

    def frames(self) -> Frames:
        """Which frames are taken."""
        p = self.options_message()
        train = self.phase == 0
        if any(p.HasField(name) for name in _TSN if hasattr(p, name)):
            flow = p.modality == type(p).FLOW
            pattern = p.name_pattern or ("flow_%c_%05d.jpg" if flow else "img_%05d.jpg")
            return Frames(max(1, p.num_segments), max(1, p.new_length), 1, pattern, flow, train)
        return Frames(0, max(1, p.new_length), max(1, p.sampling_rate), "%06d.jpg" if p.use_image else "", False, train)

    def crop(self) -> Crop:
        """How they are cut."""
        p, t = self.options_message(), self.message.transform_param
        ratios = tuple(t.scale_ratios) or (1.0, 0.875, 0.75, 0.66) if t.multi_scale else ()
        return Crop(
            t.crop_size or p.crop_size, t.mirror or p.mirror, self.phase == 0, ratios, t.max_distort, t.fix_crop,
            t.more_fix_crop,
        )  # fmt: skip

    def records(self) -> int:
        """How many videos the list names."""
        return self._clips

    def declared(self, tops: int) -> list[Shape | None]:
        """Clips of new_height x new_width, or crops; frames as resize_param makes them."""
        if self._is_stream():
            return self.declared_image(self.message.data_param.batch_size, 3, *self.declared_size())[:tops]
        p, frames = self.options_message(), self.frames()
        height, width = (self.crop().size,) * 2 if self.crop().size else (p.new_height, p.new_width)
        data: Shape | None = None
        if height and frames.segments:
            data = (p.batch_size, frames.segments * frames.length * frames.channels, height, width)
        elif height:
            data = (p.batch_size, 3, frames.length, height, width)
        label: Shape | None = (p.batch_size,)
        return [data, label][:tops]
