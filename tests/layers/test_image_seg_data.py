import numpy as np
import pytest
from one_layer import OneLayer
from PIL import Image

import caffelike
from caffelike.errors import DataError, FileError, ModelError

# image i is 4x6: (10 i, row, column) in red, green, blue; its labels are 10 i + column, in another image
PIXELS = {
    i: np.stack([np.full((4, 6), 10 * i), np.mgrid[:4, :6][0], np.mgrid[:4, :6][1]], axis=2).astype(np.uint8)
    for i in range(3)
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, pixels in PIXELS.items():
        Image.fromarray(pixels).save(f"{i}.png")
        Image.fromarray((10 * i + pixels[..., 2]).astype(np.uint8)).save(f"l{i}.png")
    (tmp_path / "list.txt").write_text("".join(f"{i}.png   l{i}.png\n" for i in range(3)))
    (tmp_path / "numbers.txt").write_text("".join(f"{i}.png {i + 5}\n" for i in range(3)))
    return tmp_path


def seg(param="", transform="", tops='top: "data" top: "label"', phase=caffelike.TRAIN, source="list.txt"):
    return OneLayer(
        f'type: "ImageSegData" {tops} image_data_param {{ source: "{source}" {param} }}'
        f" transform_param {{ {transform} }}",
        phase,
    )


def dense(param="", transform="", phase=caffelike.TRAIN):
    return OneLayer(
        'type: "DenseImageData" top: "data" top: "label" dense_image_data_param {'
        f' source: "list.txt" {param} }} transform_param {{ {transform} }}',
        phase,
    )


def test_image_seg_data_worked_example(folder):
    layer = seg("label_type: PIXEL batch_size: 2", "mean_value: 1", 'top: "data" top: "label" top: "data_dim"')
    for images in ((0, 1), (2, 0)):
        data, label, size = layer.forward()
        assert data.shape == (2, 3, 4, 6)
        for item, i in enumerate(images):
            np.testing.assert_array_equal(data[item] + 1, PIXELS[i].transpose(2, 0, 1)[::-1])
            np.testing.assert_array_equal(label[item, 0], np.tile(10 * i + np.arange(6), (4, 1)))
        assert size.tolist() == [[[[4, 6]]]] * 2
    layer.net.close()


def test_numbers_and_no_labels(folder):
    data, label = seg("label_type: IMAGE", source="numbers.txt").forward()
    assert label.shape == (1, 1, 4, 6)
    assert (label == 5).all()
    data, label = seg("label_type: NONE ignore_label: 17").forward()
    assert data.shape == (1, 3, 4, 6)
    assert (label == 17).all()


def test_a_crop_larger_than_the_image_is_filled_up(folder):
    transform = "crop_height: 6 crop_width: 5 mean_value: 1 mean_value: 2 mean_value: 3"
    data, label = seg("label_type: PIXEL", transform, phase=caffelike.TEST).forward()
    assert data.shape == (1, 3, 6, 5)
    assert (data[0, 0, :4] + 1).tolist() == [[0, 1, 2, 3, 4]] * 4  # of 6 columns the middle: (6 - 5) // 2 = 0
    assert (data[0, 1, :4, 0] + 2).tolist() == [0, 1, 2, 3]
    assert not data[..., 4:, :].any()
    assert label[0, 0].tolist() == [[0, 1, 2, 3, 4]] * 4 + [[255] * 5] * 2


def test_crops_mirrors_and_scales_move_pixels_and_labels_alike(folder):
    layer = seg("label_type: PIXEL shuffle: true", "crop_size: 3 mirror: true scale_factors: 1 scale_factors: 2")
    seen = set()
    for _ in range(250):
        data, label = layer.forward()
        columns, labels = data[0, 0, 0], label[0, 0, 0] % 10
        # the nearest pixel's label, and a mean of columns: less than one apart
        assert np.abs(columns - labels).max() <= 0.75
        seen.add(tuple(labels.tolist()))
    assert {(0, 1, 2), (2, 1, 0)} <= seen
    assert {columns[0] for columns in seen} >= {0, 1, 2, 3, 4, 5}
    assert any(a[0] == a[1] for a in seen)  # twice as large
    layer.net.close()


def test_dense_worked_example(folder):
    layer = dense("batch_size: 2", "mean_value: 1 scale: 2")
    data, label = layer.forward()
    for i in range(2):
        np.testing.assert_array_equal(data[i] / 2 + 1, PIXELS[i].transpose(2, 0, 1)[::-1])
        np.testing.assert_array_equal(label[i, 0], np.tile(10 * i + np.arange(6), (4, 1)))
    layer.net.close()


def test_dense_labels_of_fewer_pixels(folder):
    data, label = dense("new_height: 8 new_width: 12 label_divide_factor: 4").forward()
    assert data.shape == (1, 3, 8, 12)
    assert label[0, 0].tolist() == [[0, 2, 4]] * 2
    # of an image of 4x6 a label for 3x3 pixels
    assert dense("label_divide_factor: 3").forward()[1].tolist() == [[[[0, 3]]]]


def test_dense_random_crops_and_mirrors_while_testing_too(folder):
    layer = dense("crop_height: 2 crop_width: 4 mirror: true", phase=caffelike.TEST)
    seen = set()
    for i in range(60):
        data, label = layer.forward()
        assert data[0, 0, 0].tolist() == (label[0, 0, 0] - 10 * (i % 3)).tolist()
        seen.add((data[0, 1, 0, 0], tuple(data[0, 0, 0].tolist())))
    assert {row for row, _ in seen} == {0, 1, 2}
    assert {columns for _, columns in seen} == {(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)} | {
        (3, 2, 1, 0), (4, 3, 2, 1), (5, 4, 3, 2)
    }  # fmt: skip
    layer.net.close()


@pytest.mark.parametrize(
    ("make", "param", "transform", "error", "message"),
    [
        (seg, "new_height: 3", "", ModelError, "go together"),
        (seg, "batch_size: 0", "", ModelError, "batch_size"),
        (seg, "label_type: PIXEL", "crop_height: 3", ModelError, "crop_height and crop_width"),
        (seg, "label_type: PIXEL", "crop_size: 3 crop_h: 2 crop_w: 2", ModelError, "either crop_size"),
        (seg, "label_type: PIXEL", 'mean_file: "m"', ModelError, "no mean_file"),
        (seg, "label_type: PIXEL", "scale_factors: 2", ModelError, "add crop_size"),
        (seg, "label_type: PIXEL", "scale_factors: 0 crop_size: 3", ModelError, "greater than 0"),
        (seg, "", "", DataError, r"list.txt:1: .* a whole number"),
        (seg, 'label_type: PIXEL root_folder: "none/"', "", FileError, "none/0.png"),
        (dense, 'mean_file: "m"', "", ModelError, "belongs into transform_param"),
        (dense, "crop_height: 2", "", ModelError, "together"),
        (dense, "crop_height: 2 crop_width: 2", "crop_size: 2", ModelError, "no crop_size"),
        (dense, "label_divide_factor: 2", "crop_size: 2", ModelError, "does not go with a crop"),
        (dense, "label_divide_factor: 2", "augment_param { }", ModelError, "augment_param"),
        (dense, "crop_height: 5 crop_width: 2", "", DataError, "fewer than the 5x2"),
    ],
)
def test_refused(folder, make, param, transform, error, message):
    with pytest.raises(error, match=message):
        make(param, transform)


def test_a_list_without_label_images_is_refused(folder):
    (folder / "list.txt").write_text("0.png\n")
    with pytest.raises(DataError, match=r"list.txt:1: '0.png' is no entry .* path of its label image"):
        dense()
    (folder / "list.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no images"):
        dense()


def test_going_on(folder):
    text = "crop_height: 2 crop_width: 2 mirror: true shuffle: true batch_size: 2"
    first, second = dense(text), dense(text)
    for _ in range(3):
        first.forward()
    second.layer.restore(first.layer.state())
    for a, b in zip(first.forward(), second.forward(), strict=True):
        np.testing.assert_array_equal(a, b)
    first.net.close()
    second.net.close()


def test_declared_without_the_data(tmp_path):
    from caffelike.check import check

    path = tmp_path / "net.prototxt"
    for data, message in (
        ('type: "DenseImageData" top: "x" top: "l" dense_image_data_param { source: "none" batch_size: 2'
         " new_height: 16 new_width: 8 label_divide_factor: 2 }", "(2, 1, 8, 4)"),
        ('type: "ImageSegData" top: "x" top: "l" transform_param { crop_height: 8 crop_width: 4 }'
         ' image_data_param { source: "none" label_type: PIXEL batch_size: 2 }', "(2, 1, 8, 4)"),
    ):  # fmt: skip
        path.write_text(
            f'layer {{ name: "d" {data} }} layer {{ name: "a" type: "SegAccuracy" bottom: "x" bottom: "l" top: "y" }}'
        )
        problems = [p.message for p in check(path) if p.level == "error"]
        found = [p for p in problems if "needs scores" in p]
        assert (message in found[0]) if "Dense" in data else not found, problems


def windows(folder, text, param="", transform="", tops='top: "data" top: "label"', phase=caffelike.TEST):
    (folder / "windows.txt").write_text(text)
    return OneLayer(
        f'type: "WindowSegData" {tops} image_data_param {{ source: "windows.txt" {param} }}'
        f" transform_param {{ {transform} }}",
        phase,
    )


def test_windows_worked_example(folder):
    """Images of 4x6; what lies outside is 0 before the mean, and labelled 255."""
    text = "1.png l1.png 2 1 4 3\n2.png l2.png -1 2 1 4\n"
    tops = 'top: "data" top: "label" top: "data_dim"'
    layer = windows(folder, text, "label_type: PIXEL batch_size: 2", "mean_value: 1", tops)
    data, label, size = layer.forward()
    assert data.shape == (2, 3, 3, 3)
    np.testing.assert_array_equal(data[0] + 1, PIXELS[1][1:4, 2:5].transpose(2, 0, 1)[::-1])
    assert label[0, 0].tolist() == [[12, 13, 14]] * 3
    assert (data[1] + 1)[0].tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]  # columns' numbers
    assert (data[1] + 1)[2].tolist() == [[0, 20, 20], [0, 20, 20], [0, 0, 0]]
    assert label[1, 0].tolist() == [[255, 20, 21], [255, 20, 21], [255, 255, 255]]
    assert size.reshape(2, 2).tolist() == [[3, 3], [3, 3]]  # 4x6, at most those of data
    larger = windows(folder, text, "label_type: PIXEL batch_size: 2 new_height: 6 new_width: 12", "crop_size: 4")
    data, label = larger.forward()
    assert data.shape == (2, 3, 4, 4)
    assert label[0, 0].tolist() == [[13] * 4] * 4
    numbers = windows(folder, "0.png 7 5 3 6 4\n", "label_type: IMAGE ignore_label: 9")
    assert numbers.forward()[1].tolist() == [[[[7, 9], [9, 9]]]]
    nothing = windows(folder, "0.png 0 0 1 0\n", "label_type: NONE ignore_label: 9")
    assert nothing.forward()[1].tolist() == [[[[9, 9]]]]


