import pytest

from caffelike import hub

NET = hub.root() / "lenet" / "train_val.prototxt"


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<"), ("png", b"\x89PNG"), ("dot", b"")])
def test_endings_are_formats(run, tmp_path, ending, start):
    out = tmp_path / f"net.{ending}"
    result = run("draw", NET, out)
    assert (result.code, result.out) == (0, f"Drawing net to {out}\n")
    assert out.read_bytes().startswith(start)
    if ending == "dot":
        assert "conv1" in out.read_text()


def test_a_phase(run, tmp_path):
    texts = []
    for phase in ("TRAIN", "TEST"):
        run("draw", NET, tmp_path / "net.dot", "--phase", phase, "--rankdir", "TB")
        texts.append((tmp_path / "net.dot").read_text())
    assert ["accuracy" in text for text in texts] == [False, True]


def test_no_ending(run, tmp_path):
    result = run("draw", NET, tmp_path / "net")
    assert result.code == 1
    assert "has no ending" in result.err
