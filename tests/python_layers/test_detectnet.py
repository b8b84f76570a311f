"""DetectNet's Python layers, written natively."""

import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import ModelError
from caffelike.python_layers._grouping import group_rectangles

CLUSTERING, MEAN_AP = "caffe.layers.detectnet.clustering", "caffe.layers.detectnet.mean_ap"


def layer(module, name, text, tops="t", **bottoms):
    words = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
    param = f'python_param {{ module: "{module}" layer: "{name}" param_str: "{text}" }}'
    return OneLayer(f'type: "Python" {words} {param}', caffelike.TEST, **bottoms)


def test_clusters_worked_example():
    boxes = [[10, 10, 20, 20], [11, 9, 20, 22], [12, 11, 21, 20], [60, 60, 30, 30], [61.9, 60, 30, 30], [100, 5, 9, 9]]
    means, counts = group_rectangles(np.array(boxes), 1, 0.2)
    assert means.tolist() == [[11, 10, 20, 21], [60, 60, 30, 30]]  # 60.5 is rounded to even, 20.67 and 20.33 too
    assert counts.tolist() == [3, 2]
    assert group_rectangles(np.array(boxes), 2, 0.2)[0].tolist() == [[11, 10, 20, 21]]
    assert group_rectangles(np.array(boxes), 0, 0.2)[0].tolist() == np.trunc(boxes).tolist()
    inner = [[14, 14, 9, 9]] * 2 + [[10, 10, 20, 20]] * 4
    assert group_rectangles(np.array(inner), 1, 0.2)[0].tolist() == [[10, 10, 20, 20]]


def test_clusters_are_opencv_s():
    cv2 = pytest.importorskip("cv2")
    generator = np.random.default_rng(0)
    for trial in range(60):
        centres = generator.integers([0, 0, 20, 20], [200, 200, 220, 220], (4, 4))
        boxes = np.rint(np.repeat(centres, 5, axis=0) + generator.normal(0, 3, (20, 4)))
        boxes = np.concatenate([boxes, boxes[:8] + np.array([6, 6, -10, -10])])[generator.permutation(28)].astype(int)
        least, eps = trial % 4, float(generator.choice([0.02, 0.1, 0.2, 0.5]))
        means, counts = group_rectangles(boxes, least, eps)
        wanted, weights = cv2.groupRectangles(boxes.tolist(), least, eps)
        np.testing.assert_array_equal(means, np.array(wanted).reshape(-1, 4))
        np.testing.assert_array_equal(counts, np.array(weights).reshape(-1))


def test_detections_worked_example():
    """Two classes, a grid of 3 x 4 cells of 16 pixels."""
    net = layer(
        CLUSTERING, "ClusterDetections", "64, 48, 16, 0.5, 1, 0.1, 20, 2, 3", "uv", c=(1, 2, 3, 4), b=(1, 4, 3, 4)
    )
    coverage, corners = np.zeros((2, 3, 4)), np.zeros((4, 3, 4))
    coverage[0, 1, 1:3], coverage[0, 0, 0], coverage[1, 2, 0] = [0.5, 0.9], 0.49, 1
    corners[:, 1, 1], corners[:, 1, 2] = [4, -6, 30, 24.9], [-13, -6, 15, 25]  # 20 10 46 40.9; 19 10 47 41
    corners[:, 2, 0] = [0, 0, 30, 30]
    a, b = net.forward(c=coverage[None], b=corners[None])
    assert a.shape == b.shape == (1, 3, 5)
    # cut: 20 10 46 40 and 19 10 47 41; their means 19.5, 10, 46.5, 40.5, to even
    assert a[0, 0].tolist() == [20, 10, 46, 40, np.float16(np.log(2))]
    assert not a[0, 1:].any()
    assert not b.any()  # one box alone is no cluster
    assert not net.forward(c=0)[0].any()


def test_low_boxes_are_left_out():
    corners = np.zeros((1, 4, 2, 2))
    corners[0, :, 0, 0], corners[0, :, 1, 1] = [0, 0, 20, 11], [0, 0, 10, 12]
    net = layer(CLUSTERING, "ClusterDetections", "32,32,16,0.5,0,0.1,12", c=(1, 1, 2, 2), b=(1, 4, 2, 2))
    rows = net.forward(c=[[[[1, 0], [0, 1]]]], b=corners)[0]
    assert rows[:2].tolist() == [[16, 16, 26, 28, 0], [0] * 5]