def test_windows_stay_with_their_images_when_shuffled(folder):
    text = "".join(f"{i}.png {i} {i} 0 {i + 1} 1\n" for i in range(3))
    layer = windows(folder, text, "label_type: IMAGE shuffle: true", phase=caffelike.TRAIN)
    for _ in range(6):
        data, label = layer.forward()
        i = int(label[0, 0, 0, 0])
        assert data[0, 2, 0, 0] == 10 * i
        assert data[0, 0, 0].tolist() == [i, i + 1]


@pytest.mark.parametrize("line", ["0.png 3 1 1 0 1", "0.png 1 1 2 2", "0.png x 1 1 2 2", "0.png 3 1 1 2 b"])
def test_windows_refused(folder, line):
    with pytest.raises(DataError, match=r"windows\.txt:1: .*is no entry of a list of windows"):
        windows(folder, line, "label_type: IMAGE")


def test_maps_of_edges_worked_example(folder):
    edges = np.array([[0, 127, 128, 255, 60, 200]] * 4, np.uint8)
    Image.fromarray(edges).save("e.png")
    (folder / "edges.txt").write_text("1.png e.png\n")
    text = 'type: "ImageLabelmapData" top: "data" top: "label" image_data_param { source: "edges.txt"'
    data, label = OneLayer(text + " } transform_param { mean_value: 1 }").forward()
    np.testing.assert_array_equal(data[0] + 1, PIXELS[1].transpose(2, 0, 1)[::-1])
    assert label.shape == (1, 1, 4, 6)
    assert label[0, 0].tolist() == [[0, 0, 1, 1, 0, 1]] * 4
    data, label = OneLayer(text + " new_height: 2 new_width: 3 }").forward()
    assert label[0, 0].tolist() == [[0, 1, 1]] * 2  # means of 63.5, 191.5, 130
    Image.fromarray(edges[:3]).save("e.png")
    layer = OneLayer(text + " }")
    with pytest.raises(DataError, match=r"the map of edges 'e\.png' has 3x6"):
        layer.forward()
