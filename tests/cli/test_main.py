"""What does not depend on a command: the list of commands, version, help, errors, exit codes."""

import os
import subprocess
import sys

import click
import pytest

from caffelike import cli
from caffelike._version import __version__


def test_version(run):
    result = run("--version")
    assert (result.code, result.out) == (0, f"caffelike version {__version__}\n")


@pytest.mark.parametrize("argv", [(), ("--help",), ("-help",), ("--helpshort",)])
def test_help_lists_every_command(run, argv):
    result = run(*argv)
    assert result.code == 0
    for name in ("train", "test", "time", "device_query"):
        assert f"\n  {name} " in result.out
    assert "  draw                        A net as a picture.\n" in result.out


def test_help_as_a_word_and_an_example_on_one_line(run):
    assert run("help").out == run("--help").out
    result = run("help", "convert_imageset")
    assert "--backend" in result.out
    line = "Example: caffelike convert_imageset photos/ train.txt train_lmdb --resize_width 256 --resize_height 256\n"
    assert line in result.out


def test_help_of_a_command(run):
    result = run("train", "--help")
    assert result.code == 0
    assert "--sigint_effect" in result.out


def test_wrong_usage_shows_the_right_one(run):
    result = run("summary")
    assert result.code == 1
    assert result.err == (
        "caffelike: error: Missing argument 'FILE|MODEL'.\n"
        "Usage: caffelike summary [OPTIONS] FILE|MODEL\n`caffelike summary --help` says more.\n"
    )


def test_an_unknown_command(run):
    result = run("trian")
    assert result.code == 1
    assert result.err.startswith("caffelike: error: Unknown action: trian. Did you mean train? Available caffelike")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("train",), "Need a solver definition to train."),
        (("test",), "Need a model definition to score."),
        (("test", "net.prototxt"), "Need model weights to score."),
        (("time",), "Need a model definition to time."),
        (
            ("train", "s", "-snapshot", "a", "-weights", "b"),
            "Give a snapshot to resume training or weights to finetune",
        ),
        (("train", "s", "-solver", "t"), "s and -solver t are both given"),
        (("train", "s", "-sigint_effect", "quit"), 'Invalid signal effect "quit" was specified'),
        (("train", "s", "-level", "high"), "high"),
        (("train", "-solvr", "s"), "Did you mean -solver"),
        (("train", "s", "t"), "unexpected extra argument"),
        (("train", "nowhere.prototxt"), "Could not open file nowhere.prototxt"),
        (("test", "nowhere.prototxt", "w"), "Could not open file nowhere.prototxt"),
        (("time", "n", "-phase", "FOO"), 'phase must be "TRAIN" or "TEST", but is "FOO"'),
        (("time", "n", "-iterations", "0"), "-iterations must be at least 1"),
        (("time", "n", "-gpu", "first"), "-gpu takes the number of a GPU"),
        (("test", "n", "w", "-gpu", "0,1"), "asks for several GPUs"),
        (("time", "n", "-gpu", "0,1"), "`mpirun -n 2 caffelike train SOLVER`"),
        (("train", "s", "--log_dir", "nowhere"), "make the folder"),
    ],
)
def test_errors_are_one_message_and_exit_code_1(run, argv, text):
    result = run(*argv)
    assert result.code == 1
    message = [line for line in result.err.splitlines() if line.startswith("caffelike: error: ")]
    assert len(message) == 1
    assert text in message[0]
    assert "Traceback" not in result.err


def test_a_bug_is_told_as_one(run, monkeypatch):
    @click.command()
    def broken():
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("caffelike.cli.time.command", broken, raising=False)
    result = run("time")
    assert result.code == 1
    assert "internal error: ZeroDivisionError: oops" in result.err
    assert "Traceback" not in result.err
    monkeypatch.setenv(cli.DEBUG, "1")
    assert "Traceback" in run("time").err


def test_ctrl_c_outside_training(run, monkeypatch):
    @click.command()
    def waiting():
        raise KeyboardInterrupt

    monkeypatch.setattr("caffelike.cli.time.command", waiting, raising=False)
    assert run("time").code == 130


def test_minloglevel_and_log_dir(run, tmp_path):
    result = run("device_query", "--minloglevel=1", f"--log_dir={tmp_path}")
    assert (result.code, result.err) == (0, "")
    result = run("device_query", "--logtostderr", f"-log_dir={tmp_path}")
    assert "Querying GPUs" in result.err
    assert "Querying GPUs" in (tmp_path / "caffelike.INFO").read_text()


def test_starting_is_quick_to_import():
    code = "import sys, caffelike.cli; print([m for m in ('numpy', 'numba', 'google.protobuf') if m in sys.modules])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
