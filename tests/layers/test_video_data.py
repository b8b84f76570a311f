import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike.errors import DataError, FileError, ModelError
from caffelike.schema import NetParameter, message_class, text


@pytest.fixture
def videos(tmp_path):
    """Two videos of 12 frames of 8x10 pixels: frame f of video v is (v, f, column) in red, green, blue."""
    for v in range(2):
        folder = tmp_path / f"v{v}"
        folder.mkdir()
        for f in range(1, 13):
            pixels = np.zeros((8, 10, 3), np.uint8)
            pixels[..., 0], pixels[..., 1], pixels[..., 2] = v, f, np.arange(10)
            Image.fromarray(pixels).save(folder / f"{f:06d}.png")
            for i, axis in enumerate("xy"):
                Image.fromarray(np.full((8, 10), 10 * f + 100 * i, np.uint8)).save(folder / f"flow_{axis}_{f:05d}.png")
    (tmp_path / "clips.txt").write_text("v0 2 3\nv1 5 7\n")
    (tmp_path / "lengths.txt").write_text("v0 12 3\nv1 9 7\n")
    # C3D names its frames .jpg; the reader looks at what is in the files
    for path in tmp_path.glob("v*/*.png"):
        path.rename(path.with_suffix(".jpg"))
    return tmp_path


def net(folder, options, transform="", phase=caffelike.TRAIN, message="video_data_param"):
    definition = (
        f'layer {{ name: "d" type: "VideoData" top: "data" top: "label" transform_param {{ {transform} }}'
        f' {message} {{ root_folder: "{folder}/" {options} }} }}'
    )
    return caffelike.Net.build(text.parse(definition, NetParameter, "n").message, phase)


def forward(made):
    made.forward()
    return made.blobs["data"].data.copy(), made.blobs["label"].data.tolist()


@pytest.mark.parametrize("message", ["video_data_param", "image_data_param"])
def test_worked_example_volumes(videos, message):
    with net(
        videos,
        f'source: "{videos}/clips.txt" batch_size: 2 new_length: 3 use_image: true',
        "mean_value: 1 crop_size: 4",
        caffelike.TEST,
        message,
    ) as made:
        data, label = forward(made)
    assert data.shape == (2, 3, 3, 4, 4)
    assert label == [3, 7]
    for i, start in enumerate((2, 5)):
        assert (data[i, 0] + 1)[0].tolist() == [[3, 4, 5, 6]] * 4  # blue: the columns around the middle
        assert (data[i, 1] + 1)[:, 0, 0].tolist() == [start, start + 1, start + 2]  # green: the frames
        assert (data[i, 2] + 1 == i).all()


def test_a_mean_of_clips(videos):
    mean = message_class("BlobProto")()
    mean.shape.dim.extend([1, 3, 2, 8, 10])
    values = np.arange(480, dtype=np.float32)
    mean.data.extend(values.tolist())
    (videos / "mean.binaryproto").write_bytes(mean.SerializeToString())
    options = f'source: "{videos}/clips.txt" batch_size: 1 new_length: 2 use_image: true'
    with net(videos, options, f'mean_file: "{videos}/mean.binaryproto"') as made:
        data, _ = forward(made)
    wanted = values.reshape(3, 2, 8, 10)
    np.testing.assert_array_equal(data[0, 0] + wanted[0], np.broadcast_to(np.arange(10), (2, 8, 10)))
    np.testing.assert_array_equal((data[0, 1] + wanted[1])[:, 0, 0], [2, 3])
    with pytest.raises(DataError, match=r"The mean file is \(2, 3, 8, 10\)"):
        net(videos, options.replace("new_length: 2", "new_length: 3"), f'mean_file: "{videos}/mean.binaryproto"')


def test_worked_example_segments(videos):
    options = f'source: "{videos}/lengths.txt" batch_size: 2 new_length: 2 num_segments: 3 modality: FLOW'
    with net(videos, options, phase=caffelike.TEST) as made:
        data, label = forward(made)
    assert data.shape == (2, 12, 8, 10)
    assert label == [3, 7]
    # 12 frames in parts of 4: 2 frames of each begin at places 0 .. 2, in the middle at 1; of 9, parts of 3, 0 .. 1
    x = [[2, 3, 6, 7, 10, 11], [1, 2, 4, 5, 7, 8]]
    np.testing.assert_array_equal(data[:, ::2, 0, 0], 10 * np.array(x))
    np.testing.assert_array_equal(data[:, 1::2, 0, 0], 10 * np.array(x) + 100)


