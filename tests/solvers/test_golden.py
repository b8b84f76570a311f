"""Training runs recorded from BVLC Caffe 1.0, and going on from Caffe's own snapshots."""

import h5py
import numpy as np
import pytest
from recorded import GOLDEN, arrays, assert_close, names, param

import caffelike

FILE = "solvers.h5"


def start(case, folder):
    """The case's solver in a fresh folder, which is the working folder."""
    with h5py.File(folder / "d.h5", "w") as data:
        data["data"], data["label"] = case["data"][()], case["label"][()]
    (folder / "list.txt").write_text("d.h5\n")
    (folder / "net.prototxt").write_text(case.attrs["net"])
    (folder / "solver.prototxt").write_text(case.attrs["solver"])
    return caffelike.get_solver(str(folder / "solver.prototxt"))


def losses(solver, count):
    got = []
    for _ in range(count):
        solver.step(1)
        got.append(float(solver.net.blobs["loss"].data))
    return got


@pytest.mark.parametrize("name", names(FILE))
def test_training_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File(GOLDEN / FILE) as cases:
        case = cases[name]
        solver = start(case, tmp_path)
        for key, values in arrays(case, "before"):
            param(solver.net, key).data[...] = values
        assert_close(losses(solver, len(case["loss"])), case["loss"][()], "losses")
        for key, values in arrays(case, "after"):
            assert_close(param(solver.net, key).data, values, f"weights {key}")


@pytest.mark.parametrize("name", names(FILE))
def test_going_on_from_caffes_snapshot(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File(GOLDEN / FILE) as cases:
        case = cases[name]
        solver = start(case, tmp_path)
        for kind in case["file"]:
            (tmp_path / f"snap_iter_6.{kind}").write_bytes(case["file"][kind][()].tobytes())
            if kind.startswith("solverstate"):
                state = f"snap_iter_6.{kind}"
        solver.restore(state)
        assert solver.iter == 6
        assert_close(losses(solver, len(case["resumed_loss"])), case["resumed_loss"][()], "losses")
        for key, values in arrays(case, "resumed_after"):
            assert_close(param(solver.net, key).data, values, f"weights {key}")


@pytest.mark.parametrize("name", ["sgd", "sgd_snapshot_h5", "adadelta"])
def test_our_snapshot_holds_what_caffes_holds(name, tmp_path, monkeypatch):
    """Both snapshots after iteration 6, read back: equal histories, iteration and weights path."""
    from caffelike.schema.state import read_state

    monkeypatch.chdir(tmp_path)
    with h5py.File(GOLDEN / FILE) as cases:
        case = cases[name]
        solver = start(case, tmp_path)
        for key, values in arrays(case, "before"):
            param(solver.net, key).data[...] = values
        solver.step(6)
        mine = read_state(solver.snapshot())
        kind = next(kind for kind in case["file"] if kind.startswith("solverstate"))
        (tmp_path / f"caffes.{kind}").write_bytes(case["file"][kind][()].tobytes())
        theirs = read_state(f"caffes.{kind}")
    assert (mine.iter, mine.current_step) == (theirs.iter, theirs.current_step)
    assert mine.learned_net.rpartition("/")[2] == theirs.learned_net.rpartition("/")[2]
    assert [h.shape for h in mine.history] == [h.shape for h in theirs.history]
    for got, want in zip(mine.history, theirs.history, strict=True):
        assert_close(np.asarray(got.data), np.asarray(want.data), "history")
