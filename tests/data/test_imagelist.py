import numpy as np
import pytest
from PIL import Image

from caffelike.data.imagelist import Folder, ImageProducer, read_list
from caffelike.data.prefetch import Slot
from caffelike.data.shard import Shard
from caffelike.data.tolerance import skipping_bad_records
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError, FileError
from caffelike.schema import TEST, TRAIN, TransformationParameter


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


@pytest.mark.parametrize("text", ["a.jpg", "a.jpg x", "a.jpg nan", " 3", "a.jpg 1,2", "a.jpg 1,"])
def test_a_line_that_is_no_entry_is_named(tmp_path, text):
    path = tmp_path / "list"
    path.write_text(f"a.jpg 1\n{text}\n")
    with pytest.raises(DataError, match=r"list:2: .* (is no entry|has 2 label)"):
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


def test_floats_several_labels_and_none(tmp_path):
    path = tmp_path / "list"
    path.write_text("a b.jpg 0.5\nc.jpg 2\n")
    assert read_list(str(path)) == [("a b.jpg", 0.5), ("c.jpg", 2)]
    path.write_text("a b.jpg 1 0 0.5\nc 3 d.jpg 0 1 -2\n")
    assert read_list(str(path), 3) == [("a b.jpg", (1, 0, 0.5)), ("c 3 d.jpg", (0, 1, -2))]
    path.write_text("a b.jpg 1,0,0.5\nc.jpg 0,1,-2\n")
    assert read_list(str(path)) == [("a b.jpg", (1, 0, 0.5)), ("c.jpg", (0, 1, -2))]
    path.write_text("a b.jpg\nc.jpg 3\n")
    assert read_list(str(path), kind="none") == [("a b.jpg", None), ("c.jpg 3", None)]
    path.write_text("a b.jpg a_labels.png\n")
    assert read_list(str(path), kind="image") == [("a b.jpg", "a_labels.png")]
    path.write_text("a.jpg 1 2\nb.jpg 3\n")
    with pytest.raises(DataError, match=r"list:2: .*2 labels, numbers"):
        read_list(str(path), 2)


def test_batches_of_several_labels(folder):
    (folder / "list.txt").write_text("".join(f"a {i}.png {i} {i / 2} -1\n" for i in range(6)))
    transformer = Transformer(TransformationParameter(), TEST, 1, "data")
    lines = read_list("list.txt", 3)
    producer = ImageProducer(lines, "list.txt", "im/", "", transformer, 2, None, True, False, 0)
    assert producer.shapes() == [(2, 3, 4, 6), (2, 3)]
    assert producer.produce(Slot()).arrays[1].tolist() == [[0, 0, -1], [1, 0.5, -1]]


def segmented(folder, phase=TRAIN, size=None, **options):
    """Pictures whose blue channel is their label image."""
    text = ""
    for i in range(4):
        labels = np.random.default_rng(i).integers(0, 200, (12, 10), np.uint8)
        Image.fromarray(np.dstack([labels] * 3)).save(folder / f"{i}.png")
        Image.fromarray(labels).save(folder / f"{i} labels.png")
        text += f"{i}.png {i}labels.png\n"
        (folder / f"{i} labels.png").rename(folder / f"{i}labels.png")
    (folder / "list.txt").write_text(text)
    transformer = Transformer(TransformationParameter(**options), phase, 1, "data")
    lines = read_list("list.txt", kind="image")
    return ImageProducer(lines, "list.txt", "", "", transformer, 3, size, True, False, 0)


def test_label_images_go_where_their_pictures_go(folder):
    producer = segmented(folder, crop_size=7, mirror=True, scale=0.5, mean_value=[8])
    assert producer.shapes() == [(3, 3, 7, 7), (3, 1, 7, 7)]
    for _ in range(4):
        data, labels = producer.produce(Slot()).arrays
        np.testing.assert_array_equal((labels[:, 0] - 8) / 2, data[:, 0])
    producer = segmented(folder, TEST, (6, 5))
    data, labels = producer.produce(Slot()).arrays
    assert labels.shape == (3, 1, 6, 5)
    whole = np.asarray(Image.open("0.png"))[:, :, 0]
    np.testing.assert_array_equal(labels[0, 0], whole[::2, ::2])


def test_a_label_image_of_another_size_is_named(folder):
    producer = segmented(folder)
    Image.new("L", (3, 4)).save(folder / "1labels.png")
    with pytest.raises(DataError, match=r"label image '1labels.png' has 4x3 .* '1.png' 12x10"):
        producer.produce(Slot())
    Image.new("RGB", (10, 12)).save(folder / "1labels.png")
    with pytest.raises(DataError, match="has colours"):
        producer.produce(Slot())


@pytest.mark.parametrize("shuffle", [False, True])
def test_shares_are_disjoint_and_complete(folder, shuffle):
    whole = labels(make(batch=12, shuffle=shuffle), 1)
    for rank in range(3):
        transformer = Transformer(TransformationParameter(), TEST, 1, "data")
        lines = read_list("list.txt")
        shard = Shard(rank, 3)
        producer = ImageProducer(lines, "list.txt", "im/", "", transformer, 2, None, True, shuffle, 0, shard)
        assert labels(producer, 2) == whole[rank::3]


@pytest.mark.parametrize("bad", [0, 2, 5])
def test_bad_images_are_left_out(folder, caplog, bad):
    (folder / "im" / f"a {bad}.png").unlink()
    with skipping_bad_records(1):
        producer = make(batch=4)
    assert producer.shapes()[0] == (4, 3, 4, 6)
    good = [i for i in range(6) if i != bad]
    assert labels(producer, 5) == good * 4
    assert caplog.text.count("Skipped (1 of at most 1)") == 1
    for i in good:
        (folder / "im" / f"a {i}.png").unlink()
    with skipping_bad_records(10), pytest.raises(FileError, match="image"):
        make(batch=4).produce(Slot())
