"""Tests of detectors: average precision by hand, and a solver that logs it."""

import numpy as np
import pytest

from caffelike.errors import SolverError
from caffelike.solvers.detection import average_precision

SCORES = np.array([0.3, 0.9, 0.8, 0.6])  # right, right, wrong, right from the best down: 0.9, 0.8, 0.6, 0.3
RIGHT = np.array([1.0, 1, 1, 0])
WRONG = 1 - RIGHT


@pytest.mark.parametrize(
    ("version", "value"),
    [
        # recall 1/5, 2/5, 2/5, 3/5 at precision 1, 1, 2/3, 3/4
        ("Integral", (1 + 1 + 0.75) / 5),
        ("MaxIntegral", (1 + 1 + 0.75) / 5),
        ("11point", (5 * 1 + 2 * 0.75) / 11),
    ],
)
def test_worked_example(version, value):
    assert average_precision(SCORES, RIGHT, WRONG, 5, version) == pytest.approx(value, rel=1e-9)


def test_a_right_box_behind_wrong_ones():
    scores, right = np.array([0.9, 0.8, 0.7]), np.array([0.0, 1, 1])
    # precision 0, 1/2, 2/3 at recall 0, 1/2, 1
    assert average_precision(scores, right, 1 - right, 2, "Integral") == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert average_precision(scores, right, 1 - right, 2, "MaxIntegral") == pytest.approx(2 / 3)
    assert average_precision(scores, right, 1 - right, 2, "11point") == pytest.approx(2 / 3)


def test_nothing_found_or_nothing_there():
    nothing = np.empty(0)
    assert average_precision(nothing, nothing, nothing, 4, "Integral") == 0
    assert average_precision(SCORES, RIGHT, WRONG, 0, "Integral") == 0


BATCHES = [
    [
        [-1, 1, 3, -1, -1],
        [-1, 2, 1, -1, -1],
        [-1, 3, 2, -1, -1],
        [0, 1, 0.9, 1, 0],
        [0, 1, 0.6, 0, 1],
        [0, 2, 0.5, 0, 0],
    ],
    [[-1, 1, 2, -1, -1], [1, 1, 0.8, 1, 0], [1, 1, 0.3, 1, 0], [1, 2, 0.4, 1, 0]],
]
TESTED = 'test_iter: 2 test_interval: 1 eval_type: "detection"'


NET = """
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 8 }
  include { phase: TRAIN } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" include { phase: TRAIN }
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" include { phase: TRAIN } }
layer { name: "eval" type: "Input" top: "eval" input_param { shape { dim: 1 dim: 1 dim: 6 dim: 5 } }
  include { phase: TEST } }
"""


MAPS = """
layer { name: "seg" type: "Input" top: "seg" input_param { shape { dim: 1 dim: 1 dim: 1 dim: 3 } }
  include { phase: TEST } }
"""


@pytest.fixture
def detector(folder, solver):
    """A function that makes a solver whose test net gives BATCHES, one after the other."""
    (folder / "net.prototxt").write_text(NET)

    def make(extra="", batches=BATCHES, outputs=()):
        if outputs:
            (folder / "net.prototxt").write_text(NET + MAPS)
        made = solver(f"{TESTED} {extra}" if not outputs else f"test_iter: 2 test_interval: 1 {extra}")
        net = made.test_nets[0]
        left, maps = iter(batches), iter(outputs)

        def run_forward():
            rows = np.array(next(left), np.float32)
            net.blobs["eval"].reshape(1, 1, *rows.shape)
            net.blobs["eval"].data[...] = rows
            if outputs:
                net.blobs["seg"].data[...] = next(maps)
            return 0.0

        net.run_forward = run_forward
        return made

    return make


def test_a_solver_scores_all_batches_together(detector, log_lines):
    made = detector("show_per_class_result: true")
    # class 1: as the worked example, of 5 objects; class 2: a box that does not count and a right one; class 3: none
    first = (1 + 1 + 0.75) / 5
    assert made.test(0)["eval"] == pytest.approx((first + 1 + 0) / 3)
    lines = log_lines()
    assert lines[-5:] == [
        "class1: 0.55",
        "class2: 1",
        "Missing true_pos for label: 3",
        "class3: 0",
        "    Test net output #0: eval = 0.516667",
    ]


def test_boxes_and_maps_together(detector, log_lines):
    """Class 1 is in both batches, 2 in the second alone, 3 in none."""
    made = detector('eval_type: "detection_segmentation"', outputs=[[0.5, -1, -1], [0.25, 0.75, -1]])
    scores = made.test(0)
    assert scores["eval"] == pytest.approx(((1 + 1 + 0.75) / 5 + 1) / 3)
    assert scores["seg"].tolist() == [0.375, 0.75, -1]
    lines = log_lines()
    assert "Seg mIOU : 0.5625" in lines
    assert lines[-1] == "    Test net output #3: seg = -1"


def test_words_and_outputs_that_do_not_fit(detector, solver):
    with pytest.raises(SolverError, match=r"Unknown ap_version: 12point. Known are Integral, 11point, MaxIntegral"):
        solver('ap_version: "12point"')
    with pytest.raises(SolverError, match="Unknown evaluation type: sound"):
        solver('eval_type: "sound"')
    with pytest.raises(SolverError, match="needs two outputs"):
        solver('test_iter: 2 test_interval: 1 eval_type: "detection_segmentation"').test(0)
    with pytest.raises(SolverError, match=r"'eval' is \(1, 1, 1, 3\). Let other outputs end in a Silence layer"):
        detector(batches=[[[1, 2, 3]]]).test(0)
