"""SegAccuracy by scikit-learn's scores."""

from collections.abc import Iterator

import numpy as np
import sklearn
from sklearn import metrics

from engines import Case


def cases() -> Iterator[Case]:
    """Four classes, all of which occur; with and without an ignored label."""
    rng = np.random.default_rng(0)
    for name, ignored in (("all", ""), ("ignored", "seg_accuracy_param { ignore_label: 3 ignore_label: 255 }")):
        x = rng.standard_normal((2, 4, 6, 7)).astype(np.float32)
        label = rng.integers(0, 4, (2, 1, 6, 7)).astype(np.float32)
        label[:, :, :2, 0] = 3 if not ignored else 255
        counts = ~np.isin(label, (3, 255)) if ignored else np.ones(label.shape, bool)
        true, guess = label[counts], x.argmax(axis=1)[:, None][counts]
        scores = [
            metrics.accuracy_score(true, guess),
            metrics.recall_score(true, guess, labels=np.unique(true), average="macro"),
            metrics.jaccard_score(true, guess, average="macro"),
        ]
        yield Case(
            f"sklearn {name}", f"scikit-learn {sklearn.__version__}",
            f'type: "SegAccuracy" bottom: "x" bottom: "label" top: "y" {ignored}',
            {"x": x, "label": label}, {"y": np.array(scores, np.float32).reshape(1, 1, 1, 3)},
        )  # fmt: skip
