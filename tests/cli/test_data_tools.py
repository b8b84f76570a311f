"""The converters on the command line, in Caffe's own words."""

import json
import struct

import numpy as np
import pytest
from PIL import Image

from caffelike.data.lmdb import LMDB


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder with two images and their list."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    for i in range(2):
        Image.new("RGB", (8, 6), (i, 2, 3)).save(f"img/{i}.png")
    (tmp_path / "list.txt").write_text("0.png 0\n1.png 1\n")
    return tmp_path


def count(path):
    source = LMDB(str(path))
    found = len(list(source.records()))
    source.close()
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("convert_imageset", "-resize_height", "4", "-resize_width=4", "--shuffle", "img/", "list.txt", "db"),
        ("convert-imageset", "img/", "list.txt", "db", "--resize_height=4", "--resize-width", "4", "-gray=false"),
        ("--resize_width=4", "-resize_height=4", "convert_imageset", "--backend=lmdb", "img/", "list.txt", "db"),
    ],
)
def test_from_images_to_a_mean(run, folder, words):
    result = run(*words)
    assert result.code == 0, result.err
    assert "A total of 2 images." in result.err
    assert "Processed 2 files." in result.err
    assert count("db") == 2
    result = run("compute_image_mean", "-backend=lmdb", "db", "mean.binaryproto")
    assert result.code == 0
    assert "mean_value channel [2]: 0.5" in result.err
    assert (folder / "mean.binaryproto").stat().st_size > 4 * 48


def test_a_folder_of_classes(run, folder):
    (folder / "set").mkdir()
    (folder / "img").rename(folder / "set" / "cat")
    assert run("convert_imageset", "set/", "db").code == 0
    assert count("db") == 2


XML = """<annotation><size><width>8</width><height>6</height></size>
<object><name>cat</name><difficult>1</difficult>
<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>6</xmax><ymax>6</ymax></bndbox></object></annotation>"""
JSON = '{"image": {"width": 8, "height": 6}, "annotation": [{"bbox": [2, 3, 4, 3], "category_id": 5, "iscrowd": 1}]}'
CLASSES = 'item { name: "cat" label: 3 } item { name: "5" label: 3 }'


@pytest.mark.parametrize(("kind", "text"), [("xml", XML), ("json", JSON)])
@pytest.mark.parametrize("more", [(), ("--encoded",)])
def test_boxes(run, folder, kind, text, more):
    import caffelike

    (folder / "map.prototxt").write_text(CLASSES)
    (folder / "img" / "a").write_text(text)
    (folder / "boxes.txt").write_text("1.png a\n0.png a\n")
    words = ("convert_annoset", "img/", "boxes.txt", "db", "--label_map_file=map.prototxt", f"--label_type={kind}")
    result = run(*words, *more)
    assert result.code == 0, result.err
    (folder / "net.prototxt").write_text(
        """layer { name: "x" type: "AnnotatedData" top: "x" top: "t"
        data_param { source: "db" backend: LMDB batch_size: 2 } }"""
    )
    with caffelike.Net("net.prototxt", caffelike.TEST) as net:
        net.forward()
        assert net.blobs["t"].data[0, 0].tolist() == [[i, 3, 0, 0.25, 0.5, 0.75, 1, 1] for i in (0, 1)]
        assert net.blobs["x"].data[:, :, 0, 0].tolist() == [[3, 2, 1], [3, 2, 0]]


def test_boxes_that_cannot_be_used(run, folder):
    (folder / "map.prototxt").write_text('item { name: "dog" label: 3 }')
    (folder / "boxes.txt").write_text("1.png a\n")
    words = ("convert_annoset", "img/", "boxes.txt", "db", "--label_map_file=map.prototxt")
    assert "no annotation img/a" in run(*words).err
    (folder / "img" / "a").write_text(XML)
    assert "name cat" in run(*words).err
    (folder / "img" / "a").write_text("<annotation/>")
    assert "img/a cannot be used" in run(*words).err


