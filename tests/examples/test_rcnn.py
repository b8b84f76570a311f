"""examples/rcnn.py: every step of R-CNN fits the next."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from caffelike import proposals

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/rcnn.py`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def test_from_proposals_to_detections(tmp_path):
    rcnn = importlib.import_module("rcnn")
    records = rcnn.shapes(3)
    method = rcnn.find("sliding_window")
    method.count = 60
    share = rcnn.prepare(tmp_path, records, method)
    assert 0 < share <= 1
    run = rcnn.solver(tmp_path, 15)
    losses = []
    for _ in range(15):
        run.step(1)
        losses.append(run.smoothed_loss)
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    run.net.save(tmp_path / "rcnn.caffemodel")
    found = rcnn.detect(tmp_path, method, len(records))
    assert [len(classes) for classes in found] == [3, 3, 3]
    rows = np.concatenate([rows for classes in found for rows in classes])
    assert rows.shape[1] == 5
    windows = proposals.get("sliding_window", sizes=method.sizes, ratios=method.ratios, step=method.step)
    known = {tuple(w) for w in windows.propose(records[0]["image"], 60)[:, :4]}
    assert all((y1, x1, y2 + 1, x2 + 1) in known for x1, y1, x2, y2, _ in rows)


def test_boxes_of_a_record():
    record = {"boxes": [(3, 5, 12, 24)]}  # columns 3 to 12, rows 5 to 24
    assert importlib.import_module("rcnn").boxes_of(record).tolist() == [[5, 3, 25, 13]]
