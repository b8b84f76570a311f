"""SegmentationEvaluate with cv2.resize(INTER_AREA)."""

from collections.abc import Iterator

import cv2
import numpy as np

from engines import OPENCV, Case


def cases() -> Iterator[Case]:
    """Maps that shrink, by whole numbers and not, and that grow."""
    rng = np.random.default_rng(0)
    threshold = 0.4
    for name, size in (
        ("half", (6, 8)),
        ("less", (5, 11)),
        ("more", (24, 32)),
        ("other", (19, 21)),
        ("mixed", (5, 33)),
    ):
        x = rng.uniform(0, 0.999, (1, 4, 12, 16)).astype(np.float32)
        label = (rng.random((1, 4, *size)) < 0.5).astype(np.float32)
        shares = []
        for values, true in zip(x[0], label[0] > threshold, strict=True):
            resized = cv2.resize(np.floor(values * 255).astype(np.uint8), size[::-1], interpolation=cv2.INTER_AREA)
            found = resized > int(threshold * 255)
            shares.append((found & true).sum() / (found | true).sum())
        yield Case(
            f"opencv {name}", OPENCV,
            'type: "SegmentationEvaluate" bottom: "x" bottom: "label" top: "y"'
            f" segmentation_evaluate_param {{ num_classes: 4 threshold: {threshold} }}",
            {"x": x, "label": label}, {"y": np.array(shares, np.float32).reshape(1, 1, 1, -1)},
        )  # fmt: skip
