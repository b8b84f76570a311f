import json

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import DataError, ModelError, ShapeError

PRIORS = np.array([[0.1, 0.1, 0.3, 0.3], [0.12, 0.1, 0.32, 0.3], [0.5, 0.5, 0.9, 0.9]], np.float32)


def detect(options, conf, loc=None, items=1, classes=3, **images):
    count = 12 * (1 if "share_location: false" not in options else classes)
    more = "".join(f' bottom: "{name}"' for name in images)
    layer = OneLayer(
        f'type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors"{more} top: "found"'
        f" detection_output_param {{ num_classes: {classes} {options} }}",
        phase=1, loc=(items, count), conf=(items, 3 * classes), priors=(1, 2, 12), **images,
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


def test_images_to_draw_into_change_nothing():
    options = "confidence_threshold: 0.15 nms_param { nms_threshold: 0.5 }"
    np.testing.assert_array_equal(detect(options, CONF, data=(1, 3, 5, 5)), detect(options, CONF))


SAVED = {
    "VOC": ("r_cat.txt", "one 0.8 4 2 12 6\none 0.2 20 10 36 18\ntwo 0.8 1 2 3 6\ntwo 0.2 5 10 9 18\n"),
    "ILSVRC": (
        "r_.txt",
        "one 1 0.8 4 2 12 6\none 1 0.2 20 10 36 18\none 2 0.6 20 10 36 18\none 2 0.2 4 2 12 6\n"
        "two 1 0.8 1 2 3 6\ntwo 1 0.2 5 10 9 18\ntwo 2 0.6 5 10 9 18\ntwo 2 0.2 1 2 3 6\n",
    ),
}


def saving(folder, kind):
    (folder / "map").write_text('item { name: "cat" label: 1 } item { name: "17" label: 2 }')
    (folder / "sizes").write_text("one 20 40\ntwo 20 10\nthree 1 1\n")
    return (
        "confidence_threshold: 0.15 nms_param { nms_threshold: 0.5 } save_output_param {"
        f' output_directory: "{folder}/out" output_name_prefix: "r_" output_format: "{kind}" num_test_image: 2'
        f' label_map_file: "{folder}/map" name_size_file: "{folder}/sizes" }}'
    )


@pytest.mark.parametrize("kind", SAVED)
def test_result_files_worked_example(kind, tmp_path):
    """The boxes of test_worked_example in images of 40 x 20 and 10 x 20 pixels."""
    detect(saving(tmp_path, kind), [CONF, CONF], np.zeros((2, 12)), items=2)
    name, text = SAVED[kind]
    saved = (tmp_path / "out" / name).read_text()
    assert saved == text
    if kind == "VOC":
        assert len((tmp_path / "out" / "r_17.txt").read_text().splitlines()) == 4


def test_result_files_for_coco(tmp_path):
    detect(saving(tmp_path, "COCO"), [CONF, CONF], np.zeros((2, 12)), items=2)
    rows = json.loads((tmp_path / "out" / "r_.json").read_text())
    assert [row["category_id"] for row in rows] == ["cat", "cat", 17, 17] * 2
    assert rows[0]["image_id"] == "one"
    np.testing.assert_allclose(rows[0]["bbox"], [4, 2, 8, 4], atol=0.01)
    np.testing.assert_allclose([row["score"] for row in rows], [0.8, 0.2, 0.6, 0.2] * 2, rtol=1e-6)


def test_result_files_wait_for_all_images(tmp_path):
    detect(saving(tmp_path, "VOC"), CONF)
    assert not (tmp_path / "out").exists()


def test_result_files_that_cannot_be(tmp_path, caplog):
    options = saving(tmp_path, "VOC")
    with pytest.raises(ModelError, match="VOC, COCO, ILSVRC, not 'XML'"):
        detect(options.replace('"VOC"', '"XML"'), CONF)
    with pytest.raises(DataError, match="lists 3 images, but num_test_image is 4"):
        detect(options.replace("image: 2", "image: 4"), CONF)
    with pytest.raises(DataError, match="no name for label 3"):
        detect(options, [*CONF, 0.1, 0.1, 0.1], classes=4)
    (tmp_path / "sizes").unlink()
    detect(options, CONF)
    assert "which is not there: nothing will be written" in caplog.text


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
