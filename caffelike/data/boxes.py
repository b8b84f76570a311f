"""What SSD's fork does to an image and the boxes in it before it is cropped, mirrored and scaled like any other.

In this order: colours (distort_param), a larger canvas (expand_param), a part of it (batch_sampler), another size
(resize_param), noise (noise_param). An image is uint8 (height, width, channels); boxes (n, 4) are xmin, ymin, xmax,
ymax as shares of it. Without boxes and samplers: `prepared.py`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelike.data import noise
from caffelike.data.resize import resizer
from caffelike.errors import DataError, ModelError

FIELDS = ("resize_param", "distort_param", "expand_param", "noise_param", "emit_constraint")
"""The words of transform_param that SSD's fork brought."""
OUTSIDE = 255
"""The label of what lies around an image."""
_UNKNOWN = ("height_scale", "width_scale", "is_pyramid_test", "out_height_scale", "out_width_scale", "center_object",
            "max_angle")  # fmt: skip


class Picture(NamedTuple):
    """An image, its boxes, the indices that these had at first, and a map of labels (height, width) of the same part.

    The labels are not resized with the image.
    """

    image: np.ndarray
    boxes: np.ndarray
    which: np.ndarray
    labels: np.ndarray | None = None


class Preparation:
    """The random changes of one layer: transform_param's fields of SSD's fork, and batch samplers.

    jitter: where it is given, and no samplers are, a part of the image takes its place: as high and as wide as
    1 - jitter .. 1 of the image, each for itself, at any place.
    Raises ModelError for options that cannot be.
    """

    def __init__(self, param: Any, samplers: Sequence[Any], name: str, jitter: float | None = None):
        self.param, self.samplers, self.jitter = param, list(samplers), jitter
        if jitter is not None and not 0 <= jitter < 1:
            raise ModelError(f"yolo_data_jitter must be 0 or more and less than 1, but is {jitter:g}.", name)
        check(param, name)
        for one in self.samplers:
            s = one.sampler
            if not 0 < s.min_scale <= s.max_scale <= 1 or not 0 < s.min_aspect_ratio <= s.max_aspect_ratio:
                raise ModelError(
                    "batch_sampler { sampler }: 0 < min_scale <= max_scale <= 1 and 0 < min_aspect_ratio <="
                    f" max_aspect_ratio must hold, but they are {s.min_scale:g}, {s.max_scale:g},"
                    f" {s.min_aspect_ratio:g} and {s.max_aspect_ratio:g}.",
                    name,
                )

    def policy(self, generator: np.random.Generator) -> Any:
        """One of several resize_params, each as probable as its prob says; None: there is none."""
        return policy(self.param, generator)

    def apply(
        self,
        image: np.ndarray,
        boxes: np.ndarray,
        generator: np.random.Generator,
        policy: Any = None,
        labels: np.ndarray | None = None,
    ) -> Picture:
        """The image as it is to be cropped, mirrored and scaled, with the boxes that are left; `policy`: its size."""
        which = np.arange(len(boxes))
        if self.param.HasField("distort_param"):
            image = distort(image, self.param.distort_param, generator)
        if self.param.HasField("expand_param"):
            image, boxes, labels = self._expanded(image, boxes, labels, generator)
        part = None
        if self.jitter is not None and not self.samplers:
            share = generator.random(4)
            size = 1 - self.jitter * share[:2]
            low = share[2:] * (1 - size)
            part = np.concatenate([low, low + size])
        elif self.samplers:
            part = sampled(boxes, self.samplers, generator)
        if part is not None:
            image, boxes, which, labels = self._cut(image, boxes, labels, part)
        if policy is not None:
            image, boxes = resized(image, boxes, policy, generator)
        if self.param.noise_param:
            image = noise.noisy(image, noise.one_of(self.param.noise_param, generator), generator)
        return Picture(image, boxes, which, labels)

    def visible(self, boxes: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The boxes as shares of a part (4,) of the image, cut at its borders, and the indices of those that stay.

        emit_constraint says which do: CENTER, those whose middle is inside; MIN_OVERLAP, those of which more than
        emit_overlap is inside. Of the others none has an area there.
        """
        low, high = np.maximum(boxes[:, :2], part[:2]), np.minimum(boxes[:, 2:], part[2:])
        inside = np.maximum(high - low, 0).prod(axis=1)
        stays = inside > 0
        if self.param.HasField("emit_constraint"):
            rule = self.param.emit_constraint
            if rule.emit_type == rule.CENTER:
                middle = (boxes[:, :2] + boxes[:, 2:]) / 2
                stays &= ((middle >= part[:2]) & (middle <= part[2:])).all(axis=1)
            else:
                stays &= inside > rule.emit_overlap * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        size = np.tile(part[2:] - part[:2], 2)
        return np.clip((boxes[stays] - np.tile(part[:2], 2)) / size, 0, 1), np.flatnonzero(stays)

    def _expanded(
        self, image: np.ndarray, boxes: np.ndarray, labels: np.ndarray | None, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        place = expansion(self.param.expand_param, image.shape[0], image.shape[1], generator)
        if place is None:
            return image, boxes, labels
        height, width = image.shape[:2]
        if labels is not None:
            labels = on_canvas(labels[..., None], place, np.array([OUTSIDE]))[..., 0]
        moved = boxes * (width, height, width, height) + (place.left, place.top, place.left, place.top)
        return (
            on_canvas(image, place, np.rint(np.array(self.param.mean_value or [0.0]))),
            moved / (place.width, place.height, place.width, place.height),
            labels,
        )

    def _cut(self, image: np.ndarray, boxes: np.ndarray, labels: np.ndarray | None, part: np.ndarray) -> Picture:
        part = np.clip(part, 0, 1)
        height, width = image.shape[:2]
        left, top = int(part[0] * width), int(part[1] * height)
        columns, rows = int((part[2] - part[0]) * width), int((part[3] - part[1]) * height)
        if not (rows and columns):
            return Picture(image, boxes, np.arange(len(boxes)), labels)
        inner, kept = self.visible(boxes, part)
        window = np.s_[top : top + rows, left : left + columns]
        return Picture(image[window], inner, kept, None if labels is None else labels[window])


class Place(NamedTuple):
    """Where an image comes to lie: `rows` x `columns` of it, from (top, left) of a canvas of height x width."""

    height: int
    width: int
    rows: int
    columns: int
    top: int = 0
    left: int = 0


def check(param: Any, name: str) -> None:
    """Raise ModelError for what a TransformationParameter says in the fields of SSD's fork and cannot be."""
    p = param.distort_param
    for word in ("contrast", "saturation"):
        low, high = getattr(p, f"{word}_lower"), getattr(p, f"{word}_upper")
        if getattr(p, f"{word}_prob") and not 0 <= low <= high:
            raise ModelError(f"distort_param: {word}_lower {low:g} must be 0 .. {word}_upper, {high:g}.", name)
    if param.HasField("expand_param") and param.expand_param.max_expand_ratio < 1:
        raise ModelError("expand_param { max_expand_ratio } must be 1 or more.", name)
    for one in param.resize_param:
        if not (one.height and one.width):
            raise ModelError("resize_param needs height and width.", name)
        for word in _UNKNOWN:
            if getattr(one, word):
                raise ModelError(f"resize_param {{ {word} }} is not supported: no published net needs it.", name)
    if len(param.resize_param) > 1 and not sum(one.prob for one in param.resize_param) > 0:
        raise ModelError("of several resize_param, some must have a prob above 0.", name)
    noise.check(param.noise_param, name)


def policy(param: Any, generator: np.random.Generator) -> Any:
    """One of several resize_params, each as probable as its prob says; None: there is none."""
    several = param.resize_param
    if len(several) < 2:
        return several[0] if several else None
    weights = np.array([one.prob for one in several], np.float64)
    return several[int(generator.choice(len(several), p=weights / weights.sum()))]


def expansion(p: Any, height: int, width: int, generator: np.random.Generator) -> Place | None:
    """The larger canvas that an ExpansionParameter puts an image on; None: it stays as it is."""
    chance, share, down, right = generator.random(4)
    if chance > p.prob or p.max_expand_ratio < 1.01:
        return None
    ratio = 1 + share * (p.max_expand_ratio - 1)
    rows, columns = int(height * ratio), int(width * ratio)
    return Place(rows, columns, height, width, int(down * (rows - height)), int(right * (columns - width)))


def on_canvas(image: np.ndarray, place: Place, fill: np.ndarray) -> np.ndarray:
    """The image at its place, `fill` (channels,) or (1,) around it."""
    canvas = np.empty((place.height, place.width, image.shape[2]), image.dtype)
    try:
        canvas[:] = fill.astype(image.dtype)
    except ValueError:
        raise DataError(f"an image has {image.shape[2]} channel(s), but what is put around it {len(fill)}") from None
    canvas[place.top : place.top + place.rows, place.left : place.left + place.columns] = image
    return canvas


def sampled(boxes: np.ndarray, samplers: Sequence[Any], generator: np.random.Generator) -> np.ndarray | None:
    """A part (4,) of the image, one of all that the samplers found; None: they found none.

    Each tries max_trials (100) times, until it has max_sample (any number): a share scale of the image's sides, wider
    by the root of an aspect ratio, at any place, that meets sample_constraint with at least one of the boxes:
    jaccard_overlap, intersection over union; sample_coverage and object_coverage, over the part or the box alone.
    """
    found: list[np.ndarray] = []
    for one in samplers:
        if not one.use_original_image:
            continue
        s, count = one.sampler, 0
        for _ in range(one.max_trials):
            if one.HasField("max_sample") and count >= one.max_sample:
                break
            u = generator.random(4)
            scale = s.min_scale + u[0] * (s.max_scale - s.min_scale)
            aspect = s.min_aspect_ratio + u[1] * (s.max_aspect_ratio - s.min_aspect_ratio)
            aspect = min(max(aspect, scale**2), scale**-2)
            size = np.minimum([scale * aspect**0.5, scale / aspect**0.5], 1)
            low = u[2:] * (1 - size)
            part = np.concatenate([low, low + size])
            if _meets(part, boxes, one.sample_constraint):
                found.append(part)
                count += 1
    return found[int(generator.integers(len(found)))] if found else None


def _meets(part: np.ndarray, boxes: np.ndarray, rule: Any) -> bool:
    """Whether some box meets all of the rule's bounds, or there are none."""
    names = ("jaccard_overlap", "sample_coverage", "object_coverage")
    if not any(rule.HasField(f"{end}_{name}") for name in names for end in ("min", "max")):
        return True
    low, high = np.maximum(boxes[:, :2], part[:2]), np.minimum(boxes[:, 2:], part[2:])
    common = np.maximum(high - low, 0).prod(axis=1)
    own, its = (part[2:] - part[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    good = np.ones(len(boxes), bool)
    for name, whole in zip(names, (own + its - common, own, its), strict=True):
        share = common / np.maximum(whole, 1e-12)
        if rule.HasField(f"min_{name}"):
            good &= share >= getattr(rule, f"min_{name}")
        if rule.HasField(f"max_{name}"):
            good &= share <= getattr(rule, f"max_{name}")
    return bool(good.any())


def fit(p: Any, rows: int, columns: int) -> Place:
    """Where an image of rows x columns comes to lie by a ResizeParameter, see `resized`; in single precision."""
    height, width = int(p.height), int(p.width)
    aspect = np.float32(columns) / np.float32(rows)
    wanted = np.float32(width) / np.float32(height)
    by_width = int(np.float32(width) / aspect), width
    by_height = height, int(aspect * np.float32(height))
    if p.resize_mode == p.FIT_SMALL_SIZE:
        inner = by_width if aspect < wanted else by_height
        return Place(*inner, *inner)
    if p.resize_mode == p.FIT_LARGE_SIZE_AND_PAD:
        inner_rows, inner_columns = (max(1, size) for size in (by_width if aspect > wanted else by_height))
        return Place(height, width, inner_rows, inner_columns, (height - inner_rows) // 2, (width - inner_columns) // 2)
    return Place(height, width, height, width)


def interpolation(p: Any, generator: np.random.Generator | None = None) -> str:
    """The interp_mode of a ResizeParameter, LINEAR where it has none; one of several is drawn."""
    modes = list(p.interp_mode) or [p.LINEAR]
    mode = modes[int(generator.integers(len(modes)))] if generator and len(modes) > 1 else modes[0]
    return type(p).Interp_mode.Name(mode)


def resized(
    image: np.ndarray, boxes: np.ndarray, p: Any, generator: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The image in the size of a ResizeParameter, and the boxes in it.

    resize_mode WARP: to height x width; FIT_SMALL_SIZE: so that it just covers them; FIT_LARGE_SIZE_AND_PAD: so that it
    fits in, amid pad_value (0), pad_mode CONSTANT, MIRRORED or REPEAT_NEAREST. interp_mode LINEAR, AREA, NEAREST,
    CUBIC or LANCZOS4, as OpenCV has them; of several one is drawn.
    """
    place = fit(p, *image.shape[:2])
    image = resized_to(image, place, p, interpolation(p, generator))
    if (place.rows, place.columns) == (place.height, place.width):
        return image, boxes
    moved = boxes * np.tile([place.columns, place.rows], 2) + (place.left, place.top, place.left, place.top)
    return image, moved / (place.width, place.height, place.width, place.height)


def resized_to(image: np.ndarray, place: Place, p: Any, mode: str) -> np.ndarray:
    """The image (height, width, channels) at the place that `fit` found, resized in OpenCV's mode `mode`."""
    out = image
    if image.shape[:2] != (place.rows, place.columns):
        out = resizer(mode)(np.ascontiguousarray(image), place.rows, place.columns)
    if (place.rows, place.columns) == (place.height, place.width):
        return out
    if p.pad_mode == p.CONSTANT:
        return on_canvas(out, place, np.array(p.pad_value or [0.0]))
    below, right = place.height - place.rows - place.top, place.width - place.columns - place.left
    mode = "reflect" if p.pad_mode == p.MIRRORED else "edge"
    return np.pad(out, [(place.top, below), (place.left, right), (0, 0)], mode)  # type: ignore[call-overload]


def distort(image: np.ndarray, p: Any, generator: np.random.Generator) -> np.ndarray:
    """The image with other colours; each change happens with the probability ..._prob of a DistortionParameter.

    Brightness: plus -brightness_delta .. brightness_delta. Contrast and saturation: times ..._lower .. ..._upper. Hue:
    turned by -hue_delta .. hue_delta (of 180). random_order_prob: channels are shuffled. Contrast is changed before
    saturation and hue, or after them, half of the time each. An image without three channels has no colours to change.
    """
    u = generator.random(11)
    chances = (p.brightness_prob, p.contrast_prob, p.saturation_prob, p.hue_prob, p.random_order_prob)
    bright, contrast, saturate, hue, shuffle = (u[:5] < chances).tolist()
    pixels = image
    if bright:
        pixels = _bytes(pixels + p.brightness_delta * (2 * u[5] - 1))
    factor = p.contrast_lower + u[6] * (p.contrast_upper - p.contrast_lower)
    first = u[7] > 0.5
    if contrast and first:
        pixels = _bytes(pixels * factor)
    if image.shape[2] == 3 and (saturate or hue):
        more = p.saturation_lower + u[8] * (p.saturation_upper - p.saturation_lower) if saturate else 1.0
        pixels = recoloured(pixels, more, p.hue_delta * (2 * u[9] - 1) if hue else 0.0)
    if contrast and not first:
        pixels = _bytes(pixels * factor)
    if shuffle:
        pixels = pixels[:, :, generator.permutation(image.shape[2])]
    return pixels


def recoloured(image: np.ndarray, saturation: float, turn: float) -> np.ndarray:
    """A BGR image with its saturation (HSV) multiplied, up to full, and its hue turned by `turn` of 180."""
    pixels = image.astype(np.float64)
    high, low = pixels.max(axis=2), pixels.min(axis=2)
    chroma = high - low
    blue, green, red = np.moveaxis(pixels, 2, 0)
    part = np.maximum(chroma, 1e-12)
    sixths = np.select(
        [high == red, high == green], [(green - blue) / part % 6, (blue - red) / part + 2], (red - green) / part + 4
    )
    sixths = sixths + turn / 30
    chroma = np.minimum(chroma * saturation, high)
    shades = [high - chroma * np.clip(np.minimum(k, 4 - k), 0, 1) for n in (1, 3, 5) for k in [(n + sixths) % 6]]
    return _bytes(np.stack(shades, axis=2))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
