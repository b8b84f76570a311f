import pickle

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike import io
from caffelike.errors import CaffelikeError, ShapeError

# The mean of each channel, so that what arrives can be told.
NET = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 3 dim: 3 dim: 6 dim: 6 } } }
layer { name: "prob" type: "Pooling" bottom: "data" top: "prob" pooling_param { pool: AVE global_pooling: true } }
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(NET)
    return path


def picture(height=9, width=11, seed=3):
    return np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)


def test_centre_crop_and_preprocessing(file):
    net = caffelike.Classifier(
        file, None, image_dims=(8, 9), mean=np.array([1, 2, 3]), input_scale=2, raw_scale=10, channel_swap=(2, 1, 0)
    )
    image = picture()
    cut = io.resize_image(image, (8, 9))[1:7, 1:7]
    wanted = (cut.mean((0, 1))[::-1] * 10 - [1, 2, 3]) * 2
    out = net.predict([image, image], oversample=False)
    np.testing.assert_allclose(out[:, :, 0, 0], [wanted, wanted], rtol=1e-4)


def test_ten_crops_are_averaged(file):
    net = caffelike.Classifier(file, None, image_dims=[8, 8])
    images = [picture(8, 8, seed) for seed in range(5)]
    out = net.predict(images)
    assert out.shape == (5, 3)
    wanted = [io.oversample([image], (6, 6)).mean((0, 1, 2)) for image in images]
    np.testing.assert_allclose(out, wanted, rtol=1e-4)


def test_without_image_dims_the_whole_image_is_seen(file):
    net = caffelike.Classifier(file, None)
    assert list(net.image_dims) == [6, 6]
    image = picture(6, 6)
    np.testing.assert_allclose(net.predict([image], False)[0, :, 0, 0], image.mean((0, 1)), rtol=1e-4)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict([image]), net.predict([image]))


def test_what_cannot_be_classified(file):
    with pytest.raises(CaffelikeError, match="at least one image"):
        caffelike.Classifier(file, None).predict([])
    file.write_text(NET.replace('"Input"', '"DummyData"').replace("input_param", "dummy_data_param"))
    with pytest.raises(CaffelikeError, match=r"has no inputs.*deploy\.prototxt"):
        caffelike.Classifier(file, None)


# Detector --------------------------------------------------------------------------------------------


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    pixels = (picture(20, 24) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


WINDOWS = [(2, 3, 12, 15), (0, 0, 20, 24), (5, 5, 8, 8), (1, 1, 7, 7)]


def test_windows_of_images(file, photo):
    net = caffelike.Detector(file, None, mean=np.array([0.1, 0.2, 0.3]), raw_scale=2, channel_swap=(2, 1, 0))
    image = io.load_image(photo)
    found = net.detect_windows([(photo, WINDOWS[:3]), (str(photo), np.array(WINDOWS[3:]))])
    assert [d["filename"] for d in found] == [photo, photo, photo, str(photo)]
    for detection, (top, left, bottom, right) in zip(found, WINDOWS, strict=True):
        assert list(detection["window"]) == [top, left, bottom, right]
        cut = io.resize_image(image[top:bottom, left:right], (6, 6))
        wanted = cut.mean((0, 1))[::-1] * 2 - [0.1, 0.2, 0.3]
        np.testing.assert_allclose(detection["prediction"].ravel(), wanted, rtol=1e-4)
    assert net.detect_windows([]) == []


def test_context_worked_by_hand(file):
    net = caffelike.Detector(file, None, mean=np.array([1.0, 2, 3]), raw_scale=2, channel_swap=(2, 1, 0), context_pad=1)
    assert net.crop_dims.tolist() == [6, 6, 3]
    assert net.crop_mean[0, 0].tolist() == [1.5, 1, 0.5]  # the mean as an RGB image, before raw_scale
    # 7 pixels of window for the inner 4 of 6: 10.5 pixels all in all. It begins 2 pixels outside, at -2 .. 9.
    image = picture(20, 20)
    out = net.crop(image, np.array([0, 0, 6, 6]))
    assert out.shape == (6, 6, 3)
    assert (out[0] == net.crop_mean[0]).all()
    assert (out[:, 0] == net.crop_mean[:, 0]).all()
    np.testing.assert_array_equal(out[1:, 1:], io.resize_image(image[:9, :9], (5, 5)))
    inside = net.crop(image, (8, 8, 12, 12))
    assert not (inside == net.crop_mean).all(2).any()
    with pytest.raises(ShapeError, match="outside an image of 20x20"):
        net.crop(image, (60, 60, 70, 70))
    with pytest.raises(ShapeError, match="leaves nothing"):
        net.configure_crop(3)


def test_proposals(file, photo, monkeypatch):
    net = caffelike.Detector(file, None)
    with pytest.raises(CaffelikeError, match=r"Set `detector.proposals` to a function"):
        net.detect_selective_search([photo])
    net.proposals = lambda files: [WINDOWS[:2] for _ in files]
    found = net.detect_selective_search([photo])
    assert [(d["filename"], d["window"]) for d in found] == [(str(photo), w) for w in WINDOWS[:2]]
    with pytest.raises(ShapeError, match="holds no pixel of the image, which is 20 high and 24 wide"):
        net.detect_windows([(photo, [(30, 30, 40, 40)])])
