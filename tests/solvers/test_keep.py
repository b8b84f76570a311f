"""Keeping the last snapshots, and the scale of gradients."""

import numpy as np


def snapshots(folder):
    return sorted({int(path.name.split("_")[2].split(".")[0]) for path in folder.glob("solver_iter_*")})


def test_the_last_snapshots_stay(solver, folder):
    (folder / "other_iter_1.caffemodel").touch()
    (folder / "solver_iter_99.caffemodel").touch()  # of an earlier run
    made = solver("snapshot: 1 keep_snapshots: 2 max_iter: 5 average_decay: 0.9")
    made.solve()
    assert snapshots(folder) == [4, 5, 99]
    kinds = ("caffelike-state", "caffemodel", "solverstate")
    assert sorted(path.name for path in folder.glob("solver_iter_5*")) == sorted(
        [*(f"solver_iter_5.{kind}" for kind in kinds), "solver_iter_5_average.caffemodel"]
    )
    assert (folder / "other_iter_1.caffemodel").exists()


def test_a_resumed_run_removes_what_its_first_part_wrote(solver, folder):
    made = solver("snapshot: 1 keep_snapshots: 2")
    made.step(3)
    assert snapshots(folder) == [2, 3]
    resumed = solver("snapshot: 1 keep_snapshots: 2")
    resumed.restore("solver_iter_2.solverstate")
    resumed.step(2)
    assert snapshots(folder) == [3, 4]


def test_a_failed_snapshot_removes_nothing(solver, folder):
    (folder / "s").mkdir()
    made = solver('snapshot: 1 keep_snapshots: 1 snapshot_prefix: "s/a"')
    made.step(1)
    (folder / "s").rename(folder / "t")
    made.step(1)
    assert (folder / "t" / "a_iter_1.solverstate").exists()
    (folder / "t").rename(folder / "s")
    made.step(1)
    assert sorted(p.name for p in (folder / "s").glob("*.solverstate")) == ["a_iter_3.solverstate"]


def test_gradients_are_scaled_before_they_are_clipped(solver):
    plain = solver("momentum: 0 weight_decay: 0")
    scaled = solver("momentum: 0 weight_decay: 0 gradient_scale: 4")
    before = plain.net.arena_data.copy()
    assert (scaled.net.arena_data == before).all()
    for made in (plain, scaled):
        made.step(1)
    one, four = before - plain.net.arena_data, before - scaled.net.arena_data
    np.testing.assert_allclose(four, 4 * one, rtol=1e-4, atol=1e-7)
    gradient = np.concatenate(
        [one[own.offset : own.offset + own.count] / np.float32(0.1 * own.lr_mult) for own in plain.net.learnable]
    )
    norm = np.linalg.norm(gradient)  # four times that is clipped to twice that
    clipped = solver(f"momentum: 0 weight_decay: 0 gradient_scale: 4 clip_gradients: {2 * norm}")
    clipped.step(1)
    np.testing.assert_allclose(before - clipped.net.arena_data, 2 * one, rtol=1e-3, atol=1e-6)
