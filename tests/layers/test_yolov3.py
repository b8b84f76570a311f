import math

import numpy as np
import pytest
from google.protobuf import text_format
from one_layer import OneLayer

import caffelike
from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.schema import SolverParameter
from caffelike.testing import Case


def boxes(generator, shape):
    return np.stack([generator.integers(0, 2, shape[:2]), *generator.uniform(0.2, 0.8, (4, *shape[:2]))], axis=2)


BIASES = "num: 2 num_class: 2 biases: [8, 16, 32, 32, 16, 16] mask: [2, 1] anchors_scale: 16 coord_scale: 1"

CONTRACT = [
    Case(f"yolov3_param {{ {BIASES} {more} }}", [(2, 14, 3, 4), (2, 3, 5)], inputs={"label": boxes},
         differentiable=False, empty=False, special=False)
    for more in ("", "use_logic_gradient: true object_scale: 5", "use_focal_loss: true thresh: 0.5")
]  # fmt: skip


def yolo(more="", shape=(1, 14, 2, 2), label=(1, 2, 5)):
    text = f'type: "Yolov3" bottom: "x" bottom: "label" top: "y" yolov3_param {{ {BIASES} {more} }}'
    return OneLayer(text + " propagate_down: true propagate_down: false", x=shape, label=label)


LOGIT = math.log(3)  # of 0.75


def test_worked_example():
    x = np.zeros((1, 2, 7, 2, 2))
    x[0, :, 4] = LOGIT
    x[0, 1, :, 0, 1] = [LOGIT, 0, 0.5, 0, -LOGIT, LOGIT, 0]
    # the image is 32x32: the label is as large as anchor 1, box 1 of the mask, in cell (1, 0) of 2x2
    label = [[[0, 0.75, 0.125, 1, 1], [1, 0.1, 0.1, 0, 0]]]
    for logic, slopes in ((False, np.ones(7)), (True, np.array([3, 4, 16, 16, 3, 3, 4]) / 16)):
        layer = yolo(f"thresh: 0.99 object_scale: 3 use_logic_gradient: {str(logic).lower()}")
        loss = layer.forward(x=x.reshape(1, 14, 2, 2), label=label)
        # coordinates by 2 - 1 * 1: 0.75 - 0.5, 0.5 - 0.25, 0.5 - 0, 0 - 0; objectness; classes 0.75 - 1, 0.5 - 0
        wrong = np.array([0.25, 0.25, 0.5, 0, -0.75 * (3 if logic else 1), -0.25, 0.5])
        assert float(loss) == pytest.approx(7 * 0.75**2 + (wrong**2).sum(), rel=1e-5)
        dx = layer.backward(2)[0].reshape(2, 7, 2, 2)
        np.testing.assert_allclose(dx[1, :, 0, 1], 2 * wrong * slopes, rtol=1e-5)
        assert np.count_nonzero(dx[:, [0, 1, 2, 3, 5, 6]]) == 5
        np.testing.assert_allclose(dx[0, 4], 1.5 * (3 / 16 if logic else 1), rtol=1e-5)


def test_boxes_near_a_label_are_no_background():
    layer = yolo("thresh: 0.2")
    layer.forward(x=0, label=[[[0, 0.75, 0.75, 0.25, 0.5], [0, 0, 0, 0, 0]]])  # anchor 0's, which mask does not have
    dx = layer.backward(1)[0].reshape(2, 7, 2, 2)
    assert dx[0, 4].tolist() == [[0.5, 0.5], [0.5, 0]]
    assert dx[1, 4].tolist() == [[0.5, 0.5], [0.5, 0.5]]  # 1/8 of the large anchor


def test_refused():
    with pytest.raises(LabelError, match="item 0 of the batch is 2"):
        yolo().forward(x=0, label=[[[2, 0.5, 0.5, 1, 1], [0] * 5]])
    with pytest.raises(LabelError, match="centre"):
        yolo().forward(x=0, label=[[[0, 1, 0.5, 1, 1], [0] * 5]])
    with pytest.raises(ModelError, match="iou_loss"):
        yolo("iou_loss: GIOU")
    with pytest.raises(ShapeError, match="5 numbers"):
        yolo(label=(1, 4))


def test_training_lowers_the_loss(tmp_path):
    net = """
        layer { name: "in" type: "Input" top: "data" top: "label" input_param {
            shape { dim: [4, 3, 32, 32] } shape { dim: [4, 1, 5] } } }
        layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param {
            num_output: 8 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } } }
        layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
        layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2" convolution_param {
            num_output: 14 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } } }
        layer { name: "loss" type: "Yolov3" bottom: "c2" bottom: "label" top: "loss"
            yolov3_param { BIASES thresh: 0.6 } }
    """.replace("BIASES", BIASES)
    path = tmp_path / "net.prototxt"
    path.write_text(net)
    message = text_format.Parse(f'net: "{path}" base_lr: 0.02 momentum: 0.9 lr_policy: "fixed"', SolverParameter())
    (tmp_path / "solver.prototxt").write_text(text_format.MessageToString(message))
    solver = caffelike.get_solver(str(tmp_path / "solver.prototxt"))
    rng = np.random.default_rng(0)
    data, label = np.zeros((4, 3, 32, 32)), np.zeros((4, 1, 5))
    for i in range(4):  # a coloured square of half the side in one quarter of the image
        y, x = divmod(i, 2)
        kind = int(rng.integers(2))
        data[i, kind, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16] = 1
        label[i, 0] = [kind, 0.25 + 0.5 * x, 0.25 + 0.5 * y, 0.5, 0.5]
    solver.net.blobs["data"].data[...], solver.net.blobs["label"].data[...] = data, label
    losses = []
    for _ in range(60):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    assert losses[-1] < 0.2 * losses[0]
