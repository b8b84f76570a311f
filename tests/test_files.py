import os

import pytest

from caffelike.errors import FileError
from caffelike.files import atomic_path


def test_the_old_file_stays_when_writing_fails(tmp_path):
    target = tmp_path / "weights"
    target.write_text("old")

    def write_and_fail():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise ValueError("disk on fire")

    with pytest.raises(ValueError, match="fire"):
        write_and_fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["weights"]


def test_the_new_file_replaces_the_old_one_and_is_readable_by_others(tmp_path):
    target = tmp_path / "weights"
    target.write_text("old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    plain = tmp_path / "plain"
    plain.write_text("")
    assert target.stat().st_mode == plain.stat().st_mode


def test_a_missing_folder_is_named_with_the_cure(tmp_path):
    with pytest.raises(FileError, match=r"Make the folder .*absent"), atomic_path(tmp_path / "absent" / "file"):
        pass
