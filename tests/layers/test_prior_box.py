import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case

CONTRACT = [
    Case("prior_box_param { min_size: 3 aspect_ratio: 2 }", [(2, 3, 5, 7), (2, 3, 13, 15)], differentiable=False),
    Case(
        "prior_box_param { min_size: 2 min_size: 5 max_size: 4 max_size: 9 step: 3 clip: true variance: 0.2 }",
        [(1, 1, 1, 1), (1, 3, 15, 15)],
        differentiable=False,
    ),
]


def prior(options, first=(1, 1, 1, 2), image=(1, 3, 10, 20)):
    layer = OneLayer(
        f'type: "PriorBox" bottom: "map" bottom: "image" top: "boxes" prior_box_param {{ {options} }}',
        map=first, image=image,
    )  # fmt: skip
    return layer.forward()


def test_worked_example():
    """Two places, (5, 5) and (15, 5) of a 10 x 20 image: squares of 4 and sqrt(4 * 9) = 6, 8 x 2, 2 x 8."""
    boxes = prior("min_size: 4 max_size: 9 aspect_ratio: 4 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2")
    assert boxes.shape == (1, 2, 32)
    want = [
        [0.15, 0.3, 0.35, 0.7], [0.1, 0.2, 0.4, 0.8], [0.05, 0.4, 0.45, 0.6], [0.2, 0.1, 0.3, 0.9],
        [0.65, 0.3, 0.85, 0.7], [0.6, 0.2, 0.9, 0.8], [0.55, 0.4, 0.95, 0.6], [0.7, 0.1, 0.8, 0.9],
    ]  # fmt: skip
    np.testing.assert_allclose(boxes[0, 0].reshape(8, 4), want, atol=1e-6)
    np.testing.assert_allclose(boxes[0, 1].reshape(8, 4), [[0.1, 0.1, 0.2, 0.2]] * 8)


def test_options():
    def count(text):
        return prior(text).shape[2] // 8

    assert count("min_size: 4") == 1
    assert count("min_size: 4 aspect_ratio: 2 aspect_ratio: 0.5 aspect_ratio: 1") == 3  # 1 / 2 is there already
    assert count("min_size: 4 aspect_ratio: 2 aspect_ratio: 3 flip: false") == 3
    assert count("min_size: 4 min_size: 5 aspect_ratio: 2") == 6
    assert prior("min_size: 4")[0, 1].tolist() == pytest.approx([0.1] * 8)
    assert prior("min_size: 30 clip: true")[0, 0].tolist() == [0, 0, 1, 1] * 2
    assert prior("min_size: 4 step: 2 offset: 0 img_size: 8")[0, 0, 4:].tolist() == [0, -0.25, 0.5, 0.25]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("", "needs min_size"),
        ("min_size: 4 max_size: 4", "above its min_size"),
        ("min_size: 4 max_size: 5 max_size: 6", "2 max_size for 1 min_size"),
        ("min_size: 4 variance: 1 variance: 2", "variance: none, 1 or 4"),
        ("min_size: 4 img_size: 3 img_h: 3", "either img_size"),
        ("min_size: 4 step: 3 step_h: 3", "either step"),
    ],
)
def test_refused(options, text):
    with pytest.raises(ModelError, match=text):
        prior(options)
