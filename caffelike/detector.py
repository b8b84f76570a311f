"""pycaffe's Detector: classifies windows of images, as R-CNN does.

Source: Girshick et al., "Rich feature hierarchies for accurate object detection and semantic segmentation", CVPR 2014.
"""

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from caffelike import io
from caffelike.classifier import transformer_of
from caffelike.errors import CaffelikeError, ShapeError
from caffelike.graph.net import Net
from caffelike.schema import TEST

_SELECTIVE_SEARCH = "selective_search_ijcv_with_python"
Windows = Sequence[Sequence[float]]


class Detector(Net):
    """A net in TEST that is run on windows of images, each brought to the size of its input.

    model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap: as for `Classifier`. context_pad: so many
    pixels on each side of the net's input show what surrounds the window; the mean where that is outside the image.
    proposals: function(list of file names) -> windows of each image, that `detect_selective_search` uses.
    A window is (ymin, xmin, ymax, xmax) in pixels.
    """

    def __init__(
        self,
        model_file: str | os.PathLike,
        pretrained_file: str | os.PathLike | None,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ):
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = transformer_of(self, mean, input_scale, raw_scale, channel_swap)
        self.proposals: Callable[[list[str]], Iterable[Windows]] | None = None
        self.configure_crop(context_pad)

    def configure_crop(self, context_pad: int | None) -> None:
        """Set `context_pad`, and crop_dims and crop_mean: shape and mean of an input as an image, unscaled."""
        name = self.inputs[0]
        back = np.argsort(self.transformer.transpose[name])
        self.crop_dims = np.array(self.blobs[name].shape[1:])[back]
        self.context_pad = context_pad
        if not context_pad:
            return
        size = int(self.crop_dims[1])
        if size <= 2 * context_pad:
            raise ShapeError(f"context_pad {context_pad} on both sides leaves nothing of an input {size} wide.")
        mean = self.transformer.mean.get(name)
        self.crop_mean = np.zeros(self.crop_dims, np.float32)
        if mean is not None:
            mean = mean.transpose(back)
            if name in self.transformer.channel_swap:
                mean = mean[:, :, np.argsort(self.transformer.channel_swap[name])]
            self.crop_mean = self.crop_mean + mean / self.transformer.raw_scale.get(name, 1)

    def crop(self, im: np.ndarray, window: Sequence[float]) -> np.ndarray:
        """The part of an image (height, width, channels) in a window, with its surroundings if `context_pad` is set."""
        top, left, bottom, right = (int(v) for v in window)
        if not self.context_pad:
            return im[top:bottom, left:right]
        size = int(self.crop_dims[1])  # the input is square, as R-CNN's
        half = np.array([bottom - top + 1, right - left + 1]) / 2
        centre = np.array([top, left]) + half
        reach = half * size / (size - 2 * self.context_pad)
        low, high = np.round(centre - reach), np.round(centre + reach)
        zoom = size / (high - low + 1)
        outside = np.array([round(v) for v in np.maximum(0, -low) * zoom])  # pixels of the input before the image
        limits = np.array(im.shape[:2])
        low, high = (np.clip(v, 0, limits).astype(int) for v in (low, high))
        shown = np.minimum([round(v) for v in (high - low + 1) * zoom], size - outside)
        if (high <= low).any() or (shown < 1).any():
            raise ShapeError(f"The window {tuple(window)} lies outside an image of {im.shape[0]}x{im.shape[1]}.")
        out = self.crop_mean.copy()
        (y, x), (height, width) = outside, shown
        out[y : y + height, x : x + width] = io.resize_image(im[low[0] : high[0], low[1] : high[1]], shown)
        return out

    def detect_windows(self, images_windows: Iterable[tuple[str | os.PathLike, Windows]]) -> list[dict[str, Any]]:
        """Run the net on windows of images, given as (file name, windows) pairs.

        Returns a dictionary {"window", "prediction", "filename"} for each window, in order; the prediction is the
        window's part of the net's first output.
        """
        name = self.inputs[0]
        detections: list[dict[str, Any]] = []
        inputs = []
        for filename, windows in images_windows:
            image = io.load_image(filename)
            for window in windows:
                cut = self.crop(image, window)
                if not cut.size:
                    raise ShapeError(
                        f"{filename}: the window {tuple(window)} (ymin, xmin, ymax, xmax) holds no pixel of the image,"
                        f" which is {image.shape[0]} high and {image.shape[1]} wide."
                    )
                inputs.append(self.transformer.preprocess(name, cut))
                detections.append({"window": window, "prediction": None, "filename": filename})
        if inputs:
            predictions = self.forward_all(None, **{name: np.stack(inputs)})[self.outputs[0]]
            for detection, prediction in zip(detections, predictions, strict=True):
                detection["prediction"] = prediction
        return detections

    def detect_selective_search(self, image_fnames: Sequence[str | os.PathLike]) -> list[dict[str, Any]]:
        """`detect_windows` on windows that `proposals` finds, or the module selective_search_ijcv_with_python.

        Raises CaffelikeError when there is neither.
        """
        files = [os.path.abspath(name) for name in image_fnames]
        return self.detect_windows(zip(files, self._find_windows(files), strict=True))

    def _find_windows(self, files: list[str]) -> Iterable[Windows]:
        if self.proposals is not None:
            return self.proposals(files)
        try:
            selective_search = importlib.import_module(_SELECTIVE_SEARCH)
        except ModuleNotFoundError as error:
            raise CaffelikeError(
                f"Windows come from the Python module {_SELECTIVE_SEARCH} (it needs MATLAB), which is not there. Set"
                " `detector.proposals` to a function that takes a list of files and returns windows (ymin, xmin, ymax,"
                " xmax) for each, or call detect_windows with windows of your own."
            ) from error
        return selective_search.get_windows(files, cmd="selective_search_rcnn")
