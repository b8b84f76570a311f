"""Caffe's flag spellings. The commands here are small stand-ins with the options of real ones."""

import click
import pytest

from caffelike.cli import _flags
from caffelike.errors import CaffelikeError, FileError


@click.command()
@click.option("--solver")
@click.option("--gpu")
@click.option("--sigint_effect")
@click.option("--guard/--no-guard", default=True)
@click.option("--gray", is_flag=True)
@click.option("-w", type=int)
def train(**given):
    pass


@click.command()
@click.option("--resize-height")
def convert(**given):
    pass


class Group:
    commands = {"train": train, "convert": convert}

    def list_commands(self):
        return list(self.commands)

    def get_command(self, ctx, name):
        return self.commands.get(name)


def parse(*argv):
    return _flags.parse(list(argv), Group())


@pytest.mark.parametrize(
    "argv",
    [
        ("train", "-solver", "x"),
        ("train", "--solver", "x"),
        ("train", "-solver=x"),
        ("train", "--solver=x"),
        ("-solver", "x", "train"),
        ("--solver=x", "train"),
        ("--minloglevel", "1", "-solver", "x", "train"),
    ],
)
def test_spellings_of_a_flag(argv):
    given = parse(*argv)
    assert (given.command, given.arguments) == ("train", ["--solver=x"])


def test_positional_arguments_stay():
    assert parse("train", "a.prototxt", "-gpu", "0", "b").arguments == ["a.prototxt", "--gpu=0", "b"]


def test_a_value_may_look_like_a_flag():
    assert parse("train", "-solver", "-odd").arguments == ["--solver=-odd"]
    assert parse("train", "-1", "-").arguments == ["-1", "-"]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("--no-guard", "--no-guard"),
        ("-noguard", "--no-guard"),
        ("--guard=false", "--no-guard"),
        ("--no_guard", "--no-guard"),
        ("-guard=true", "--guard"),
        ("--gray", "--gray"),
        ("-gray=1", "--gray"),
    ],
)
def test_switches(token, expected):
    assert parse("train", token).arguments == [expected]


def test_a_switch_set_to_false_is_left_out():
    assert parse("train", "-gray=false").arguments == []


def test_underscores_and_hyphens_are_one():
    assert parse("convert", "-resize_height", "5").arguments == ["--resize-height=5"]
    assert parse("train", "--sigint-effect=none").arguments == ["--sigint_effect=none"]


def test_short_options():
    assert parse("train", "-w", "40").arguments == ["-w", "40"]


def test_flags_of_every_command():
    given = parse("train", "--logtostderr", "--log_dir=logs", "--minloglevel", "2", "--v=1", "-help")
    assert (given.log_dir, given.minloglevel, given.arguments) == ("logs", 2, ["--help"])
    assert parse("--version").version


def test_flags_of_another_caffe_command_are_ignored_with_a_note():
    given = parse("train", "-iterations", "5", "-solver=x")
    assert given.arguments == ["--solver=x"]
    assert "-iterations means nothing to train" in given.notes[0]


def test_flagfile(tmp_path):
    (tmp_path / "flags").write_text("# mine\n--solver=x\n-gpu 0\n")
    assert parse("train", f"--flagfile={tmp_path / 'flags'}").arguments == ["--solver=x", "--gpu=0"]
    with pytest.raises(FileError, match="Could not open file nowhere"):
        parse("train", "--flagfile=nowhere")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("train", "-solvr", "x"), "unknown command line flag 'solvr'. Did you mean -solver"),
        (("convert", "-iterations", "5"), "unknown command line flag 'iterations'"),
        (("train", "-solver"), "flag '-solver' is missing its argument"),
        (("train", "-gray=maybe"), "-gray takes true or false, but 'maybe'"),
        (("train", "--minloglevel", "9"), "takes 0 .INFO., 1 .WARNING., 2 .ERROR. or 3 .FATAL., not '9'"),
    ],
)
def test_errors(argv, text):
    with pytest.raises(CaffelikeError, match=text):
        parse(*argv)


def test_no_command():
    assert parse().command is None
    assert parse("nonsense", "-x").command == "nonsense"
