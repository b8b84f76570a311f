import numpy as np
import pytest
from PIL import Image

from caffelike.data.imagelist import Folder
from caffelike.data.prefetch import Slot
from caffelike.data.transformer import Transformer
from caffelike.data.windows import Warp, Window, WindowProducer, place, read_windows
from caffelike.errors import DataError
from caffelike.schema import TRAIN, TransformationParameter

TEXT = """# 0
a.png 3 20 30 3
5 0.8 2 3 11 12
1 0.5 0 0 29 19
7 0.3 4 4 8 9
# 1
b.png
3 20 30
2
2 0.6 10 5 19 14
3 0.1 1 1 5 5
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "windows.txt").write_text(TEXT)
    generator = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(generator.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def make(folder, batch=8, share=0.25, pad=0, square=False, scale=1.0, cache=False, seed=1, **options):
    file = read_windows(str(folder / "windows.txt"), 0.5, 0.5)
    transformer = Transformer(TransformationParameter(**{"crop_size": 10, **options}), TRAIN, seed, "data")
    return WindowProducer(file, Folder(f"{folder}/", ""), transformer, batch, share, pad, square, scale, cache)


def test_objects_and_background_are_told_apart(folder):
    file = read_windows(str(folder / "windows.txt"), 0.5, 0.2)
    assert (file.images, file.channels) == (["a.png", "b.png"], 3)
    assert file.objects == [(0, 5, 2, 3, 11, 12), (0, 1, 0, 0, 29, 19), (1, 2, 10, 5, 19, 14)]
    assert file.background == [(1, 0, 1, 1, 5, 5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("x 0 a.png 3 1 1 0", "image number 0 cannot be read: expected '#'"),
        ("# 0 a.png 3 1 1 2 1 0.9 0 0 1", "image number 0 cannot be read"),
        ("# 0 a.png 3 1", "image number 0 cannot be read"),
        ("# 0 a.png 3 9 9 1 0 0.9 0 0 1 1", "object of class 0"),
    ],
)
def test_damaged_window_files(tmp_path, text, words):
    (tmp_path / "windows.txt").write_text(text)
    with pytest.raises(DataError, match=words):
        read_windows(str(tmp_path / "windows.txt"), 0.5, 0.5)


def test_background_first_then_objects(folder):
    batch = make(folder, batch=9, share=0.25).produce(Slot())
    assert [label > 0 for label in batch.arrays[1]] == [False] * 7 + [True] * 2
    assert batch.keys[0].split()[0] in ("a.png", "b.png")


def test_a_window_of_the_output_s_size_is_copied(folder):
    producer = make(folder, batch=40, share=1)
    batch = producer.produce(Slot())
    image = np.asarray(Image.open(folder / "a.png"))[3:13, 2:12, ::-1].transpose(2, 0, 1)
    chosen = [i for i, label in enumerate(batch.arrays[1]) if label == 5]
    assert chosen
    for i in chosen:
        np.testing.assert_array_equal(batch.arrays[0][i], image)


def test_mirror_mean_and_scale(folder):
    options = {"batch": 40, "share": 1, "mean_value": [1, 2, 3], "scale": 0.5}
    plain = make(folder, **options).produce(Slot())
    mirrored = make(folder, mirror=True, cache=True, **options).produce(Slot())
    same = [np.array_equal(a, b) for a, b in zip(plain.arrays[0], mirrored.arrays[0], strict=True)]
    assert 5 < sum(same) < 35
    for a, b, equal in zip(plain.arrays[0], mirrored.arrays[0], same, strict=True):
        np.testing.assert_array_equal(b, a if equal else a[:, :, ::-1])
    i = list(plain.arrays[1]).index(5)
    image = np.asarray(Image.open(folder / "a.png"))[3:13, 2:12, ::-1].transpose(2, 0, 1).astype(np.float32)
    np.testing.assert_array_equal(plain.arrays[0][i], (image - np.array([1, 2, 3])[:, None, None]) * 0.5)


def test_places_worked_by_hand():
    window = Window(0, 1, 4, 4, 13, 13)
    assert place(window, (20, 30), 10, 0, False, False) == Warp(slice(4, 14), slice(4, 14), 10, 10, 0, 0)
    # crop 20, pad 5: the window's side doubles, from 4 + 5 - 10 = -1 to 19 on both axes; 21 pixels become 20.
    assert place(window, (30, 40), 20, 5, False, False) == Warp(slice(0, 20), slice(0, 20), 19, 19, 1, 1)
    # The square of a wide window goes over the upper border: centre y 5, half side 10, rows -5 to 15.
    wide = Window(0, 1, 10, 4, 29, 5)
    found = place(wide, (40, 40), 21, 0, True, False)
    assert found == Warp(slice(0, 16), slice(10, 31), 16, 21, 5, 0)
    # Mirroring moves the empty columns of the right side to the left: 6 of 21 behind the border, 5.7 of 20.
    right = Window(0, 1, 30, 10, 39, 19)
    assert place(right, (40, 40), 20, 5, False, False).left == 0
    assert place(right, (40, 40), 20, 5, False, True).left == 6


def test_what_is_outside_the_image_stays_zero(folder):
    producer = make(folder, batch=60, share=1, pad=3, mean_value=[500])
    batch = producer.produce(Slot())
    whole = [values for values, label in zip(batch.arrays[0], batch.arrays[1], strict=True) if label == 1]
    assert whole
    assert (whole[0][:, 0] == 0).all()
    assert (whole[0][:, 4:6, 4:6] < 0).all()


def test_windows_outside_the_image_are_named(folder):
    (folder / "windows.txt").write_text("# 0 a.png 3 20 30 2 1 0.9 25 0 30 5 1 0 0 0 5 5")
    with pytest.raises(DataError, match=r"image 'a\.png' cannot be used: its window \(25, 0, 30, 5\) is not inside"):
        make(folder, share=1).produce(Slot())
    (folder / "windows.txt").write_text("# 0 a.png 3 20 30 2 1 0.9 50 50 60 60 1 0 0 0 5 5")
    with pytest.raises(DataError, match="is outside the image"):
        make(folder, share=1, pad=2).produce(Slot())


def test_a_batch_needs_windows_of_both_kinds(folder):
    (folder / "windows.txt").write_text("# 0 a.png 3 20 30 1 1 0.9 0 0 3 3")
    with pytest.raises(DataError, match="no background window, but a batch needs 6"):
        make(folder)
    assert make(folder, share=1).produce(Slot()).arrays[1].tolist() == [1] * 8


def test_going_on(folder):
    whole = make(folder, mirror=True)
    whole.produce(Slot())
    other = make(folder, seed=9, mirror=True, cache=True)
    other.seek(dict(whole.position))
    a, b = whole.produce(Slot()), other.produce(Slot())
    assert a.keys == b.keys
    np.testing.assert_array_equal(a.arrays[0], b.arrays[0])
