import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.errors import DataError, FileError, ModelError
from caffelike.io import array_to_blobproto

VOLUMES = [np.random.default_rng(i).integers(0, 200, (4, 2, 5, 6)).astype(np.float32) for i in range(3)]


def write(path, values, kind=np.float32):
    path.write_bytes(np.array([1, *values.shape], np.int32).tobytes() + values.astype(kind).tobytes())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three volumes of 4 channels, 2 frames, 5x6 pixels; the second in bytes."""
    monkeypatch.chdir(tmp_path)
    for i, values in enumerate(VOLUMES):
        write(tmp_path / f"{i}.bin", values, np.uint8 if i == 1 else np.float32)
    (tmp_path / "list.txt").write_text("0.bin\n1.bin 2.bin\n")
    return tmp_path


def volumes(options="", kind="VideoWithVoxelTruthData", phase=caffelike.TEST):
    text = f'type: "{kind}" top: "data" top: "truth" image_data_param {{ source: "list.txt" {options} }}'
    return OneLayer(text, phase)


def test_worked_example(folder):
    layer = volumes("batch_size: 2 num_truth_channels: 2 mean_value: 10 scale: 0.5")
    for names in ((0, 1), (2, 0)):
        data, truth = layer.forward()
        assert data.shape == truth.shape == (2, 2, 2, 5, 6)
        for i, n in enumerate(names):
            np.testing.assert_array_equal(data[i], (VOLUMES[n][:2] - 10) / 2)
            np.testing.assert_array_equal(truth[i], VOLUMES[n][2:])
    data, truth = volumes("crop_size: 3 truth_scale: 0.25").forward()
    np.testing.assert_array_equal(data[0], VOLUMES[0][:3, :, 1:4, 1:4])
    np.testing.assert_array_equal(truth[0], VOLUMES[0][3:, :, 1:4, 1:4] / 4)
    truth = volumes("crop_size: 3 clip_min: 50 clip_max: 150").forward()[1]
    np.testing.assert_allclose(truth[0], np.clip(VOLUMES[0][3:, :, 1:4, 1:4] / 100 - 0.5, 0, 1), atol=1e-6)


def test_crops_are_mirrored_with_their_flow(folder):
    layer = volumes("crop_size: 3 mirror: true is_flow: true num_truth_channels: 2", phase=caffelike.TRAIN)
    seen = set()
    for n in [0, 1, 2] * 8:
        data, truth = (top[0] for top in layer.forward())
        found = [
            (top, left, way)
            for top in range(3)
            for left in range(4)
            for way in (1, -1)
            if np.array_equal(data, VOLUMES[n][:2, :, top : top + 3, left : left + 3][..., ::way])
        ]
        assert len(found) == 1
        top, left, way = found[0]
        want = VOLUMES[n][2:, :, top : top + 3, left : left + 3][..., ::way] * np.array([way, 1])[:, None, None, None]
        np.testing.assert_array_equal(truth, want)
        seen.add(found[0])
    assert len({place[:2] for place in seen}) > 5
    assert {place[2] for place in seen} == {1, -1}


def test_mean_files_and_segmentations_worked_example(folder):
    mean = np.random.default_rng(9).random((1, 3, 2, 5, 6)).astype(np.float32)
    (folder / "mean").write_bytes(array_to_blobproto(mean).SerializeToString())
    data, truth = volumes('mean_file: "mean" crop_size: 4', "VideoSegmentationData").forward()
    np.testing.assert_allclose(data[0], (VOLUMES[0][:3] - mean[0])[:, :, :4, 1:5], atol=1e-5)
    np.testing.assert_array_equal(truth[0], VOLUMES[0][3:, :, :4, 1:5])
    assert volumes("rand_skip: 1").layer.records() == 3
    with pytest.raises(DataError, match="The mean file is"):
        volumes('mean_file: "mean" num_truth_channels: 2')


def test_shuffled_and_gone_on(folder):
    layer = volumes("shuffle: true", phase=caffelike.TRAIN)
    first = [layer.forward()[0].copy() for _ in range(4)]
    state = layer.layer.state()
    rest = [layer.forward()[0].copy() for _ in range(4)]
    layer.layer.restore(state)
    np.testing.assert_array_equal(rest, [layer.forward()[0] for _ in range(4)])
    assert len({values.tobytes() for values in first[:3]}) == 3


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ("mirror: true", ModelError, "mirror needs a crop_size"),
        ("clip_min: 3 clip_max: 3", ModelError, "must be less than clip_max"),
        ("num_truth_channels: 0", ModelError, "1 or more"),
        ("num_truth_channels: 4", DataError, "has 4 channels, of which 4"),
        ("crop_size: 6", DataError, "crop_size 6 is larger than the 5x6"),
        ('root_folder: "no/"', FileError, "Could not open volume no/0.bin"),
    ],
)
def test_refused(folder, options, error, words):
    with pytest.raises(error, match=words):
        volumes(options)


def test_files_that_are_no_volumes(folder):
    write(folder / "0.bin", VOLUMES[0][:, :, :, :5])
    with pytest.raises(DataError, match="the first volume of its batch"):
        volumes("batch_size: 2").forward()
    (folder / "0.bin").write_bytes(b"1234567")
    with pytest.raises(DataError, match=r"0.bin is no volume: its 7 bytes"):
        volumes()
    (folder / "list.txt").write_text("\n")
    with pytest.raises(DataError, match="lists no volumes"):
        volumes()
