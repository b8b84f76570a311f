from collections import Counter

import pytest
from PIL import Image

from caffelike.errors import DataError, FileError
from caffelike.tools import split_imageset


def labels(path):
    return Counter(line.rpartition(" ")[2] for line in path.read_text().splitlines())


def test_every_class_is_divided_in_the_same_shares(tmp_path):
    lines = [f"a b/{i}.png {i % 2 if i < 40 else 2}" for i in range(50)]  # 20, 20 and 10 of a class
    (tmp_path / "all.txt").write_text("\n".join(lines) + "\n\n")
    assert split_imageset(tmp_path / "all.txt", tmp_path) == {"train": 40, "val": 5, "test": 5}
    assert labels(tmp_path / "train.txt") == {"0": 16, "1": 16, "2": 8}
    assert labels(tmp_path / "val.txt") == {"0": 2, "1": 2, "2": 1}
    every = [line for part in ("train", "val", "test") for line in (tmp_path / f"{part}.txt").read_text().splitlines()]
    assert sorted(every) == sorted(lines)
    first = (tmp_path / "train.txt").read_text()
    assert [line[-1] for line in first.splitlines()] != sorted(line[-1] for line in first.splitlines())
    split_imageset(tmp_path / "all.txt", tmp_path)
    assert (tmp_path / "train.txt").read_text() == first
    split_imageset(tmp_path / "all.txt", tmp_path / "new" / "lists", seed=1)
    assert (tmp_path / "new" / "lists" / "train.txt").read_text() != first
    with pytest.raises(FileError, match=r"Cannot make the folder .*all\.txt"):
        split_imageset(tmp_path / "all.txt", tmp_path / "all.txt" / "lists")


def test_a_folder_of_classes(tmp_path):
    for name in ("dog", "cat"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("L", (2, 2)).save(tmp_path / "set" / name / f"{i}.png")
    assert split_imageset(tmp_path / "set", tmp_path, {"a": 0.5, "b": 0.5}) == {"a": 4, "b": 4}
    assert (tmp_path / "classes.txt").read_text() == "cat\ndog\n"
    assert labels(tmp_path / "a.txt") == {"0": 2, "1": 2}
    assert all(line.startswith(("cat/", "dog/")) for line in (tmp_path / "b.txt").read_text().splitlines())


def test_what_cannot_be_divided(tmp_path):
    (tmp_path / "all.txt").write_text("a.png 1\n")
    for parts in ({}, {"train": 0.9, "test": 0.2}, {"train": 0}):
        with pytest.raises(DataError, match="The shares should"):
            split_imageset(tmp_path / "all.txt", tmp_path, parts)
    with pytest.raises(FileError, match="does not exist"):
        split_imageset(tmp_path / "none.txt", tmp_path)