def test_segments_at_random_places_and_mirrored_flow(videos):
    options = f'source: "{videos}/lengths.txt" batch_size: 1 new_length: 1 num_segments: 2 modality: FLOW shuffle: true'
    with net(videos, options, "mirror: true") as made:
        seen = [forward(made)[0][0, :, 0, 0] for _ in range(40)]
    inverted = [values for values in seen if values[0] > 130]
    assert 5 < len(inverted) < 35
    for values in seen:
        first = (255 - values[0] if values[0] > 130 else values[0]) / 10
        assert first in range(1, 7)
        assert values[1] == 10 * first + 100
    assert len({float(values[1]) for values in seen}) > 3


def test_cuts_of_several_scales(videos):
    options = f'source: "{videos}/lengths.txt" batch_size: 4 num_segments: 1 modality: RGB name_pattern: "%06d.jpg"'
    transform = "crop_size: 4 multi_scale: true scale_ratios: [1, 0.5] max_distort: 0 fix_crop: true"
    with net(videos, options, transform) as made:
        rows = np.concatenate([forward(made)[0][:, 0, 0] for _ in range(6)])
    found = {tuple(row) for row in rows.tolist()}
    # 8x8 at columns 0 or 2 (room 2, a quarter of it is 0), halved: means of two; 4x4 at columns 0, 2 or 4
    halves = {tuple(np.arange(s, s + 8).reshape(4, 2).mean(axis=1).round() + 0.0) for s in (0,)}
    assert {(0, 1, 2, 3), (4, 5, 6, 7)} <= found
    assert any(row[-1] - row[0] == 6 for row in found), (found, halves)
    assert all(row[-1] - row[0] in (3, 6) for row in found)


@pytest.mark.parametrize(
    ("options", "transform", "message"),
    [
        ("batch_size: 1", "", "needs video_data_param"),
        ('source: "x" video_file: "v.avi"', "", "video_file is not supported"),
        ('source: "x" new_height: 3', "", "go together"),
        ('source: "x"', 'mean_file: "m" mean_value: 1', "mean_file goes neither"),
    ],
)
def test_options_refused(tmp_path, options, transform, message):
    with pytest.raises(ModelError, match=message):
        net(tmp_path, options, transform)


def test_lists_and_frames_refused(videos):
    (videos / "bad.txt").write_text("v0 2\n")
    with pytest.raises(DataError, match=r"bad.txt:1: 'v0 2' is no entry"):
        net(videos, f'source: "{videos}/bad.txt"')
    with pytest.raises(DataError, match="crop_size 9 is larger than its 8x10"):
        net(videos, f'source: "{videos}/clips.txt" use_image: true', "crop_size: 9")


def test_declared_without_the_data(tmp_path):
    from caffelike.check import check

    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "d" type: "VideoData" top: "x" top: "l" transform_param { crop_size: 112 }'
        ' video_data_param { source: "none" batch_size: 2 new_length: 16 use_image: true } }'
        'layer { name: "c" type: "Convolution3D" bottom: "x" top: "y"'
        " convolution3d_param { num_output: 2 kernel_size: 3 kernel_depth: 17 } }"
    )
    assert ["a kernel of 17x3x3" in p.message.lower() for p in check(path) if p.level == "error"][:1] == [True]


STREAM = 'layer {{ name: "d" type: "VideoData" top: "data" top: "label" {} }}'


def stream(options, transform="", batch=2):
    parts = f"transform_param {{ {transform} }} data_param {{ batch_size: {batch} }} video_data_param {{ {options} }}"
    return caffelike.Net.build(text.parse(STREAM.format(parts), NetParameter, "n").message, caffelike.TEST)


@pytest.fixture
def video(tmp_path):
    """Five frames of 16x24 pixels: frame f is 40 f."""
    cv2 = pytest.importorskip("cv2")
    path = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (24, 16))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no videos")
    for f in range(5):
        writer.write(np.full((16, 24, 3), 40 * f, np.uint8))
    writer.release()
    return path


def test_frames_of_a_video(video):
    made = stream(f'video_type: VIDEO video_file: "{video}"', "resize_param { height: 6 width: 8 } mean_value: 10")
    seen = []
    for _ in range(2):
        data, label = forward(made)
        assert data.shape == (2, 3, 6, 8)
        assert label == [0, 0]
        seen += data.mean(axis=(1, 2, 3)).tolist()
    np.testing.assert_allclose(seen, [-10, 30, 70, 110], atol=3)  # JPEG
    with pytest.raises(DataError, match="no frame 6: it has ended"):
        made.forward()
    layer = made.layers[0]
    layer.restore({**layer.state(), "record": 1})
    np.testing.assert_allclose(forward(made)[0].mean(axis=(1, 2, 3)), [30, 70], atol=3)
    made.close()


def test_streams_refused(video, tmp_path):
    for options, said in (
        ("video_type: VIDEO", "video_file"),
        (f'video_type: VIDEO video_file: "{tmp_path}/none.avi"', "Could not open"),
        ('source: "x" video_file: "v.avi"', "video_file is not supported"),
    ):
        with pytest.raises((FileError, ModelError), match=said):
            stream(options)
