"""N ranks with batches of b learn what one process with batches of N * b learns."""

import os
import re
import signal
import time

import numpy as np
import pytest

import caffelike


@pytest.mark.parametrize(
    ("count", "options", "tolerance", "messages"),
    [
        (2, 'type: "SGD" base_lr: 0.1 momentum: 0.9 weight_decay: 0.001 clip_gradients: 2', 1e-5, False),
        (3, 'type: "Adam" base_lr: 0.01 momentum: 0.9 momentum2: 0.999', 1e-4, False),
        (2, 'type: "SGD" base_lr: 0.1 momentum: 0.9 iter_size: 2', 1e-5, True),
    ],
)
def test_equal_to_one_process(ranks, count, options, tolerance, messages):
    options += " max_iter: 50 test_iter: 6 test_interval: 25"
    one = ranks.train(1, ranks.solver(4 * count, options.replace("test_iter: 6", f"test_iter: {6 // count}")))
    several = ranks.train(count, ranks.solver(4, options), messages=messages)
    assert ("Ranks send gradients as messages" in several) == messages
    got, want = ranks.losses(several), ranks.losses(one)
    assert len(want) == 50
    assert want[-1] < 0.7 * want[0]
    np.testing.assert_allclose(got, want, rtol=tolerance)
    assert several.count("Training on") == 1  # rank 0 alone writes the log
    scores = [re.findall(r"#\d: (?:acc|loss) = ([\d.]+)", log) for log in (one, several)]
    np.testing.assert_allclose(np.float64(scores[1]), np.float64(scores[0]), rtol=max(tolerance, 1e-4))


def test_synchronised_batch_norm_is_that_of_the_whole_batch(ranks):
    options = "base_lr: 0.1 momentum: 0.9 max_iter: 30"
    one = ranks.losses(ranks.train(1, ranks.solver(8, options, norm=True)))
    synchronised = ranks.losses(ranks.train(2, ranks.solver(4, options, norm=True), "--sync_bn"))
    local = ranks.losses(ranks.train(2, ranks.solver(4, options, norm=True)))
    np.testing.assert_allclose(synchronised, one, rtol=2e-5)
    assert abs(local - one).max() > 1e-3  # each normalises its own four, as Caffe does


def test_a_snapshot_is_gone_on_from_by_another_number_of_ranks(ranks):
    options = "base_lr: 0.05 momentum: 0.9 max_iter: 20 snapshot: 10"
    ranks.train(1, ranks.solver(8, options))
    whole = ranks.weights(ranks.folder / "b8_iter_20.caffemodel")
    history = ranks.history(ranks.folder / "b8_iter_20.solverstate")
    ranks.train(2, ranks.solver(4, options), "-snapshot", ranks.folder / "b8_iter_10.solverstate")
    np.testing.assert_allclose(ranks.weights(ranks.folder / "b4_iter_20.caffemodel"), whole, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ranks.history(ranks.folder / "b4_iter_20.solverstate"), history, rtol=1e-4, atol=1e-6)


def test_who_looks_at_gradients_sees_all_of_them(ranks, tmp_path):
    """The diffs of a caffemodel are the last update, though each rank updated a share only."""
    options = "base_lr: 0.05 momentum: 0.9 max_iter: 3 snapshot_diff: true"
    ranks.train(2, ranks.solver(4, options))
    net = caffelike.Net(ranks.folder / "net4False.prototxt", ranks.folder / "b4_iter_3.caffemodel", caffelike.TRAIN)
    diffs = np.concatenate([own.blob.diff.ravel() for own in net.learnable])
    np.testing.assert_array_equal(diffs, ranks.history(ranks.folder / "b4_iter_3.solverstate"))


def test_an_error_on_one_rank_ends_all_and_names_it(ranks):
    solver = ranks.solver(4, "base_lr: 1e30 max_iter: 50")
    process = ranks.start(2, solver)
    start = time.monotonic()
    error = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert re.search(r"rank \d of 2: Iteration \d+: the (loss|update)", error)
    assert time.monotonic() - start < 30


def test_an_interrupt_stops_all_ranks_with_a_snapshot(ranks):
    process = ranks.start(2, ranks.solver(4, "base_lr: 0.01 max_iter: 10000000"))
    log = []
    for line in process.stderr:
        log.append(line)
        if "Iteration 5 " in line:
            process.send_signal(signal.SIGINT)
            break
    log += process.communicate(timeout=60)[1].splitlines(keepends=True)
    assert process.returncode == 0, "".join(log)[-2000:]
    assert any("Optimization stopped early" in line for line in log)
    assert latest(ranks.folder) > 5


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_ends_with_the_same_weights(ranks):
    """Ten times a rank dies; each run goes on from the last snapshot."""
    options = "base_lr: 0.05 momentum: 0.9 max_iter: 2000 snapshot: 100"
    solver = ranks.solver(4, options)
    ranks.train(2, solver)
    whole = ranks.weights(ranks.folder / "b4_iter_2000.caffemodel")
    for path in ranks.folder.glob("b4_iter_*"):
        path.unlink()
    rng = np.random.default_rng(0)
    for _ in range(10):
        process = ranks.start(2, solver, *resume(ranks.folder))
        before = latest(ranks.folder)
        while latest(ranks.folder) == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.05))
        victims = workers(process.pid)
        if victims:
            os.kill(victims[rng.integers(len(victims))], signal.SIGKILL)
        start = time.monotonic()
        error = process.communicate(timeout=60)[1]
        assert time.monotonic() - start < 10
        if process.returncode == 0:
            break
        assert re.search(r"rank \d", error)
    ranks.train(2, solver, *resume(ranks.folder))
    np.testing.assert_array_equal(ranks.weights(ranks.folder / "b4_iter_2000.caffemodel"), whole)


def latest(folder):
    """The iteration of the last complete snapshot."""
    return max((int(path.stem.rpartition("_")[2]) for path in folder.glob("b4_iter_*.solverstate")), default=0)


def resume(folder):
    return ("-snapshot", folder / f"b4_iter_{latest(folder)}.solverstate") if latest(folder) else ()


def workers(launcher):
    """The processes that train, below the launcher's mpiexec."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    mpiexec = children.get(launcher, [])
    return [pid for parent in mpiexec for pid in children.get(parent, [])]
