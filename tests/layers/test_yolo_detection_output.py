import math

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError


def output(options="num_box: 1 biases: 1 biases: 2", shape=(2, 7, 2, 4), maps=1):
    names = [f"m{i}" for i in range(maps)]
    bottoms = "".join(f'bottom: "{n}" ' for n in names)
    text = f'type: "YoloDetectionOutput" {bottoms} top: "y" yolo_detection_output_param {{ num_classes: 2 {options} }}'
    return OneLayer(text, **dict.fromkeys(names, shape))


def test_worked_example():
    layer = output("num_box: 1 biases: 1 biases: 2 confidence_threshold: 0.3")
    x = np.zeros((2, 7, 2, 4))
    x[:, 4] = -9
    x[0, :, 1, 2] = [0, 0, math.log(2), 0, 0, math.log(9), 0]
    x[1, :, 0, 0] = [0, math.log(3), 0, math.log(0.5), 9, 0, math.log(4)]
    rows = layer.forward(m0=x)[0, 0]
    # centre (2.5 / 4, 1.5 / 2), width 2 / 4, height 2 / 2; objectness 0.5, class 0: 0.9
    np.testing.assert_allclose(rows[0], [0, 1, 0.45, 0.375, 0.25, 0.875, 1.25], rtol=1e-5)
    # centre (0.5 / 4, 0.75 / 2), width 1 / 4, height 1 / 2; class 1: 0.8
    np.testing.assert_allclose(rows[1], [1, 2, 0.8 / (1 + math.exp(-9)), 0, 0.125, 0.25, 0.625], rtol=1e-5, atol=1e-7)
    assert len(rows) == 2


def test_the_best_of_those_that_overlap():
    layer = output("num_box: 1 biases: 4 biases: 2 confidence_threshold: 0.2", maps=2)
    x = np.full((2, 7, 2, 4), -9.0)
    x[0, :, 0, 1] = [0, 0, 0, 0, 1, 5, 0]
    y = x.copy()
    y[0, :, 0, 1] = [0, 0, 0, 0, 2, 0, 5]
    rows = layer.forward(m0=x, m1=y)[0, 0]
    assert rows[:, :2].tolist() == [[0, 2]]


def test_nothing_found():
    assert output().forward(m0=-9).tolist() == [[[[0, *[-1] * 6], [1, *[-1] * 6]]]]


def test_refused():
    with pytest.raises(ShapeError, match=r"need \(N, 14"):
        output("num_box: 2 biases: 1 biases: 1 biases: 1 biases: 1")
    with pytest.raises(ModelError, match="pairs"):
        output("num_box: 1 biases: 1")
    with pytest.raises(ModelError, match="biases must be pairs"):
        output("num_box: 1")
