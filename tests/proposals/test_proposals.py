"""caffelike.proposals: one interface, and what each method finds in a made image."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from caffelike import proposals
from caffelike.errors import CaffelikeError, DataError, FileError
from caffelike.proposals import bing, edge_boxes, overlaps, suppress


def contrib():
    """Whether OpenCV has its contrib modules."""
    if importlib.util.find_spec("cv2") is None:
        return False
    return hasattr(importlib.import_module("cv2"), "ximgproc")


def scene(seed=0, count=2):
    """An image of 100 x 140 with bright rectangles on a noisy ground, and their boxes."""
    rng = np.random.default_rng(seed)
    image = rng.integers(60, 90, (100, 140, 3), dtype=np.uint8)
    boxes = []
    while len(boxes) < count:
        h, w = rng.integers(24, 42, 2)
        top, left = rng.integers(2, 98 - h), rng.integers(2, 138 - w)
        box = np.array([top, left, top + h, left + w])
        around = box + np.array([-4, -4, 4, 4])
        if boxes and overlaps(around[None], np.array(boxes)).any():
            continue
        image[top : top + h, left : left + w] = rng.integers(150, 256, 3)
        boxes.append(box)
    return image, np.array(boxes)


def check(found, image, count):
    """What every method promises."""
    height, width = image.shape[:2]
    assert found.shape[1:] == (5,)
    assert 0 < len(found) <= count
    assert np.isfinite(found).all()
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:4] <= [height, width]).all()
    assert (found[:, :2] < found[:, 2:4]).all()
    assert (np.diff(found[:, 4]) <= 0).all()


def test_overlaps_worked_example():
    a = np.array([[0, 0, 10, 10], [0, 0, 4, 5]])
    b = np.array([[0, 5, 10, 15], [20, 20, 30, 30], [0, 0, 4, 10], [3, 3, 3, 3]])
    assert overlaps(a, b) == pytest.approx(np.array([[1 / 3, 0, 0.4, 0], [0, 0, 0.5, 0]]))


def test_suppress_worked_example():
    boxes = np.array([[0, 0, 10, 10, 0.5], [0, 0, 10, 8, 0.9], [0, 20, 10, 30, 0.1], [0, 5, 10, 15, 0.4]])
    assert suppress(boxes, 0.5).tolist() == [1, 3, 2]  # the first and the second share 0.8
    assert suppress(boxes, 0.1).tolist() == [1, 2]
    assert suppress(boxes[:0], 0.5).tolist() == []


def test_names_and_unknown():
    assert proposals.names() == ["bing", "edge_boxes", "selective_search", "sliding_window"]
    assert isinstance(proposals.get(), proposals.Proposals)
    with pytest.raises(CaffelikeError, match=r"no proposals called 'objectness'. There are: bing, edge_boxes"):
        proposals.get("objectness")


def test_sliding_windows_worked_example():
    """Squares of 4 on 8 x 10 pixels at steps of half a side: rows 0, 2, 4 and columns 0, 2, 4, 6."""
    method = proposals.get("sliding_window", sizes=[0.5], ratios=[1], step=0.5)
    found = method.propose(np.zeros((8, 10, 3), np.uint8))
    assert found.tolist() == [[y, x, y + 4, x + 4, 0] for y in (0, 2, 4) for x in (0, 2, 4, 6)]
    assert len(method.propose(np.zeros((8, 10, 3), np.uint8), 5)) == 5
    with pytest.raises(CaffelikeError, match="above 0"):
        proposals.get("sliding_window", step=0)


def test_sliding_windows_meet_every_object():
    image, boxes = scene()
    found = proposals.get().propose(image)
    check(found, image, proposals.COUNT)
    assert overlaps(found, boxes).max(axis=0).min() > 0.5
    check(proposals.get().propose(image[:3, :2]), image[:3, :2], proposals.COUNT)


def test_files_as_detector_gives_them(tmp_path):
    image, _ = scene()
    Image.fromarray(image).save(tmp_path / "a.png")
    method = proposals.get()
    method.count = 7
    (windows,) = method([tmp_path / "a.png"])
    assert windows.tolist() == method.propose(image, 7)[:, :4].tolist()


@pytest.fixture(scope="module")
def trained():
    method = proposals.get("bing", sides=(20, 28, 36, 44))
    method.train(scene(seed) for seed in range(8))
    return method


def test_bing_finds_what_it_has_not_seen(trained):
    best, others = [], []
    for seed in range(100, 110):
        image, boxes = scene(seed)
        found = trained.propose(image, 80)
        check(found, image, 80)
        best += list(overlaps(found, boxes).max(axis=0))
        others += list(overlaps(proposals.get().propose(image, 80), boxes).max(axis=0))
    assert np.mean(np.array(best) >= 0.5) >= 0.9
    assert np.mean(np.array(others) >= 0.5) < 0.6  # as many windows of a method that does not look


def test_bing_scores_objects_higher(trained):
    image, boxes = scene(200)
    found = trained.propose(image, 200)
    hit = overlaps(found, boxes).max(axis=1) >= 0.5
    assert found[hit, 4].mean() > found[~hit, 4].mean() + 1


def test_bing_weights_in_a_file(trained, tmp_path):
    trained.save(tmp_path / "bing.npz")
    again = proposals.get("bing", weights=tmp_path / "bing.npz")
    image, _ = scene(100)
    assert np.array_equal(again.propose(image, 20), trained.propose(image, 20))


def test_bing_without_weights(tmp_path):
    with pytest.raises(CaffelikeError, match=r"no weights. Give a file.*bing.train"):
        proposals.get("bing").propose(scene()[0])
    with pytest.raises(CaffelikeError, match="train it first"):
        proposals.get("bing").save(tmp_path / "bing.npz")
    with pytest.raises(FileError, match=r"nowhere\.npz"):
        proposals.get("bing", weights=tmp_path / "nowhere.npz")
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="holds no weights of BING"):
        proposals.get("bing", weights=tmp_path / "broken.npz")
    np.savez(tmp_path / "other.npz", filter=np.zeros(9), sizes=np.zeros((1, 2)), lines=np.zeros((1, 2)))
    with pytest.raises(DataError, match="has 64 weights"):
        proposals.get("bing", weights=tmp_path / "other.npz")
    with pytest.raises(DataError, match="no box"):
        proposals.get("bing").train([(scene()[0], np.zeros((0, 4)))])


def test_bing_gradient_worked_example():
    image = np.zeros((3, 4, 3), np.uint8)
    image[:, 2:, 1] = 100  # a vertical edge in one channel: half of it on each side
    image[2, :, 0] = 255
    # dy of channel 0: 0 in the first row, 127.5 in the second, 255 in the last; dx of channel 1: 0, 50, 50, 0
    assert bing.gradient(image).tolist() == [[0, 50, 50, 0], [127.5] * 4, [255] * 4]


def test_logistic_worked_example():
    """Where both sides overlap evenly around 2 and 4 the line crosses 0 in the middle, at 3."""
    rows = np.array([1.0, 2, 3.5, 2.5, 4, 5])[:, None]
    factor, offset = bing.logistic(rows, np.array([False] * 3 + [True] * 3), ridge=1e-6)
    assert factor[0] > 0
    assert -offset / factor[0] == pytest.approx(3, abs=1e-4)


def test_edges_are_thin_and_lie_across_the_step():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 10:, 2] = 200
    strength, direction = edge_boxes.edges(image)
    assert (strength > 0).sum(axis=1).tolist() == [1] * 20
    assert set(np.nonzero(strength)[1]) <= {9, 10}
    assert strength.max() == 1
    assert direction[strength > 0] == pytest.approx(np.zeros(20))
    _, across = edge_boxes.edges(image.transpose(1, 0, 2))
    assert across[9, 5] == pytest.approx(np.pi / 2)
    assert edge_boxes.edges(np.zeros((5, 6, 3), np.uint8))[0].max() == 0


@pytest.mark.parametrize("name", ["selective_search", "edge_boxes"])
def test_openCVs_methods_find_objects(name):
    if not contrib():
        pytest.skip("needs OpenCV's contrib modules: pip install 'caffelike[proposals]'")
    image, boxes = scene()
    found = proposals.get(name).propose(image, 500)
    check(found, image, 500)
    assert overlaps(found, boxes).max(axis=0).min() > 0.5


WITHOUT = """
import sys, types
sys.modules["cv2"] = {module}
from caffelike import proposals
from caffelike.errors import CaffelikeError
for name in ("selective_search", "edge_boxes"):
    try:
        proposals.get(name)
    except CaffelikeError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("None", "needs OpenCV with its contrib"),
        ("types.SimpleNamespace(__version__='4.9.0')", "OpenCV 4.9.0 is without"),
    ],
)
def test_openCVs_methods_say_what_to_install(module, said):
    lines = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module)], capture_output=True, encoding="utf-8", check=True
    ).stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert said in line
        assert "pip install 'caffelike[proposals]'" in line


def test_selective_search_modes():
    with pytest.raises(CaffelikeError, match="modes fast, quality, single, but not 'slow'"):
        proposals.get("selective_search", mode="slow")
