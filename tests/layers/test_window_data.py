import logging

import numpy as np
import pytest
from one_layer import OneLayer
from PIL import Image

from caffelike.errors import DataError, ModelError
from caffelike.io import array_to_blobproto

WINDOWS = "# 0\na.png 3 20 30 2\n5 0.8 2 3 11 12\n7 0.3 4 4 8 9\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "windows.txt").write_text(WINDOWS)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save("a.png")


def layer(param="", transform="crop_size: 10"):
    return OneLayer(
        'type: "WindowData" top: "data" top: "label"'
        f' window_data_param {{ source: "windows.txt" batch_size: 4 {param} }} transform_param {{ {transform} }}'
    )


def test_worked_example_windows_with_classes(folder, caplog):
    with caplog.at_level(logging.INFO, "caffelike"):
        found = layer()
    assert "class 0 has 1 samples" in caplog.text
    assert "class 5 has 1 samples" in caplog.text
    data, labels = found.forward()
    assert labels.tolist() == [0, 0, 0, 5]
    assert found.layer.batch_keys[3] == "a.png 2 3 11 12"
    image = np.asarray(Image.open("a.png"))[3:13, 2:12, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(data[3], image)
    found.net.close()


def test_the_mean_is_cut_from_its_centre(folder, tmp_path):
    mean = np.random.default_rng(1).random((3, 16, 16)).astype(np.float32)
    (tmp_path / "mean").write_bytes(array_to_blobproto(mean).SerializeToString())
    found = layer("fg_fraction: 1", 'crop_size: 10 mean_file: "mean"')
    image = np.asarray(Image.open("a.png"))[3:13, 2:12, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(found.forward()[0][0], image - mean[:, 3:13, 3:13])
    found.net.close()
    with pytest.raises(DataError, match="at least 18x18"):
        layer("", 'crop_size: 18 mean_file: "mean"')


def test_the_scale_is_window_data_param_s(folder, caplog):
    found = layer("scale: 0.5", "crop_size: 10 scale: 3")
    assert "scale } has no effect on WindowData" in caplog.text
    image = np.asarray(Image.open("a.png"))[3:13, 2:12, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(found.forward()[0][3], image * np.float32(0.5))
    found.net.close()


@pytest.mark.parametrize(
    ("param", "transform", "words"),
    [
        ("", "", "crop_size"),
        ("context_pad: 5", "crop_size: 10", "above twice context_pad"),
        ('crop_mode: "round"', "crop_size: 10", "'warp' or 'square'"),
        ("", "crop_size: 10 mean_value: 1 mean_value: 2", "2 times for 3 channels"),
    ],
)
def test_refused(folder, param, transform, words):
    with pytest.raises(ModelError, match=words):
        layer(param, transform)
