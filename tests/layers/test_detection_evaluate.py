import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import DataError, LabelError, ModelError, ShapeError

# item, label, score, box; the first three are of one true box
FOUND = [
    [0, 1, 0.6, 0.0, 0.0, 0.5, 0.5],
    [0, 1, 0.9, 0.0, 0.0, 0.5, 0.4],
    [0, 1, 0.3, 0.0, 0.5, 0.5, 1.0],
    [0, 2, 0.8, 0.5, 0.5, 1.0, 1.0],
    [1, 2, 0.7, 0.0, 0.0, 1.0, 1.0],
]
TRUTH = [
    [0, 1, 0, 0.0, 0.0, 0.5, 0.5, 0],
    [0, 2, 0, 0.5, 0.5, 1.0, 1.0, 1],
    [1, 1, 0, 0.0, 0.0, 1.0, 1.0, 0],
    [-1] * 8,
]


def layer(options="", found=(1, 1, 5, 7), truth=(1, 1, 4, 8)):
    text = f"detection_evaluate_param {{ num_classes: 3 {options} }}"
    return OneLayer(
        f'type: "DetectionEvaluate" bottom: "f" bottom: "t" top: "rows" {text} propagate_down: [false, false]',
        f=found, t=truth,
    )  # fmt: skip


@pytest.mark.parametrize("difficult", [True, False])
def test_worked_example(difficult):
    rows = layer(f"evaluate_difficult_gt: {str(difficult).lower()}").forward(f=FOUND, t=TRUTH)
    want = [
        [-1, 1, 2, -1, -1],
        [-1, 2, 1 if difficult else 0, -1, -1],
        [0, 1, 0.9, 1, 0],  # an overlap of 0.8
        [0, 1, 0.6, 0, 1],  # the same box again
        [0, 1, 0.3, 0, 1],
        [0, 2, 0.8, 1 if difficult else 0, 0],
        [1, 2, 0.7, 0, 1],  # there is one of label 1 only
    ]
    np.testing.assert_allclose(rows[0, 0], want, rtol=1e-6)


def test_the_threshold():
    rows = layer("overlap_threshold: 0.9").forward(f=FOUND, t=TRUTH)[0, 0]
    np.testing.assert_allclose(rows[2:4, 2:], [[0.9, 0, 1], [0.6, 1, 0]], rtol=1e-6)


def test_nothing_found():
    rows = layer(found=(1, 1, 2, 7)).forward(f=[[0, *[-1] * 6], [1, *[-1] * 6]], t=TRUTH)
    assert rows.tolist() == [[[[-1, 1, 2, -1, -1], [-1, 2, 1, -1, -1]]]]


def test_in_whole_pixels(tmp_path):
    (tmp_path / "sizes.txt").write_text("a 2 4\n")
    # shares overlap by 0.25 / 0.5; of 3 x 3 pixels, borders included, 3 x 2 are common
    given = {"f": [[0, 1, 1, 0, 0, 0.5, 0.5]], "t": [[0, 1, 0, 0, 0, 0.5, 1, 0]]}
    for option, right in (("", 0), (f'name_size_file: "{tmp_path}/sizes.txt"', 1)):
        made = layer(f"overlap_threshold: 0.6 {option}", (1, 1, 1, 7), (1, 1, 1, 8))
        for _ in range(2):  # the list begins anew
            assert made.forward(**given)[0, 0, 2].tolist() == [0, 1, 1, right, 1 - right]
    (tmp_path / "sizes.txt").write_text("a two 4\n")
    made = layer(option, (1, 1, 1, 7), (1, 1, 1, 8))
    with pytest.raises(DataError, match="name height width"):
        made.forward(**given)


def test_refused():
    with pytest.raises(LabelError, match="background"):
        layer().forward(f=FOUND, t=[[0, 0, 0, 0, 0, 1, 1, 0]] * 4)
    with pytest.raises(ShapeError, match="boxes, 8"):
        layer(truth=(1, 5))
    for options, said in (("overlap_threshold: 0", "above 0"),
                          ("resize_param { height: 3 }", "resize_param")):  # fmt: skip
        with pytest.raises(ModelError, match=said):
            layer(options)
