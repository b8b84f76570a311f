"""caffelike check on the command line: exit codes, listing, JSON."""

import json
import tarfile
from pathlib import Path

import pytest

from caffelike.check import check
from caffelike.cli import main

WILD = Path(__file__).resolve().parents[3] / "shared" / "wild" / "prototxt_public.tar.xz"

GOOD = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }\n'
BAD = GOOD + 'layer { name: "l" bottom: "x" top: "y"\n\ttype: "Relu" include { phase: TRAIN } }\n'
WARNS = GOOD + "".join(
    f'layer {{ name: "c" type: "PReLU" bottom: "x" top: "{top}" }}\n' for top in ("a", "b")
)  # two layers of one name
NOTES = 'layer { name: "d" type: "Data" top: "x" data_param { source: "no" batch_size: 2 } }\n'
NOTES += 'layer { name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param { kernel_size: 9 } }'


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"good": GOOD, "bad": BAD, "warns": WARNS, "notes": NOTES}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "solver").write_text('net: "bad" base_lr: 1 lr_policy: "fixed"')


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good"], 0),
        (["warns"], 0),
        (["warns", "--strict"], 1),
        (["notes", "--strict"], 0),
        (["notes", "--input", "x:2,3,4,4"], 1),
        (["notes", "-input", "2x3x9x9"], 0),
        (["bad"], 1),
        (["bad", "--phase", "TEST"], 0),
        (["good", "warns", "bad"], 1),
        ([], 2),
        (["nowhere"], 2),
        (["good", "--input", "big"], 2),
        (["good", "--input", "z=1,2"], 2),
    ],
)
def test_exit_codes(run, arguments, code):
    result = run("check", *arguments)
    assert result.code == code
    assert bool(result.err) == (code == 2)
    assert "Traceback" not in result.err


def test_a_good_file_is_passed_over_in_silence(run):
    result = run("check", "good")
    assert (result.out, result.err) == ("", "")


def test_listing_shows_the_line(run):
    assert run("check", "bad").out.splitlines()[1:] == [
        '     3 | \ttype: "Relu" include { phase: TRAIN } }',
        "       | \t^",
        "1 error.",
    ]
    first = run("check", "bad").out.splitlines()[0]
    assert first.startswith("bad:3:2: error: layer 'l': unknown layer type Relu. Did you mean ReLU")
    assert first.endswith("[TRAIN]")


def test_a_long_line_is_shown_around_the_place(run, tmp_path):
    (tmp_path / "long").write_text(" " * 500 + "nam: 3" + " " * 500 + GOOD)
    shown, mark = run("check", "long").out.splitlines()[1:3]
    assert len(shown) < 120
    assert mark.index("^") == shown.index("nam: 3")


def test_json(run):
    (told,) = json.loads(run("check", "--json", "bad").out)
    assert (told["level"], told["file"], told["line"], told["column"]) == ("error", "bad", 3, 2)
    assert (told["layer"], told["phase"]) == ("l", "TRAIN")
    assert json.loads(run("check", "--json", "good").out) == []


def test_a_net_that_two_files_lead_to_is_listed_once(run):
    for files in (["bad", "solver"], ["bad", "bad"]):
        assert run("check", *files).out.splitlines()[-1] == "1 error."


def test_counts(run):
    assert run("check", "bad", "warns", "notes").out.splitlines()[-1] == "1 error, 1 warning, 1 note."


@pytest.mark.skipif(not WILD.is_file(), reason="../shared/wild is not here")
def test_published_files_are_all_checked(tmp_path):
    """Whatever people published, a list of problems comes out; BVLC's AlexNet has none."""
    with tarfile.open(WILD) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        for member in [m for m in members[::45] if m.size < 100_000]:
            (tmp_path / "published.prototxt").write_bytes(archive.extractfile(member).read())
            for problem in check(tmp_path / "published.prototxt"):
                assert problem.line >= 1
                assert problem.column >= 1
                assert problem.message
        (alexnet,) = (m for m in members if m.name == "BVLC__caffe/models/bvlc_alexnet/train_val.prototxt")
        (tmp_path / "alexnet.prototxt").write_bytes(archive.extractfile(alexnet).read())
    # Neither images nor mean file are here.
    assert [problem.level for problem in check(tmp_path / "alexnet.prototxt")] == ["note", "note"]


def test_usage_is_one_message(capsys):
    assert main(["check"]) == 2
    assert "needs a FILE" in capsys.readouterr().err
