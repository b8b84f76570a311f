import os

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike.data import datum, images
from caffelike.data.lmdb import LMDB
from caffelike.data.resize import resize
from caffelike.errors import DataError, FileError
from caffelike.tools import convert_imageset


def records(path, source=LMDB):
    """{key: record with its own bytes} of a data base."""
    opened = source(str(path))
    found = {bytes(key).decode(): datum.parse(bytes(value)) for key, value in opened.records()}
    opened.close()
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with images a.png (6x8), b c.jpg (6x8), gray.png, broken.png in img/ and a list of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).save("img/a.png")
    Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).save("img/b c.jpg")
    Image.fromarray(random.integers(0, 256, (6, 8), np.uint8)).save("img/gray.png")
    (tmp_path / "img" / "broken.png").write_bytes(b"no image")
    (tmp_path / "list.txt").write_text("a.png 3\nb c.jpg 1\nbroken.png 2\ngray.png -4\n\nabsent.png 1\n")
    return tmp_path


def test_records_are_caffes(folder, caplog):
    caplog.set_level("INFO", logger="caffelike")
    done = convert_imageset("img/", "list.txt", "db")
    assert (done.records, done.unreadable) == (3, ["broken.png", "absent.png"])
    found = records("db")
    assert list(found) == ["00000000_a.png", "00000001_b c.jpg", "00000003_gray.png"]
    assert [r.label for r in found.values()] == [3, 1, -4]
    for name, record in found.items():
        assert (record.pixels() == images.read(f"img/{name[9:]}").transpose(2, 0, 1)).all()
    lines = [record.getMessage() for record in caplog.records]
    assert "A total of 5 images." in lines
    assert "Processed 3 files." in lines
    assert "2 of 5 images could not be read and are not in db: broken.png, absent.png" in lines
    assert sorted(os.listdir()) == ["db", "img", "list.txt"]


def test_gray_and_resized(folder):
    convert_imageset("img/", "list.txt", "db", gray=True, resize_height=4, resize_width=5, check_size=True)
    record = records("db")["00000000_a.png"]
    assert (record.channels, record.height, record.width) == (1, 4, 5)
    assert (record.pixels()[0] == resize(images.read("img/a.png", False), 4, 5)[:, :, 0]).all()
    with pytest.raises(DataError, match="belong together"):
        convert_imageset("img/", "list.txt", "other", resize_height=4)


def test_encoded_files_are_kept_as_they_are_unless_something_changes(folder):
    convert_imageset("img/", "list.txt", "same", encoded=True)
    record = records("same")["00000001_b c.jpg"]
    assert (record.encoded, bytes(record.data)) == (True, (folder / "img" / "b c.jpg").read_bytes())
    convert_imageset("img/", "list.txt", "png", encode_type="png", resize_height=3, resize_width=3)
    record = records("png")["00000000_a.png"]
    assert (images.decode(record.data) == resize(images.read("img/a.png"), 3, 3)).all()
    (folder / "img" / "noname").write_bytes((folder / "img" / "a.png").read_bytes())
    (folder / "l").write_text("noname 0\na.png 1\n")
    assert convert_imageset("img/", "l", "named", encoded=True).unreadable == ["noname"]
    assert convert_imageset("img/", "l", "jpegs", encode_type="jpg").records == 2


def test_shuffle_is_an_order_of_its_seed(folder):
    (folder / "many").write_text("".join(f"a.png {i}\n" for i in range(30)))
    orders = []
    for i, seed in enumerate((1, 1, 2)):
        convert_imageset("img/", "many", f"db{i}", shuffle=True, seed=seed)
        found = records(f"db{i}")
        assert list(found) == [f"{k:08d}_a.png" for k in range(30)]
        orders.append([r.label for r in found.values()])
    assert sorted(orders[0]) == list(range(30)) != orders[0]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("lines", ["a.png 0.5 1 -2\ngray.png 1 0 3\n", "a.png 0.5,1,-2\ngray.png 1,0,3\n"])
