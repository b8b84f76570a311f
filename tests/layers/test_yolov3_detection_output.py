import math

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike import device
from caffelike.errors import ModelError
from caffelike.layers import _yolo

TWO = "num_classes: 2 num_box: 1 biases: [8, 16, 32, 32] mask: [1, 0] anchors_scale: [32, 16] mask_group_num: 2"


def output(options=TWO, shapes=((1, 7, 2, 2), (1, 7, 4, 4))):
    names = [f"m{i}" for i in range(len(shapes))]
    bottoms = "".join(f'bottom: "{n}" ' for n in names)
    text = f'type: "Yolov3DetectionOutput" {bottoms} top: "y" yolov3_detection_output_param {{ {options} }}'
    return OneLayer(text, **dict(zip(names, shapes, strict=True)))


def test_worked_example():
    coarse, fine = np.full((1, 7, 2, 2), -9.0), np.full((1, 7, 4, 4), -9.0)
    coarse[0, :, 0, 1] = [0, 0, 0, 0, math.log(4), math.log(9), 0]
    fine[0, :, 3, 2] = [math.log(3), 0, 0, math.log(2), 0, -9, math.log(9)]
    rows = output().forward(m0=coarse, m1=fine)[0, 0]
    # anchor 1 of 32x32 in an image of 64: centre (1.5 / 2, 0.5 / 2); 0.8 * 0.9. For class 1, 0.8 * 0.5, it is a double
    np.testing.assert_allclose(rows[0], [0, 1, 0.72, 0.5, 0, 1, 0.5], rtol=1e-5, atol=1e-7)
    # anchor 0 of 8x16, twice as high: centre (2.75 / 4, 3.5 / 4), 1 / 8 and 1 / 2; 0.5 * 0.9
    np.testing.assert_allclose(rows[1], [0, 2, 0.45, 0.625, 0.625, 0.75, 1.125], rtol=1e-5)
    assert len(rows) == 2


def test_refused():
    with pytest.raises(ModelError, match="mask_group_num 2"):
        output(shapes=((1, 7, 2, 2),))
    with pytest.raises(ModelError, match="gaussian_box"):
        output(TWO + " gaussian_box: true")
    with pytest.raises(ModelError, match="2 pairs of biases"):
        output(TWO.replace("[1, 0]", "[1, 2]"))


@pytest.mark.parametrize("count", [0, 1, 13, 127])
@pytest.mark.parametrize("threshold", [0.3, 1.0])
def test_the_kernel_keeps_what_the_definition_keeps(count, threshold):
    generator = np.random.default_rng(count)
    boxes = np.concatenate([generator.uniform(0, 1, (count, 2)), generator.uniform(0.05, 0.4, (count, 2))], axis=1)
    assert device.kernel("yolo", "keep")(boxes, threshold).tolist() == _yolo.keep(boxes, threshold).tolist()


def test_a_box_of_several_classes_is_found_once():
    boxes = np.repeat(np.random.default_rng(0).uniform(0.1, 0.9, (5, 4)), 3, axis=0)
    scores = np.random.default_rng(1).uniform(size=15)
    slow = np.argsort(-scores, kind="stable")
    slow = slow[_yolo.keep(boxes[slow], 0.5)]
    assert _yolo.suppress(boxes, scores, 0.5).tolist() == slow.tolist()
