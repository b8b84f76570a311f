import numpy as np
import pytest
from PIL import Image

from caffelike.data import write_lmdb
from caffelike.errors import DataError, FileError
from caffelike.schema.weights import read_mean
from caffelike.tools import compute_image_mean


def test_mean_of_each_pixel_and_channel(tmp_path, caplog):
    caplog.set_level("INFO", logger="caffelike")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 5), np.uint8)
    write_lmdb(tmp_path / "db", [(image, 0) for image in pixels])
    mean = compute_image_mean(tmp_path / "db", tmp_path / "mean.binaryproto")
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-6)
    assert (read_mean(tmp_path / "mean.binaryproto") == mean[None]).all()
    expected = [f"mean_value channel [{c}]: {v:g}" for c, v in enumerate(mean.mean((1, 2), dtype=float))]
    assert caplog.messages[-3:] == expected
    assert "Processed 7 files." in caplog.messages


def test_encoded_and_float_records(tmp_path):
    Image.new("RGB", (2, 2), (10, 20, 30)).save(tmp_path / "a.png")
    write_lmdb(tmp_path / "png", [((tmp_path / "a.png").read_bytes(), 0)])
    assert compute_image_mean(tmp_path / "png")[:, 0, 0].tolist() == [30, 20, 10]
    write_lmdb(tmp_path / "floats", [(np.full((1, 1, 1), v, np.float32), 0) for v in (-0.5, 2)])
    assert compute_image_mean(tmp_path / "floats").tolist() == [[[0.75]]]


def test_what_has_no_mean(tmp_path):
    write_lmdb(tmp_path / "db", [(np.zeros((1, 2, 2), np.uint8), 0), (np.zeros((1, 2, 3), np.uint8), 0)])
    with pytest.raises(DataError, match=r"Incorrect data field size: record '00000001' is 1x2x3 .* first one is 1x2x2"):
        compute_image_mean(tmp_path / "db", tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
    write_lmdb(tmp_path / "none", [])
    with pytest.raises(DataError, match="holds no records"):
        compute_image_mean(tmp_path / "none")
    write_lmdb(tmp_path / "garbage", [(b"no image", 0)])
    with pytest.raises(DataError, match="record '00000000' cannot be used"):
        compute_image_mean(tmp_path / "garbage")
    with pytest.raises(FileError, match="does not exist"):
        compute_image_mean(tmp_path / "nowhere")
    with pytest.raises(DataError, match="kind LMDB, not LEVELDB"):
        compute_image_mean(tmp_path / "db", backend="leveldb")