def test_several_labels_lie_beside_the_pixels(folder, lines):
    (folder / "list.txt").write_text(lines)
    done = convert_imageset("img/", "list.txt", "db", labels=1 if "," in lines else 3)
    assert done.labels == 3
    assert [r.label for r in records("db").values()] == [0, 1]  # what Caffe would have taken for the labels
    (folder / "net.prototxt").write_text(
        """layer { name: "x" type: "Data" top: "x" top: "y"
        data_param { source: "db" backend: LMDB batch_size: 2 labels: 3 } }"""
    )
    net = caffelike.Net("net.prototxt", caffelike.TRAIN)
    net.forward()
    assert net.blobs["y"].data.tolist() == [[0.5, 1, -2], [1, 0, 3]]
    assert (net.blobs["x"].data[1] == images.read("img/gray.png").transpose(2, 0, 1)).all()
    net.close()


def test_folders_as_classes(folder):
    for name in ("dog", "cat"):
        (folder / "set" / name).mkdir(parents=True)
        (folder / "set" / name / "1.png").write_bytes((folder / "img" / "a.png").read_bytes())
        (folder / "set" / name / "notes.txt").write_text("no image")
    done = convert_imageset("set", None, "db")
    assert done.classes == ["cat", "dog"]
    assert (folder / "db_classes.txt").read_text() == "cat\ndog\n"
    assert {key: r.label for key, r in records("db").items()} == {"00000000_cat/1.png": 0, "00000001_dog/1.png": 1}
    with pytest.raises(DataError, match="no folders with images"):
        convert_imageset("img", None, "other")
    with pytest.raises(FileError, match="is no folder"):
        convert_imageset("nowhere", None, "other")


def test_a_missing_slash_is_noticed(folder, caplog):
    assert convert_imageset("img", "list.txt", "db").records == 3
    assert "img does not end with '/'; taking img/ as ROOTFOLDER." in caplog.messages


def test_nothing_is_left_behind(folder):
    before = sorted(os.listdir())
    with pytest.raises(DataError, match=r"None of the 5 images could be read, so there is no db; .* nowhere/a\.png"):
        convert_imageset("nowhere/", "list.txt", "db")
    Image.new("RGB", (9, 9)).save("img/absent.png")
    with pytest.raises(DataError, match=r"Incorrect data field size: img/absent\.png is 9x9x3 .* first image is 6x8x3"):
        convert_imageset("img/", "list.txt", "db", check_size=True)
    assert sorted(os.listdir()) == before
    (folder / "db").mkdir()
    with pytest.raises(FileError, match="db exists already"):
        convert_imageset("img/", "list.txt", "db")
    with pytest.raises(DataError, match="Unknown db backend 'sqlite'; choose lmdb or leveldb"):
        convert_imageset("img/", "list.txt", "new", backend="sqlite")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png\n", r"list\.txt:1: 'a\.png' is no entry"),
        ("a.png 1\nb.png x\n", r"list\.txt:2: 'b\.png x' is no entry"),
        ("a.png 1\nb.png 1,2\n", r"list\.txt:2: 'b\.png' has 2 label\(s\), but the first line 1"),
        ("a.png nan\n", r"list\.txt:1"),
        (" \n", "lists no images"),
        ("a.png 1\nb.png 0.5\nc.png 1 2,3\n", r"list\.txt:3: .* has 2 label"),
    ],
)
def test_lists_that_make_no_sense(folder, text, message):
    (folder / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        convert_imageset("img/", "list.txt", "db")


def test_leveldb(folder):
    pytest.importorskip("plyvel")
    from caffelike.data.leveldb import LevelDB

    convert_imageset("img/", "list.txt", "db", backend="leveldb")
    assert [r.label for r in records("db", LevelDB).values()] == [3, 1, -4]