def test_boxes_that_are_left_out_are_counted(run, folder):
    """One image has no annotation, another is no image: two of four lines are in the data base."""
    (folder / "map.prototxt").write_text(CLASSES)
    (folder / "img" / "a").write_text(XML)
    (folder / "img" / "bad.png").write_text("no image")
    (folder / "boxes.txt").write_text("1.png a\n1.png nowhere\nbad.png a\n0.png a\n")
    words = ("convert_annoset", "img/", "boxes.txt", "db", "--label_map_file=map.prototxt")
    result = run(*words)
    assert result.code == 0
    assert "2 of 4 images could not be read and are not in db: 1.png, bad.png" in result.err
    assert count("db") == 2
    assert "two names have one label" in run(*words, "--check_label").err


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--max_dim=6"], (6, 4)),  # 10 x 6 becomes 6 x 3.6
        (["--min_dim=9"], (15, 9)),
        (["--min_dim=12", "--max_dim=15"], (15, 9)),
        (["--min_dim=3", "--max_dim=30"], (10, 6)),
    ],
)
@pytest.mark.parametrize("encoded", [True, False])
def test_sides_of_images_with_boxes(run, folder, options, size, encoded):
    import caffelike

    (folder / "map.prototxt").write_text(CLASSES)
    (folder / "img" / "a").write_text(XML)
    Image.new("RGB", (10, 6)).save(folder / "img" / "wide.png")
    (folder / "boxes.txt").write_text("wide.png a\n")
    more = ["--encoded"] if encoded else []
    assert run("convert_annoset", "img/", "boxes.txt", "db", "--label_map_file=map.prototxt", *options, *more).code == 0
    (folder / "net.prototxt").write_text(
        """layer { name: "x" type: "AnnotatedData" top: "x" data_param { source: "db" backend: LMDB batch_size: 1 } }"""
    )
    with caffelike.Net("net.prototxt", caffelike.TEST) as net:
        assert net.blobs["x"].shape[:1:-1] == size


def test_sizes_and_proportions_of_images_with_boxes(run, folder):
    (folder / "map.prototxt").write_text(CLASSES)
    (folder / "img" / "a").write_text(XML)
    Image.new("RGB", (10, 6)).save(folder / "img" / "wide.png")
    (folder / "boxes.txt").write_text("0.png a\nwide.png a\n")
    words = ("convert_annoset", "img/", "boxes.txt", "db", "--label_map_file=map.prototxt")
    assert "img/wide.png is 6x10x3" in run(*words, "--check_size").err
    assert "keep an image's proportions" in run(*words, "--min_dim=3", "--resize_width=4", "--resize_height=4").err


def test_mnist_and_cifar(run, folder):
    (folder / "i").write_bytes(struct.pack(">4I", 2051, 2, 1, 1) + b"ab")
    (folder / "l").write_bytes(struct.pack(">2I", 2049, 2) + b"\0\1")
    assert run("convert_mnist_data", "i", "l", "db", "--backend=lmdb").code == 0
    assert count("db") == 2
    (folder / "data_batch_1.bin").write_bytes(bytes(3073 * 2))
    (folder / "test_batch.bin").write_bytes(bytes(3073))
    assert run("convert_cifar_data", ".", ".", "lmdb").code == 0
    assert (count("cifar10_train_lmdb"), count("cifar10_test_lmdb")) == (2, 1)


def test_features(run, folder):
    run("convert_imageset", "img/", "list.txt", "db")
    (folder / "net.prototxt").write_text(
        """layer { name: "x" type: "Data" top: "x" data_param { source: "db" backend: LMDB batch_size: 2 } }
        layer { name: "p" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 } }"""
    )
    import caffelike

    net = caffelike.Net("net.prototxt", caffelike.TEST)
    net.save("w.caffemodel")
    net.close()
    result = run("extract_features", "w.caffemodel", "net.prototxt", "y,x", "y.npy,x.npy", "1", "npy", "CPU", "0")
    assert result.code == 0, result.err
    assert np.load("y.npy").shape == (2, 3)
    result = run("extract_features", "w.caffemodel", "net.prototxt", "y", "z.npy", "1", "npy", "GPU", "0")
    assert result.code == 1
    assert "Cannot use GPU" in result.err


def test_errors_are_one_message(run, folder):
    result = run("convert_imageset", "nowhere/", "list.txt", "db")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("caffelike: error: None of the 2 images could be read")
    assert run("convert_imageset", "img/").code == 1
    assert run("convert_imageset", "img/", "list.txt", "db", "-resize_hieght", "4").err.count("resize_height") == 1


def test_split(run, folder):
    result = run("split_imageset", "list.txt", "--parts", "train=0.5,test=0.5")
    assert (result.code, result.out) == (0, "train.txt: 2 images\ntest.txt: 0 images\n")  # one image of each class
    assert json.loads(run("split_imageset", "list.txt", "--parts", "train=1", "--json").out) == {"train": 2}
    assert "--parts takes names" in run("split_imageset", "list.txt", "--parts", "0.5").err


def test_digits(run, folder):
    pytest.importorskip("sklearn")
    assert run("convert_digits_data").out == "digits_train_lmdb: 1437 digits\ndigits_test_lmdb: 360 digits\n"
    assert count("digits_test_lmdb") == 360
    assert "exists already" in run("convert_digits_data").err
