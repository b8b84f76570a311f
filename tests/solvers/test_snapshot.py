"""Snapshots: names, atomicity, going on from them to the same bits."""

import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

import caffelike
from caffelike.data import write_lmdb
from caffelike.errors import FileError, WeightsError
from caffelike.solvers import resume


def weights(net):
    return np.concatenate([b.raw_data.ravel() for blobs in net.params.values() for b in blobs])


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("form", ["HDF5", "BINARYPROTO"])
def test_a_resumed_run_ends_with_the_same_bits(solver, kind, form):
    fields = f'type: "{kind}" snapshot_format: {form} average_loss: 4'
    whole = solver(fields)
    whole.step(13)
    first = solver(fields)
    first.step(6)
    state = first.snapshot()
    # No seed: what is random must come from the side file.
    resumed = solver(fields + " random_seed: -1")
    resumed.restore(state)
    assert resumed.iter == 6
    resumed.step(7)
    assert (weights(resumed.net) == weights(whole.net)).all()
    assert all((a == b).all() for a, b in zip(resumed.history, whole.history, strict=True))
    assert resumed.smoothed_loss == whole.smoothed_loss


RECURRENT = """
layer { name: "data" type: "DummyData" top: "x" top: "cont" top: "target" dummy_data_param {
  shape { dim: 3 dim: 2 dim: 4 } shape { dim: 3 dim: 2 } shape { dim: 3 dim: 2 dim: 5 }
  data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } data_filler { type: "gaussian" } } }
layer { name: "recurrent" type: "TYPE" bottom: "x" bottom: "cont" top: "h"
  recurrent_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "h" bottom: "target" top: "loss" }
"""


@pytest.mark.parametrize("ran_before", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_a_resumed_run_keeps_the_state_of_recurrent_layers(solver, folder, kind, ran_before):
    (folder / "net.prototxt").write_text(RECURRENT.replace("TYPE", kind))
    whole = solver()
    whole.step(3)
    state = whole.snapshot()
    whole.step(3)
    resumed = solver()
    if ran_before:
        resumed.step(1)
    resumed.restore(state)
    resumed.step(3)
    assert (weights(resumed.net) == weights(whole.net)).all()


def test_without_the_side_file_the_data_start_anew(solver, folder):
    first = solver()
    first.step(3)
    state = first.snapshot()
    os.remove(resume.path_of(state))
    resumed = solver()
    resumed.restore(state)
    fresh = solver()
    fresh.net.forward()
    resumed.net.forward()
    assert (resumed.net.blobs["data"].data == fresh.net.blobs["data"].data).all()


@pytest.mark.parametrize("damage", ["other weights", "cut", "garbage"])
def test_a_side_file_that_does_not_fit_is_ignored_and_told(solver, folder, damage, log_lines):
    made = solver()
    made.step(3)
    state = made.snapshot()
    side = folder / resume.path_of(state)
    if damage == "other weights":
        made.net.params["ip1"][0].data[...] = 1
        made.net.save("solver_iter_3.caffemodel")
    else:
        side.write_bytes(side.read_bytes()[:100] if damage == "cut" else b"garbage")
    solver().restore(state)
    assert any("solver_iter_3.caffelike-state is not used" in line for line in log_lines())


def test_names_and_formats(solver, folder):
    made = solver('snapshot_prefix: "a" snapshot: 2 max_iter: 5 snapshot_diff: true')
    made.solve()
    expected = {f"a_iter_{i}.{kind}" for i in (2, 4, 5) for kind in ("caffemodel", "solverstate", "caffelike-state")}
    assert {p.name for p in folder.glob("a_iter_*")} == expected
    made = solver('snapshot_prefix: "b" snapshot_format: HDF5')
    made.step(1)
    assert made.snapshot() == "b_iter_1.solverstate.h5" == made.last_snapshot
    assert {p.name for p in folder.glob("b_iter_*")} == {
        "b_iter_1.caffemodel.h5",
        "b_iter_1.solverstate.h5",
        "b_iter_1.caffelike-state",
    }
    assert not list(folder.glob(".*_iter_*"))


def test_snapshot_diff_writes_the_updates(solver, folder):
    made = solver("snapshot_diff: true")
    made.step(2)
    made.snapshot()
    update = made.net.params["ip1"][0].diff.copy()
    other = caffelike.Net("net.prototxt", caffelike.TRAIN)
    other.copy_from("solver_iter_2.caffemodel")
    assert (other.params["ip1"][0].diff == update).all()


def test_an_unwritable_folder_is_told_before_training(solver, folder):
    with pytest.raises(FileError, match=r"Cannot write to snapshot prefix 'no/snap'.*Make sure that the directory"):
        solver('snapshot: 5 snapshot_prefix: "no/snap"')
    made = solver('snapshot_prefix: "no/snap" max_iter: 5')
    with pytest.raises(FileError, match="Cannot write to snapshot prefix"):
        made.solve()
    assert made.iter == 0


def test_a_failed_snapshot_on_the_way_is_told_and_training_goes_on(solver, folder, log_lines):
    (folder / "snaps").mkdir()
    made = solver('snapshot: 2 snapshot_prefix: "snaps/a" max_iter: 4')
    made.step(2)
    before = (folder / "snaps" / "a_iter_2.caffemodel").read_bytes()
    (folder / "snaps").rename(folder / "kept")
    made.step(2)
    assert any(line.startswith("No snapshot at iteration 4, training goes on.") for line in log_lines())
    assert (folder / "kept" / "a_iter_2.caffemodel").read_bytes() == before
    (folder / "kept").rename(folder / "snaps")
    made.solve()  # writes what is missing
    assert made.last_snapshot == "snaps/a_iter_4.solverstate"


def test_no_room_for_a_snapshot_leaves_the_last_one_whole(solver, folder):
    """Files may not grow beyond 100 bytes: the system refuses in the middle of a write, as on a full disk."""
    resource = pytest.importorskip("resource")
    made = solver('snapshot_prefix: "run"')
    made.step(2)
    made.snapshot()
    before = {path.name: path.read_bytes() for path in folder.glob("run*")}
    made.step(1)
    least = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, least[1]))
    try:
        with pytest.raises(FileError, match=r"Cannot write run_iter_3\.caffemodel: File too large"):
            made.snapshot()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, least)
    assert {path.name: path.read_bytes() for path in folder.glob("*run*")} == before
    made.step(1)
    made.snapshot()
    assert (folder / "run_iter_4.solverstate").is_file()