def test_ground_truth_worked_example():
    net = layer(CLUSTERING, "ClusterGroundtruth", "64, 48, 16", c=(2, 1, 3, 4), b=(2, 4, 3, 4))
    coverage, corners = np.zeros((2, 1, 3, 4)), np.zeros((2, 4, 3, 4))
    coverage[0, 0, 1, 1:3] = 1
    corners[0, :, 1, 1], corners[0, :, 1, 2] = [4, -6, 30, 24], [-12, -6, 14, 24]  # the same box
    coverage[1, 0, 0, [0, 3]] = 0.1
    corners[1, :, 0, 0], corners[1, :, 0, 3] = [1, 2, 3, 2049], [-47, 2, -45, 2]
    boxes = net.forward(c=coverage, b=corners)
    assert boxes.shape == (2, 50, 5)
    assert boxes[0, :2].tolist() == [[20, 10, 46, 40, 0], [0] * 5]
    assert boxes[1, :3].tolist() == [[1, 2, 3, 2, 0], [1, 2, 3, 2048, 0], [0] * 5]  # in half precision


def test_scores_worked_example():
    net = layer(MEAN_AP, "ScoreDetections", "", g=(1, 3, 5), d=(1, 5, 5))
    truth = [[10, 10, 30, 30, 0], [50, 50, 60, 60, 0], [0, 0, 0, 0, 0]]
    found = [[11, 10, 30, 30, 0.7], [10, 10, 30, 29, 2], [0, 0, 0, 0, 0], [100, 0, 110, 9, 1], [51, 51, 63, 63, 0]]
    scored = net.forward(g=[truth], d=[found])
    want = [[11, 10, 30, 30, 1], [10, 10, 30, 29, 2], [100, 0, 110, 9, 2], [51, 51, 63, 63, 2], [50, 50, 60, 60, 3]]
    assert scored.shape == (1, 50, 5)
    assert scored[0, :5].tolist() == want  # 81 / (100 + 144 - 81) is less than 0.7
    assert not scored[0, 5:].any()
    loose = layer(MEAN_AP, "ScoreDetections", "0.45", g=(1, 3, 5), d=(1, 5, 5))
    assert (loose.forward(g=[truth], d=[found])[0, :, 4] == 1).sum() == 2
    precision = layer(MEAN_AP, "mAP", "64, 48, 16", "mpr", s=(1, 50, 5))
    numbers = [float(value[0]) for value in precision.forward(s=scored)]
    assert numbers == pytest.approx([25 * 50 / 100, 25, 50])
    assert [float(value[0]) for value in precision.forward(s=0)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ClusterDetections", "64, 48, 16", "'coverage' is missing"),
        ("ClusterDetections", "64, 48, 16, a, 1, 0.1, 20", "could not convert"),
        ("ClusterGroundtruth", "64, 48, 16, 1, 50, 7", "6 numbers for 5"),
        ("ClusterGroundtruth", "64, 48, 100", "no grid"),
        ("ClusterGroundtruth", "64, 48, 16, 2", "a top for each of 2 classes"),
    ],
)
def test_refused(name, text, words):
    with pytest.raises(ModelError, match=words):
        layer(CLUSTERING, name, text, c=(1, 1, 3, 4), b=(1, 4, 3, 4))


def test_shapes_refused():
    with pytest.raises(ModelError, match="needs coverage"):
        layer(CLUSTERING, "ClusterGroundtruth", "64, 48, 16", c=(1, 1, 3, 4), b=(1, 3, 3, 4))
    with pytest.raises(ModelError, match="as many images"):
        layer(MEAN_AP, "ScoreDetections", "", g=(1, 3, 5), d=(2, 5, 5))
    with pytest.raises(ModelError, match="reads a number"):
        layer(MEAN_AP, "ScoreDetections", "much", g=(1, 3, 5), d=(1, 5, 5))
