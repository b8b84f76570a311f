import numpy as np
import pytest

from caffelike import dnn

cv2 = pytest.importorskip("cv2")


@pytest.mark.parametrize("seed", range(40))
def test_the_same_boxes_as_opencv(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 40))
    boxes = generator.random((n, 4)) * [20, 20, 15, 15]
    if seed % 3 == 0:
        boxes = boxes.astype(int)  # with empty ones and equal ones
    scores = np.round(generator.random(n), 1).astype(np.float32)
    classes = generator.integers(0, 3, n)
    rules = (0.3, float(generator.random()), float(generator.choice([1.0, 0.9])), int(generator.choice([0, 5])))
    got, wanted = dnn.NMSBoxes(boxes, scores, *rules), cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), *rules)
    assert np.array_equal(got, wanted)
    assert type(got) is type(wanted)
    got = dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), *rules)
    assert np.array_equal(got, cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), *rules))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_turned_boxes_as_opencv(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 30))
    middles, sizes = generator.random((n, 2)) * 20, generator.random((n, 2)) * 15
    boxes = list(zip(middles.tolist(), sizes.tolist(), generator.uniform(-180, 180, n).tolist(), strict=True))
    scores = np.round(generator.random(n), 1).astype(np.float32)
    rules = (0.3, float(generator.random()), float(generator.choice([1.0, 0.9])), int(generator.choice([0, 5])))
    got, wanted = dnn.NMSBoxesRotated(boxes, scores, *rules), cv2.dnn.NMSBoxesRotated(boxes, scores.tolist(), *rules)
    assert np.array_equal(got, wanted)
    assert type(got) is type(wanted)


def test_turned_boxes_worked_by_hand():
    """A square of side 2 and one turned by 45 degrees share a regular octagon: 8 (sqrt 2 - 1) = 3.3137 of 4.6863."""
    boxes = [((5, 5), (2, 2), 0), ((5, 5), (2, 2), 45)]
    assert dnn.NMSBoxesRotated(boxes, [0.9, 0.8], 0.1, 0.70).tolist() == [0]
    assert dnn.NMSBoxesRotated(boxes, [0.9, 0.8], 0.1, 0.71).tolist() == [0, 1]
    assert dnn.NMSBoxesRotated([], [], 0.1, 0.5) == ()
    with pytest.raises(dnn.error, match="2 boxes, but 1 scores"):
        dnn.NMSBoxesRotated(boxes, [1], 0.1, 0.5)
    with pytest.raises(dnn.error, match="a box is"):
        dnn.NMSBoxesRotated([(1, 2, 3)], [1], 0.1, 0.5)


def test_worked_by_hand_and_mistakes():
    boxes = [(0, 0, 10, 10), (1, 0, 10, 10), (0, 0, 10, 5)]  # overlaps 90/110 and 50/100
    assert dnn.NMSBoxes(boxes, [0.5, 0.9, 0.7], 0.1, 0.4).tolist() == [1]
    assert dnn.NMSBoxes(boxes, [0.5, 0.9, 0.7], 0.1, 0.85).tolist() == [1, 2, 0]
    assert dnn.NMSBoxes(boxes, [0.5, 0.9, 0.7], 0.1, 0.85, top_k=2).tolist() == [1, 2]
    assert dnn.NMSBoxes([], [], 0.1, 0.4) == ()
    assert dnn.NMSBoxesBatched([], [], [], 0.1, 0.4) == ()
    with pytest.raises(dnn.error, match="3 boxes, but 2 scores"):
        dnn.NMSBoxes(boxes, [1, 2], 0.1, 0.4)
    with pytest.raises(dnn.error, match="3 boxes, but 1 class_ids"):
        dnn.NMSBoxesBatched(boxes, [1, 2, 3], [1], 0.1, 0.4)
