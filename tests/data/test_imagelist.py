import numpy as np
import pytest
from PIL import Image

from caffelike.data.imagelist import Folder, ImageProducer, read_list
from caffelike.data.prefetch import Slot
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError, FileError
from caffelike.schema import TEST, TransformationParameter


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "im").mkdir()
    for i in range(6):
        Image.new("RGB", (6, 4), (10 * i, 2, 1)).save(tmp_path / "im" / f"a {i}.png")
    (tmp_path / "list.txt").write_text("".join(f"a {i}.png {i}\n" for i in range(6)))
    return tmp_path


def make(batch=4, root="im/", beside="", size=None, color=True, shuffle=False, skip=0, seed=1, **options):
    transformer = Transformer(TransformationParameter(**options), TEST, seed, "data")
    lines = read_list("list.txt")
    return ImageProducer(lines, "list.txt", root, beside, transformer, batch, size, color, shuffle, skip)


def labels(producer, batches):
    return [int(label) for _ in range(batches) for label in producer.produce(Slot()).arrays[1]]


def test_lines(tmp_path):
    path = tmp_path / "list"
    path.write_bytes("﻿a b.jpg 3\r\n\r\nä.png -1  \nc\t 7\n".encode())
    assert read_list(str(path)) == [("a b.jpg", 3), ("ä.png", -1), ("c\t", 7)]
    path.write_bytes(b"\xe4.png 1\n")
    assert read_list(str(path)) == [("ä.png", 1)]


@pytest.mark.parametrize("text", ["a.jpg", "a.jpg x", "a.jpg 1.5", " 3"])
def test_a_line_that_is_no_entry_is_named(tmp_path, text):
    path = tmp_path / "list"
    path.write_text(f"a.jpg 1\n{text}\n")
    with pytest.raises(DataError, match=r"list:2: .* is no entry"):
        read_list(str(path))


def test_missing_and_empty_lists(tmp_path):
    with pytest.raises(FileError, match="image list"):
        read_list(str(tmp_path / "none"))
    (tmp_path / "list").write_text("\n\n")
    with pytest.raises(DataError, match="lists no images"):
        read_list(str(tmp_path / "list"))


def test_in_order_with_wrapping(folder):
    producer = make()
    assert producer.shapes() == [(4, 3, 4, 6), (4,)]
    batch = producer.produce(Slot())
    assert batch.keys == [f"a {i}.png" for i in range(4)]
    assert batch.arrays[0][:, :, 0, 0].tolist() == [[1, 2, 10 * i] for i in range(4)]
    batch = producer.produce(Slot())
    assert batch.arrays[1].tolist() == [4, 5, 0, 1]
    assert len(batch.notes) == 1


def test_resized_gray_and_cropped(folder):
    producer = make(size=(8, 9), color=False, crop_size=7)
    assert producer.shapes()[0] == (4, 1, 7, 7)
    assert producer.produce(Slot()).arrays[0].shape == (4, 1, 7, 7)


def test_shuffled_anew_in_every_pass(folder):
    order = labels(make(batch=3, shuffle=True), 20)
    passes = [order[i : i + 6] for i in range(0, 60, 6)]
    assert all(sorted(one) == list(range(6)) for one in passes)
    assert len({tuple(one) for one in passes}) > 5
    assert order == labels(make(batch=3, shuffle=True), 20)
    assert order != labels(make(batch=3, shuffle=True, seed=2), 20)


def test_going_on(folder):
    whole = make(shuffle=True, skip=3)
    labels(whole, 4)
    other = make(shuffle=True, skip=3, seed=77)
    other.seek(dict(whole.position))
    assert labels(other, 5) == labels(whole, 5)


def test_rand_skip(folder):
    starts = {labels(make(batch=1, skip=3, seed=seed), 1)[0] for seed in range(30)}
    assert starts == {0, 1, 2}
    with pytest.raises(DataError, match="Not enough points to skip"):
        make(skip=1_000_000)


def test_where_images_are(folder, monkeypatch):
    with pytest.raises(FileError, match="let it end with '/'"):
        make(root="im").shapes()
    monkeypatch.chdir(folder / "im")
    found = Folder("im/", str(folder))
    assert found.path("a 1.png") == str(folder / "im" / "a 1.png")
    assert found.path("none.png") == str(folder / "im" / "none.png")


def test_a_missing_or_damaged_image_is_named(folder):
    (folder / "im" / "a 2.png").unlink()
    with pytest.raises(FileError, match=r"im/a 2\.png"):
        make().produce(Slot())
    (folder / "im" / "a 2.png").write_text("x")
    with pytest.raises(DataError, match=r"im/a 2\.png"):
        make().produce(Slot())
    Image.new("RGB", (5, 4)).save(folder / "im" / "a 2.png")
    with pytest.raises(DataError, match=r"'a 2\.png' is 3x4x5 .* 'a 0\.png', 3x4x6"):
        make().produce(Slot())
    assert np.isfinite(make(batch=1).produce(Slot()).arrays[0]).all()
    with pytest.raises(DataError, match=r"'a 0\.png' cannot be used: crop_size 5"):
        make(crop_size=5).shapes()
