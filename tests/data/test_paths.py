import logging

from caffelike.data.paths import missing, resolve


def test_the_working_folder_comes_first(tmp_path, monkeypatch, caplog):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    beside = str(tmp_path / "model")
    (tmp_path / "model" / "a").touch()
    with caplog.at_level(logging.INFO, "caffelike"):
        assert resolve("a", beside) == str(tmp_path / "model" / "a")
        assert "beside the file that names it" in caplog.text
        caplog.clear()
        (tmp_path / "a").touch()
        assert resolve("a", beside) == "a"
        assert resolve("none", beside) == "none"
        assert resolve("none") == "none"
        assert resolve(str(tmp_path / "a"), beside) == str(tmp_path / "a")
        assert not caplog.text


def test_what_is_missing_is_named_with_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"Could not open mean file m (relative to the working folder {tmp_path})" in missing("m", "mean file")
