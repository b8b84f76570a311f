"""examples/mtcnn.py finds the faces in photos, with the published weights where they are at hand."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mtcnn.py"
SHARED = Path(__file__).resolve().parents[3] / "shared"
# photo -> a box around its only face, by eye
FACES = {"n03325584_feather_boa.JPEG": (130, 30, 280, 250), "n03045698_cloak.JPEG": (128, 34, 168, 90)}


@pytest.fixture(scope="module")
def mtcnn():
    return runpy.run_path(str(EXAMPLE))


def overlap(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.maximum(np.subtract(high, low), 0))
    return common / (np.prod(np.subtract(a[2:], a[:2])) + np.prod(np.subtract(b[2:], b[:2])) - common)


@pytest.mark.parametrize("name", FACES)
def test_finds_the_face(mtcnn, name, capsys, monkeypatch, tmp_path):
    weights, photo = SHARED / "weights" / "mtcnn", SHARED / "data" / "photos" / name
    if not (weights.is_dir() and photo.is_file()):
        pytest.skip("needs ../shared/weights/mtcnn and ../shared/data/photos")
    monkeypatch.setattr(sys, "argv", ["mtcnn.py", str(weights), str(photo), "--draw", str(tmp_path)])
    mtcnn["main"]()
    first, face = capsys.readouterr().out.splitlines()
    assert first.endswith(": 1 face")
    box = np.array([float(n) for n in face.split()[:4]])
    assert overlap(box, FACES[name]) > 0.7
    points = np.array([[float(n) for n in pair.split(",")] for pair in face.split()[5:]])
    assert ((points > box[:2]) & (points < box[2:])).all()
    eyes, nose, mouth = points[:2], points[2], points[3:]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()
    assert (tmp_path / f"{photo.stem}.png").is_file()


def test_suppress_worked_example(mtcnn):
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 19], [0, 0, 4, 4], [20, 0, 29, 9]], float)
    scores = np.array([0.8, 0.9, 0.95, 0.1])
    # areas 100, 200, 25, 100; the second covers the first by 100 / 200, the third is 25 / 200 of it, and inside both
    assert mtcnn["suppress"](boxes, scores, 0.4).tolist() == [2, 1, 3]
    assert mtcnn["suppress"](boxes, scores, 0.6).tolist() == [2, 1, 0, 3]
    assert mtcnn["suppress"](boxes, scores, 0.9, smaller=True).tolist() == [2, 3]


def test_squares_and_moves_worked_example(mtcnn):
    moved = mtcnn["moved"](np.array([[10, 20, 19, 39]], float), np.array([[0.1, -0.5, 0, 0.25]]))
    assert moved.tolist() == [[11, 10, 19, 44]]
    assert mtcnn["squares"](moved).tolist() == [[-2, 10, 32, 44]]
    assert list(mtcnn["pyramid"]((100, 80), 40)) == pytest.approx([0.3, 0.2127, 0.1508], abs=1e-4)
