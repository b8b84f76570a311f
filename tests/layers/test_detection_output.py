import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError

PRIORS = np.array([[0.1, 0.1, 0.3, 0.3], [0.12, 0.1, 0.32, 0.3], [0.5, 0.5, 0.9, 0.9]], np.float32)


def detect(options, conf, loc=None, items=1, classes=3):
    count = 12 * (1 if "share_location: false" not in options else classes)
    layer = OneLayer(
        'type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "found"'
        f" detection_output_param {{ num_classes: {classes} {options} }}",
        phase=1, loc=(items, count), conf=(items, 3 * classes), priors=(1, 2, 12),
    )  # fmt: skip
    priors = np.stack([PRIORS.ravel(), np.tile([0.1, 0.1, 0.2, 0.2], 3)])[None]
    return layer.forward(loc=np.zeros((items, count)) if loc is None else loc, conf=conf, priors=priors)


CONF = [0.1, 0.8, 0.1, 0.1, 0.7, 0.2, 0.2, 0.2, 0.6]  # of each prior: background, class 1, class 2


def test_worked_example():
    """The second box overlaps the first by 0.18 * 0.2 / 0.044 = 0.82: of class 1 it is dropped, of class 2 not."""
    found = detect("confidence_threshold: 0.15 nms_param { nms_threshold: 0.5 }", CONF)
    want = [
        [0, 1, 0.8, 0.1, 0.1, 0.3, 0.3],
        [0, 1, 0.2, 0.5, 0.5, 0.9, 0.9],
        [0, 2, 0.6, 0.5, 0.5, 0.9, 0.9],
        [0, 2, 0.2, 0.12, 0.1, 0.32, 0.3],
    ]
    np.testing.assert_allclose(found[0, 0], want, rtol=1e-6)


def test_best_of_an_image_and_of_a_class():
    found = detect("confidence_threshold: 0.15 keep_top_k: 2 nms_param { nms_threshold: 0.5 }", CONF)
    assert found[0, 0, :, 1:3].round(5).tolist() == [[1, np.float32(0.8).round(5)], [2, np.float32(0.6).round(5)]]
    assert detect("nms_param { nms_threshold: 1 top_k: 1 }", CONF).shape == (1, 1, 2, 7)


def test_boxes_are_decoded_with_their_variances():
    loc = np.zeros(12)
    loc[8:12] = [1, -1, np.log(2) / 0.2, 0]  # middle (0.7, 0.7) moved by 0.1 of 0.4, twice as wide
    found = detect("code_type: CENTER_SIZE confidence_threshold: 0.5 nms_param { nms_threshold: 0.5 }", CONF, loc)
    np.testing.assert_allclose(found[0, 0, 1, 3:], [0.74 - 0.4, 0.66 - 0.2, 0.74 + 0.4, 0.66 + 0.2], rtol=1e-5)


def test_boxes_end_at_the_border_with_clip():
    loc = np.zeros(12)
    loc[8:12] = [10, -10, 0, 0]  # middle (0.7, 0.7) moved by 1 of 0.4
    options = "code_type: CENTER_SIZE confidence_threshold: 0.5 clip: true nms_param { nms_threshold: 0.5 }"
    found = detect(options, CONF, loc)
    np.testing.assert_allclose(found[0, 0, 1, 3:], [0.9, 0.1, 1, 0.5], rtol=1e-5)


def test_nothing_found_is_a_row_an_item():
    found = detect("confidence_threshold: 0.9", np.tile(CONF, (2, 1)), items=2)
    assert found[0, 0].tolist() == [[0, -1, -1, -1, -1, -1, -1], [1, -1, -1, -1, -1, -1, -1]]


def test_a_box_for_each_class():
    loc = np.zeros((3, 3, 4))
    loc[2, 2] = 1
    options = "share_location: false confidence_threshold: 0.5 nms_param { nms_threshold: 0.5 }"
    found = detect(options, CONF, loc.ravel())
    np.testing.assert_allclose(found[0, 0, 1], [0, 2, 0.6, 0.6, 0.6, 1.1, 1.1], rtol=1e-6)
    np.testing.assert_allclose(found[0, 0, 0, 3:], PRIORS[0], rtol=1e-6)


def test_refused():
    with pytest.raises(ModelError, match="eta above 0"):
        detect("nms_param { eta: 0 }", CONF)
    with pytest.raises(ShapeError, match=r"3 priors and 3 classes need conf of \(1, 9\)"):
        OneLayer(
            'type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "found"'
            " detection_output_param { num_classes: 3 }", loc=(1, 12), conf=(1, 8), priors=(1, 2, 12),
        )  # fmt: skip
