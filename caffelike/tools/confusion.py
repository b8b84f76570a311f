"""Which classes a net takes for which: a confusion matrix, and what follows from it."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelike.data.imagelist import read_text
from caffelike.errors import CaffelikeError, DataError
from caffelike.files import atomic_path

_AXES = {"Accuracy": ("accuracy_param", "accuracy_param"), "SoftmaxWithLoss": ("softmax_param", "loss_param")}
_SHOWN_NUMBERS = 30  # classes up to which numbers are written into the picture


class Confusion:
    """Counts what a net predicts for each label, batch after batch.

    Scores and labels are those of the net's last Accuracy layer, or else of its last SoftmaxWithLoss layer; the class
    with the highest score is the prediction. Places with the layer's ignore_label do not count.

    counts: int64 (classes, classes), label by prediction. names: of the classes, numbers by default.
    Raises CaffelikeError when the net has neither layer, DataError for too few names.
    """

    def __init__(self, net: Any, names: Sequence[str] | None = None):
        found = [node for kind in _AXES for node in net._nodes if node.layer.type == kind]
        best = [node for node in found if node.layer.type == "Accuracy"] or found
        if not best:
            raise CaffelikeError(
                "A report needs to know scores and labels: the net has neither an Accuracy nor a SoftmaxWithLoss layer."
            )
        node = best[-1]
        self.layer, self._net = node.name, net
        axis_param, ignore_param = (getattr(node.layer.message, name) for name in _AXES[node.layer.type])
        self._bottoms = node.bottom_names[:2]
        scores = net.blobs[self._bottoms[0]]
        self._axis = axis_param.axis % len(scores.shape)
        self._ignored = ignore_param.ignore_label if ignore_param.HasField("ignore_label") else None
        classes = scores.shape[self._axis]
        self.counts = np.zeros((classes, classes), np.int64)
        self.names = list(names) if names is not None else [str(i) for i in range(classes)]
        if len(self.names) < classes:
            raise DataError(f"There are {classes} classes, but only {len(self.names)} names for them.")

    def add(self, net: Any = None) -> None:
        """Count the batch that the net (or another one of the same layers) has just run."""
        scores, label = ((net or self._net).blobs[name].raw_data for name in self._bottoms)
        labels = label.reshape(-1).astype(np.int64)
        predicted = scores.argmax(self._axis).reshape(-1)
        if self._ignored is not None:
            kept = labels != self._ignored
            labels, predicted = labels[kept], predicted[kept]
        np.add.at(self.counts, (labels, predicted), 1)

    @property
    def total(self) -> int:
        """How many labels were counted."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """The share of right predictions; 0 of none."""
        return float(np.trace(self.counts) / max(1, self.total))

    @property
    def per_class(self) -> np.ndarray:
        """For each class the share of its records that were predicted as it; NaN where it does not occur."""
        return _share(np.diag(self.counts), self.counts.sum(1))

    @property
    def precision(self) -> np.ndarray:
        """For each class the share of predictions of it that were right; NaN where there are none."""
        return _share(np.diag(self.counts), self.counts.sum(0))

    def mistakes(self, most: int = 10) -> list[tuple[int, int, int]]:
        """The most frequent mistakes as (label, prediction, how often), the most frequent first."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        pairs = (divmod(int(i), len(wrong)) for i in order)
        return [
            (label, predicted, int(wrong[label, predicted])) for label, predicted in pairs if wrong[label, predicted]
        ]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain dictionaries, lists, strings and numbers; what has no records has no accuracy."""
        shares = {"accuracy": self.per_class.tolist(), "precision": self.precision.tolist()}
        return {
            "layer": self.layer,
            "records": int(self.total),
            "accuracy": float(self.accuracy),
            "classes": [
                {"name": name, **{word: None if share[i] != share[i] else share[i] for word, share in shares.items()}}
                for i, name in enumerate(self.names[: len(self.counts)])
            ],
            "counts": self.counts.tolist(),
        }

    def write(self, folder: str | os.PathLike) -> list[Path]:
        """Write classes.csv, confusion.csv (a row for each label) and, with matplotlib, confusion.png; their paths.

        The folder is made if absent. Raises FileError.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        records, right = self.counts.sum(1), np.diag(self.counts)
        columns = (range(len(self.counts)), self.names, records, right, self.per_class, self.precision)
        written = [
            _table(
                Path(folder) / "classes.csv",
                ["class", "name", "records", "right", "accuracy", "precision"],
                zip(*columns, strict=False),
            ),
            _table(
                Path(folder) / "confusion.csv",
                ["label", *self.names[: len(self.counts)]],
                ([name, *row] for name, row in zip(self.names, self.counts.tolist(), strict=False)),
            ),
        ]
        picture = self._picture()
        if picture is not None:
            with atomic_path(Path(folder) / "confusion.png") as temporary:
                picture.savefig(temporary, format="png", dpi=100)
            written.append(Path(folder) / "confusion.png")
        return written

    def _picture(self) -> Any:
        """The matrix in shares of each label; None without matplotlib."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return None
        classes = len(self.counts)
        shares = np.nan_to_num(_share(self.counts, self.counts.sum(1, keepdims=True)))
        side = min(16.0, 3 + 0.45 * classes)
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_title(f"accuracy {self.accuracy:.4f} of {self.total}")
        axes.set_xlabel("predicted")
        axes.set_ylabel("label")
        if classes <= _SHOWN_NUMBERS:
            names = self.names[:classes]
            axes.set_xticks(range(classes), names, rotation=90 if max(map(len, names)) > 2 else 0)
            axes.set_yticks(range(classes), names)
            for (row, column), count in np.ndenumerate(self.counts):
                if count:
                    colour = "white" if shares[row, column] > 0.5 else "black"
                    axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
        return figure


def read_names(path: str | os.PathLike) -> list[str]:
    """Names of classes, one a line, in the order of their labels. Raises FileError."""
    return read_text(os.fspath(path), "list of names").splitlines()


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _table(path: Path, head: list[str], rows: Any) -> Path:
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
    return path
