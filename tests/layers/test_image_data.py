import logging

import numpy as np
import pytest
from one_layer import OneLayer
from PIL import Image

from caffelike.errors import DataError, FileError, ModelError

COLORS = [(10, 20, 30), (40, 50, 60), (70, 80, 90)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, color in enumerate(COLORS):
        Image.new("RGB", (5, 4), color).save(f"{i}.png")
    (tmp_path / "list.txt").write_text("0.png 7\n1.png 8\n2.png 9\n")


def layer(param, transform=""):
    return OneLayer(
        f'type: "ImageData" top: "data" top: "label" image_data_param {{ {param} }} transform_param {{ {transform} }}'
    )


def test_worked_example_images_as_bgr_with_labels(folder, caplog):
    with caplog.at_level(logging.INFO, "caffelike"):
        found = layer('source: "list.txt" batch_size: 2')
    assert "A total of 3 images." in caplog.text
    assert "output data size: 2,3,4,5" in caplog.text
    for wanted in ((0, 1), (2, 0), (1, 2)):
        data, labels = found.forward()
        assert [tuple(image[::-1, 0, 0]) for image in data] == [COLORS[i] for i in wanted]
        assert labels.tolist() == [7 + i for i in wanted]
        assert found.layer.batch_keys == [f"{i}.png" for i in wanted]
    found.net.close()


def test_resized_gray_with_mean(folder):
    found = layer('source: "list.txt" new_height: 3 new_width: 2 is_color: false', "mean_value: 10 scale: 0.5")
    data, _ = found.forward()
    assert data.shape == (1, 1, 3, 2)
    assert data[0, 0, 0, 0] == ((10 * 9797 + 20 * 19234 + 30 * 3737 >> 15) - 10) * 0.5
    found.net.close()


def test_going_on_when_shuffled(folder):
    text = 'source: "list.txt" batch_size: 2 shuffle: true'
    first, second = layer(text), layer(text)
    for _ in range(4):
        first.forward()
    second.layer.restore(first.layer.state())
    for _ in range(5):
        for a, b in zip(first.forward(), second.forward(), strict=True):
            np.testing.assert_array_equal(a, b)
    first.net.close()
    second.net.close()


@pytest.mark.parametrize(
    ("param", "error", "words"),
    [
        ("", ModelError, "source"),
        ('source: "none"', FileError, "image list none"),
        ('source: "list.txt" new_height: 3', ModelError, "go together"),
        ('source: "list.txt" batch_size: 0', ModelError, "batch_size"),
        ('source: "list.txt" root_folder: "x/"', FileError, r"image x/0\.png"),
        ('source: "list.txt" rand_skip: 1000000', DataError, "Not enough points to skip"),
        ('source: "list.txt" max_rotate_angle: 3', ModelError, "max_rotate_angle belongs to"),
    ],
)
def test_refused(folder, param, error, words):
    with pytest.raises(error, match=words):
        layer(param)


def test_several_labels(folder):
    with open("list.txt", "w") as file:
        file.write("0.png 7 0.5\n1.png 8 -1\n")
    assert layer('source: "list.txt" batch_size: 2 labels: 2').forward()[1].tolist() == [[7, 0.5], [8, -1]]


def test_label_images(folder):
    for i in range(3):
        labels = Image.new("P", (5, 4), i)
        labels.putpalette([7, 7, 7, 90, 90, 90, 200, 0, 0])
        labels.save(f"labels{i}.png")
    with open("list.txt", "w") as file:
        file.write("".join(f"{i}.png labels{i}.png\n" for i in range(3)))
    data, labels = layer('source: "list.txt" batch_size: 3 label_type: PIXEL', "crop_size: 3").forward()
    assert data.shape == (3, 3, 3, 3)
    np.testing.assert_array_equal(labels, np.broadcast_to(np.arange(3)[:, None, None, None], (3, 1, 3, 3)))


def test_without_labels(folder):
    with open("list.txt", "w") as file:
        file.write("0.png\n1.png\n")
    text = 'type: "ImageData" top: "data" image_data_param { source: "list.txt" batch_size: 2 label_type: NONE }'
    assert OneLayer(text).forward().shape == (2, 3, 4, 5)
    with pytest.raises(ModelError, match=r"has 2 top\(s\), but makes 1"):
        OneLayer(text.replace('top: "data"', 'top: "data" top: "label"'))
    with pytest.raises(ModelError, match="label_type: NONE for a list without labels"):
        OneLayer(text.replace("label_type: NONE", ""))


def test_multi_label_worked_example(folder):
    with open("list.txt", "w") as file:
        file.write("0.png  7 0.5   3\n1.png 8 -1 4\n2.png 9 0 5\n")
    text = (
        'type: "MultiLabelImageData" top: "data" top: "label"'
        ' image_data_param { source: "list.txt" batch_size: 2 OPTIONS }'
    )
    found = OneLayer(text.replace("OPTIONS", ""))
    for wanted in ([[7, 0.5, 3], [8, -1, 4]], [[9, 0, 5], [7, 0.5, 3]]):
        data, labels = found.forward()
        assert data[:, 2, 0, 0].tolist() == [COLORS[int(row[0]) - 7][0] for row in wanted]
        assert labels.tolist() == wanted
    found.net.close()
    with pytest.raises(ModelError, match="face_transform belongs to"):
        OneLayer(text.replace("OPTIONS", "face_transform: true"))
    with open("list.txt", "a") as file:
        file.write("2.png 3 4\n")
    with pytest.raises(DataError, match=r"list.txt:4: .* has 2 label\(s\), but the first line 3"):
        OneLayer(text.replace("OPTIONS", ""))
