"""The table of a run, on a solver made up."""

import csv
import os
from types import SimpleNamespace

import numpy as np
import pytest

from caffelike.errors import FileError
from caffelike.tools.curves import CsvCurves


def net(**sizes):
    return SimpleNamespace(outputs=list(sizes), blobs={k: SimpleNamespace(count=n) for k, n in sizes.items()})


def solver(iteration=0):
    tests = [net(accuracy=1, loss=1), net(prob=2)]
    return SimpleNamespace(iter=iteration, net=net(loss=1), test_nets=tests, lr=0.01, smoothed_loss=2.5)


def tell(curves, made, iteration):
    made.iter = iteration
    curves.on_test(made, 0, {"accuracy": np.array(0.5), "loss": np.array([iteration])})
    curves.on_test(made, 1, {"prob": np.array([0.25, np.nan])})
    curves.on_display(made, {"loss": np.float32([2.25])})


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_iteration(tmp_path):
    made = solver()
    curves = CsvCurves(made, tmp_path / "a.csv")
    tell(curves, made, 0)
    made.iter = 5
    curves.on_display(made, {"loss": np.float32([2])})
    assert len(rows(tmp_path / "a.csv")) == 1  # on disk as soon as the next one begins
    curves.close()
    first, second = rows(tmp_path / "a.csv")
    assert float(first.pop("seconds")) >= 0
    assert first == {
        "iteration": "0",
        "learning_rate": "0.01",
        "loss": "2.5",
        "train loss": "2.25",
        "test accuracy": "0.5",
        "test loss": "0",
        "test1 prob[0]": "0.25",
        "test1 prob[1]": "nan",
    }
    assert (second["iteration"], second["train loss"], second["test accuracy"]) == ("5", "2", "")


def test_a_run_that_goes_on_replaces_what_came_after_its_snapshot(tmp_path):
    path = tmp_path / "a.csv"
    for start in (0, 10):
        made = solver(start)
        curves = CsvCurves(made, path)
        for iteration in (start, start + 5, start + 10):
            tell(curves, made, iteration)
        curves.close()
    assert [row["iteration"] for row in rows(path)] == ["0", "5", "10", "15", "20"]
    CsvCurves(solver(), path).close()
    assert rows(path) == []


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(FileError, match="Cannot write"):
        CsvCurves(solver(), tmp_path / "none" / "a.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="has other columns"):
        CsvCurves(solver(10), tmp_path / "other.csv")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_ends_the_table_not_the_training(tmp_path, caplog):
    made = solver()
    curves = CsvCurves(made, tmp_path / "a.csv")
    curves._file.close()
    curves._file = open("/dev/full", "w", newline="")  # noqa: SIM115
    curves._writer = csv.DictWriter(curves._file, curves._columns)
    tell(curves, made, 0)
    tell(curves, made, 1)
    assert "ends here, training goes on: No space left on device" in caplog.text
    curves.close()