def test_weights_are_found_beside_a_state_that_was_moved(solver, folder):
    (folder / "old").mkdir()
    made = solver('snapshot_prefix: "old/a"')
    made.step(2)
    made.snapshot()
    (folder / "old").rename(folder / "new")
    resumed = solver()
    resumed.restore("new/a_iter_2.solverstate")
    assert (weights(resumed.net) == weights(made.net)).all()
    (folder / "new" / "a_iter_2.caffemodel").unlink()
    with pytest.raises(FileError, match=r"belongs to the weights old/a_iter_2\.caffemodel"):
        resumed.restore("new/a_iter_2.solverstate")


def test_files_that_are_no_state_of_this_net(solver, folder):
    made = solver()
    made.step(1)
    made.snapshot()
    with pytest.raises(FileError, match=r"Could not open file nowhere\.solverstate"):
        made.restore("nowhere.solverstate")
    with pytest.raises(WeightsError, match="weights"):
        made.restore("solver_iter_1.caffemodel")
    with pytest.raises(WeightsError, match=r"Incorrect length of history blobs: the file has 4, .* need 8"):
        solver('type: "Adam"').restore("solver_iter_1.solverstate")
    text = (folder / "net.prototxt").read_text()
    (folder / "net.prototxt").write_text(text.replace("num_output: 6", "num_output: 7"))
    other = solver()
    before = weights(other.net)
    with pytest.raises(WeightsError, match="history blob 0 has 30 values, but parameter 0 of layer 'ip1' has 35"):
        other.restore("solver_iter_1.solverstate")
    assert (weights(other.net) == before).all()
    (folder / "solver_iter_1.solverstate").write_bytes(b"\x08\x05\x1a\xff\xff")
    with pytest.raises(WeightsError):
        solver().restore("solver_iter_1.solverstate")


# One process imports and compiles, then forks a run for each line it reads, and kills it so many seconds after its
# first snapshot. Each run goes on from the newest snapshot there is; the last one is left to end.
RUNS = """
import glob, os, re, signal, sys, time
import caffelike

def newest():
    states = glob.glob("k_iter_*.solverstate") + glob.glob("k_iter_*.solverstate.h5")
    return max(states, key=lambda name: int(re.search(r"(\\d+)\\.", name)[1]), default=None)

def run(until, tell):
    solver = caffelike.get_solver("solver.prototxt")
    if newest():
        solver.restore(newest())
    while solver.iter < until:
        solver.step(1)
        solver.snapshot()
        os.write(tell, b".")
    os._exit(0)

first = caffelike.get_solver("solver.prototxt")
first.step(1)
first.net.close()
for line in sys.stdin:
    seconds, until = line.split()
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        run(int(until), tell)
    os.close(tell)
    if os.read(told, 1):
        time.sleep(float(seconds))
        if seconds != "0":
            os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    os.close(told)
    print(newest(), "killed" if os.WIFSIGNALED(status) else f"ended {os.waitstatus_to_exitcode(status)}", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(("form", "source"), [("HDF5", "HDF5Data"), ("BINARYPROTO", "Data")])
def test_a_run_killed_ten_times_at_random_moments_ends_with_the_same_bits(solver, folder, form, source):
    """kill -9 in the midst of training and writing: what stands is whole, and nothing of the run is lost."""
    if source == "Data":  # read ahead by a thread, in a new order in each pass
        with h5py.File("data.h5") as file:
            write_lmdb("db", [(x.reshape(5, 1, 1), int(y)) for x, y in zip(file["data"], file["label"], strict=True)])
        net = (folder / "net.prototxt").read_text().replace('type: "HDF5Data"', 'type: "Data"')
        data = 'data_param { source: "db" backend: LMDB shuffle: true batch_size: 8 }'
        (folder / "net.prototxt").write_text(re.sub("hdf5_data_param {.*?}", data, net))
    fields = f'snapshot_prefix: "k" snapshot_format: {form}'
    whole = solver(fields)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    random = np.random.default_rng(0)
    words = [sys.executable, "-c", RUNS]
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        before = 0
        for _ in range(10):
            process.stdin.write(f"{0.001 + 0.03 * random.random()} 1000000\n")
            state, how = process.stdout.readline().split(maxsplit=1)
            assert how == "killed\n"
            made = solver(fields)
            made.restore(state)
            assert made.iter > before
            before = made.iter
        process.stdin.write(f"0 {before + 5}\n")
        state, how = process.stdout.readline().split(maxsplit=1)
        assert how == "ended 0\n"
        process.stdin.close()
    whole.step(before + 5)
    ended = solver(fields)
    ended.restore(state)
    assert ended.iter == whole.iter
    assert (weights(ended.net) == weights(whole.net)).all()
    assert all((a == b).all() for a, b in zip(ended.history, whole.history, strict=True))
