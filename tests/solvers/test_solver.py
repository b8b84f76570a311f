"""The training loop: its order, its options, its log lines."""

import math
import re

import numpy as np
import pytest

import caffelike
from caffelike.errors import FileError, ModelError, NotFiniteError, ParseError, SolverError

TESTED = "test_iter: 2 test_interval: 4"


def values(solver):
    return {name: [b.raw_data.copy() for b in blobs] for name, blobs in solver.net.params.items()}


def same(one, other):
    return all((a == b).all() for name in one for a, b in zip(one[name], other[name], strict=True))


# Options -----------------------------------------------------------------------------------------


def test_get_solver_picks_the_class_by_type(solver):
    assert type(solver()) is caffelike.SGDSolver
    assert type(solver('type: "Adam"')) is caffelike.AdamSolver
    assert type(solver("solver_type: NESTEROV")) is caffelike.NesterovSolver


def test_a_class_ignores_the_type_in_the_file(folder, solver):
    solver('type: "Adam"')
    assert type(caffelike.SGDSolver("solver.prototxt")) is caffelike.SGDSolver


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ('type: "Sgdd"', "Unknown solver type: Sgdd.*Did you mean SGD"),
        ('type: "AdaGrad"', "Momentum cannot be used with AdaGrad"),
        ('type: "RMSProp"', "Momentum cannot be used with RMSProp"),
        ('type: "RMSProp" momentum: 0 rms_decay: 1', "rms_decay should lie between 0 and 1"),
        ('type: "Adam" momentum: 1', "momentum should lie between 0 and 1 for Adam"),
        ('regularization_type: "L3"', "Unknown regularization type: L3"),
        ("iter_size: 0", "iter_size must be at least 1"),
        (
            "max_momentum: 0.5",
            r"solver\.prototxt: max_momentum belongs to the fork\(s\) nvidia 47 and would change the training",
        ),
        ('train_net: "net.prototxt"', "must not contain more than one of these fields.*net and train_net"),
        ("test_iter: 1", "test_interval must be greater than 0"),
        ("test_iter: 1 test_interval: 1 test_state {} test_state {}", "1 test nets and 2 test_state"),
        ('test_net: "net.prototxt" test_interval: 1', "there are 1 test nets and 0 test_iter"),
    ],
)
def test_impossible_options(solver, extra, text):
    with pytest.raises((SolverError, ModelError), match=text):
        solver(extra)


def test_a_speed_hint_of_a_fork_is_ignored(solver, log_lines):
    solver('engine: "MKL2017"').step(1)
    assert "engine (intel) changes no numbers here; ignored" in log_lines()


def test_a_net_is_needed(solver):
    with pytest.raises(SolverError, match="must specify a train net using one of these fields"):
        solver(base="base_lr: 1")


def test_missing_files_are_named(solver, folder):
    with pytest.raises(FileError, match=r"Could not open file nowhere\.prototxt"):
        caffelike.get_solver("nowhere.prototxt")
    with pytest.raises(FileError, match=r"solver\.prototxt: Could not open file lost\.prototxt.*does not exist"):
        solver(base='net: "lost.prototxt"')


def test_a_misspelt_field_is_told_with_its_place(solver):
    with pytest.raises(ParseError, match=r"solver\.prototxt:1:\d+:.*bas_lr") as caught:
        solver(base='net: "net.prototxt" bas_lr: 1')
    assert "base_lr" in str(caught.value)


def test_an_unknown_policy_is_told_before_the_first_iteration(solver):
    trained = solver('lr_policy: "steps"')
    with pytest.raises(SolverError, match="Unknown learning rate policy: steps"):
        trained.step(1)


def test_the_net_may_lie_beside_the_solver(solver, folder, monkeypatch, log_lines):
    solver()
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "data.h5").symlink_to(folder / "data.h5")
    (folder / "elsewhere" / "list.txt").write_text("data.h5\n")
    monkeypatch.chdir(folder / "elsewhere")
    assert caffelike.get_solver("../solver.prototxt").net.name == "small"
    assert any("net.prototxt is not in the working folder; taking" in line for line in log_lines())


def test_snapshot_prefix(solver, folder):
    assert solver().param.snapshot_prefix == "solver"
    assert solver('snapshot_prefix: "snap"').param.snapshot_prefix == "snap"
    (folder / "out").mkdir()
    assert solver('snapshot_prefix: "out"').param.snapshot_prefix == "out/solver"


def test_train_and_test_states_are_merged(folder, solver):
    text = (folder / "net.prototxt").read_text()
    text += 'layer { name: "deep" type: "Silence" bottom: "ip2" include { stage: "deep" min_level: 2 } }'
    (folder / "net.prototxt").write_text(text)
    made = solver(f'{TESTED} train_state {{ level: 2 stage: "deep" }}')
    assert "deep" in made.net._layer_names
    assert "deep" not in made.test_nets[0]._layer_names
    made = solver(f'{TESTED} test_state {{ level: 3 stage: "deep" }}')
    assert "deep" not in made.net._layer_names
    assert "deep" in made.test_nets[0]._layer_names


def test_nets_inside_the_solver(folder, solver):
    text = (folder / "net.prototxt").read_text()
    made = solver(base=f'net_param {{ {text} }} base_lr: 0.1 lr_policy: "fixed" {TESTED}')
    made.step(1)
    assert len(made.test_nets) == 1


def test_several_test_nets_keep_their_order(solver):
    made = solver(f'{TESTED} test_iter: 3 test_net: "net.prototxt" test_state {{}} test_state {{ level: 1 }}')
    assert len(made.test_nets) == 2
    assert [set(score) for score in made.test_all()] == [{"accuracy", "loss"}] * 2


# The loop ----------------------------------------------------------------------------------------


def test_training_learns(solver):
    made = solver("average_loss: 20")
    made.step(20)
    before = made.smoothed_loss
    made.step(100)
    assert made.iter == 120
    assert made.smoothed_loss < before


def test_the_same_seed_gives_the_same_bits(solver):
    one, other = solver(), solver()
    one.step(7)
    for _ in range(7):
        other.step(1)
    assert same(values(one), values(other))


def test_iter_size_is_one_large_batch(folder, solver):
    text = (folder / "net.prototxt").read_text().replace("include { phase: TEST }", "")
    text = re.sub(r'layer \{ name: "drop".*\n', "", text)
    (folder / "net.prototxt").write_text(text)
    small = solver("iter_size: 2")
    (folder / "net.prototxt").write_text(text.replace("batch_size: 8", "batch_size: 16"))
    large = solver()
    small.step(5)
    large.step(5)
    for name in ("ip1", "ip2"):
        np.testing.assert_allclose(small.net.params[name][0].data, large.net.params[name][0].data, rtol=1e-4, atol=1e-5)


def test_after_a_step_the_diff_is_the_update(solver):
    made = solver()
    made.step(3)
    before = values(made)
    made.step(1)
    for name, blobs in made.net.params.items():
        for was, blob in zip(before[name], blobs, strict=True):
            np.testing.assert_allclose(was - blob.data, blob.diff, rtol=1e-3, atol=1e-6)


def test_clipping_scales_the_sum_of_all_passes_down(solver, log_lines):
    made = solver("clip_gradients: 0.01 momentum: 0 weight_decay: 0 iter_size: 2 base_lr: 1 display: 1")
    norms = []
    made.add_callback(
        lambda: None,
        lambda: norms.append(math.sqrt(sum((b.diff**2).sum() for bs in made.net.params.values() for b in bs))),
    )
    made.step(1)
    ip2_bias_twice = made.net.params["ip2"][1].diff / 2  # its lr_mult is 2
    rest = [b.diff for name in ("ip1", "ip2") for b in made.net.params[name][: 2 if name == "ip1" else 1]]
    length = math.sqrt(sum((d**2).sum() for d in (*rest, ip2_bias_twice)))
    assert length == pytest.approx(0.01 / 2, rel=1e-4)  # clipped before the division by iter_size
    line = next(line for line in log_lines() if line.startswith("Gradient clipping"))
    said = re.fullmatch(
        r"Gradient clipping: scaling down gradients \(L2 norm (\S+) > 0.01\) by scale factor (\S+)", line
    )
    assert [float(number) for number in said.groups()] == pytest.approx([norms[0], 0.01 / norms[0]], rel=1e-4)


def test_frozen_and_unused_parameters_do_not_move(folder, solver):
    text = (folder / "net.prototxt").read_text()
    text = text.replace('top: "ip1"\n  inner', 'top: "ip1" param { lr_mult: 0 } param { lr_mult: 0 }\n  inner')
    text += 'layer { name: "side" type: "InnerProduct" bottom: "data" top: "side" '
    text += 'inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }'
    (folder / "net.prototxt").write_text(text)
    made = solver("weight_decay: 0")
    before = values(made)
    made.step(5)
    after = values(made)
    assert same({k: before[k] for k in ("ip1", "side")}, {k: after[k] for k in ("ip1", "side")})
    assert not same({"ip2": before["ip2"]}, {"ip2": after["ip2"]})


def test_callbacks(solver):
    made, calls = solver(), []
    made.add_callback(lambda: calls.append("start"), lambda: calls.append(("ready", made.iter)))
    made.step(2)
    assert calls == ["start", ("ready", 0), "start", ("ready", 1)]


def test_options_can_be_changed_while_training(solver):
    made = solver()
    made.step(1)
    made.param.base_lr = 0
    made.param.momentum = 0
    before = values(made)
    made.step(1)
    assert made.lr == 0
    assert same(before, values(made))


def test_apply_update_uses_the_diffs_as_they_are(solver):
    made = solver("momentum: 0 weight_decay: 0")
    for blobs in made.net.params.values():
        for blob in blobs:
            blob.diff[...] = 1
    before = values(made)
    made.apply_update()
    np.testing.assert_allclose(made.net.params["ip1"][0].data, before["ip1"][0] - 0.1, rtol=1e-5)
    np.testing.assert_allclose(made.net.params["ip2"][1].data, before["ip2"][1] - 0.2, rtol=1e-5)
    assert made.iter == 0


def test_weights_that_python_wrote_are_trained_on(solver):
    made = solver("momentum: 0 weight_decay: 0 base_lr: 0")
    weight = made.net.params["ip1"][0].data
    made.step(1)
    weight[...] = 7
    made.step(1)
    assert (made.net.params["ip1"][0].data == 7).all()


def test_share_weights(solver, folder):
    made = solver()
    other = caffelike.Net("net.prototxt", caffelike.TEST)
    made.share_weights(other)
    made.step(2)
    assert (other.params["ip2"][0].data == made.net.params["ip2"][0].data).all()


def test_test_nets_use_the_training_weights(solver):
    made = solver(f"{TESTED} test_compute_loss: true")
    made.step(3)
    for name, blobs in made.net.params.items():
        assert (made.test_nets[0].params[name][0].data == blobs[0].data).all()
    net = made.test_nets[0]
    position = net.layers[0].state()
    score = made.test(0)
    assert set(score) == {"accuracy", "loss"}
    net.layers[0].restore(position)
    expected = [(net.forward(), net.blobs["loss"].data.copy())[1] for _ in range(2)]
    assert score["loss"] == pytest.approx(np.mean(expected), rel=1e-5)


def test_fine_tuning_says_what_got_weights_and_what_did_not(solver, folder, log_lines):
    made = solver()
    made.net.save("all.caffemodel")
    text = (folder / "net.prototxt").read_text()
    (folder / "net.prototxt").write_text(text.replace('name: "ip2"', 'name: "ip2_new"'))
    solver('weights: "all.caffemodel"')
    lines = log_lines()
    at = lines.index("Finetuning from all.caffemodel")
    assert [line for line in lines[at:] if "weights" in line or "fillers" in line or "Not used" in line] == [
        "1 of 2 layers with parameters got weights.",
        "Layer 'ip2_new' keeps what its fillers gave: no layer of that name is stored; 'ip2' is near.",
        "Not used of all.caffemodel: ip2; no layer with parameters has that name.",
    ]


def test_weights_to_start_from_go_into_test_nets_too(solver, folder, log_lines):
    first = solver()
    first.net.save("a.caffemodel")
    first.net.params["ip1"][1].data[...] = 5
    first.net.save("b.caffemodel")
    made = solver(f'{TESTED} weights: "a.caffemodel, b.caffemodel"')
    assert (made.net.params["ip1"][1].data == 5).all()
    assert (made.test_nets[0].params["ip1"][1].data == 5).all()
    assert log_lines().count("Finetuning from b.caffemodel") == 2


# Log lines ---------------------------------------------------------------------------------------


def test_order_of_the_log(solver, log_lines):
    made = solver(f"{TESTED} display: 2 max_iter: 4 average_loss: 2 snapshot_after_train: false")
    start = len(log_lines())
    made.solve()
    shapes = [re.sub(r"-?\d[\d.e+-]*", "#", line).strip() for line in log_lines()[start:]]
    tested = ["Test net output ##: accuracy = #", "Test net output ##: loss = # (* # = # loss)"]
    shown = [
        "Iteration # (# iter/s, #s/# iters), loss = #",
        "Train net output ##: loss = # (* # = # loss)",
        "Iteration #, lr = #",
    ]
    assert shapes == [
        "Solving small",
        "Learning Rate Policy: fixed",
        "Iteration #, Testing net (##)",
        *tested,
        *shown,
        *shown,
        "Iteration #, loss = #",
        "Iteration #, Testing net (##)",
        *tested,
        "Optimization Done.",
    ]


def test_the_loss_window_is_emptied_by_each_call(solver):
    made = solver("average_loss: 10")
    seen = []
    made.add_callback(lambda: None, lambda: seen.append(float(made.net.blobs["loss"].data)))
    made.step(4)
    assert made.smoothed_loss == pytest.approx(np.mean(seen))
    made.step(1)
    assert made.smoothed_loss == pytest.approx(seen[-1])
    made.step(12)
    assert made.smoothed_loss == pytest.approx(np.mean(seen[-10:]))


def test_test_initialization_can_be_off(solver, log_lines):
    solver(f"{TESTED} test_initialization: false").step(5)
    assert [line for line in log_lines() if "Testing" in line] == ["Iteration 4, Testing net (#0)"]


def test_multistep_says_when_it_steps(solver, log_lines):
    made = solver('lr_policy: "multistep" gamma: 0.1 stepvalue: 2 stepvalue: 2')
    made.step(2)
    assert made.lr == pytest.approx(0.01)
    made.step(2)
    assert made.current_step == 2
    steps = [line for line in log_lines() if "MultiStep" in line]
    assert steps == ["MultiStep Status: Iteration 2, step = 1", "MultiStep Status: Iteration 3, step = 2"]


def test_debug_info(solver, log_lines):
    plain, told = solver(), solver(f"debug_info: true display: 2 {TESTED}")
    start = len(log_lines())
    plain.step(3)
    told.step(3)
    assert same(values(plain), values(told))
    lines = [line.strip() for line in log_lines()[start:]]
    for shape in (
        r"\[Forward\] Layer ip1, top blob ip1 data: [\d.e-]+",
        r"\[Forward\] Layer ip1, param blob 1 data: [\d.e-]+",
        r"\[Backward\] Layer ip2, bottom blob ip1 diff: [\d.e-]+",
        r"\[Backward\] Layer ip2, param blob 0 diff: [\d.e-]+",
        r"\[Backward\] All net params \(data, diff\): L1 norm = \(\S+, \S+\); L2 norm = \(\S+, \S+\)",
    ):
        assert any(re.fullmatch(shape, line) for line in lines), shape
    shown = [line for line in lines if line.startswith("[Backward] All")]
    assert len(shown) == 2  # iterations 0 and 2


# Stopping ----------------------------------------------------------------------------------------


def test_stop_ends_training_with_a_snapshot(solver, folder, log_lines):
    made = solver("max_iter: 10")
    made.action = lambda: "stop" if made.iter == 3 else None
    made.solve()
    assert made.iter == 4
    assert (folder / "solver_iter_4.solverstate").exists()
    assert log_lines()[-1] == "Optimization stopped early."


def test_stop_while_testing(solver, log_lines):
    made = solver(f"{TESTED} snapshot_after_train: false max_iter: 10")
    requests = ["snapshot", "stop"]
    made.action = lambda: requests.pop(0) if requests else None
    made.solve()
    assert made.iter == 0
    assert log_lines()[-2:] == ["Test interrupted.", "Optimization stopped early."]


def test_snapshot_on_request_goes_on(solver, folder):
    made = solver("snapshot_after_train: false max_iter: 5")
    made.action = lambda: "snapshot" if made.iter == 2 else None
    made.solve()
    assert made.iter == 5
    assert [p.name for p in folder.glob("*.solverstate")] == ["solver_iter_3.solverstate"]


# NaN ---------------------------------------------------------------------------------------------


def test_a_nan_in_the_data_is_told_with_its_blob(solver, folder):
    import h5py

    with h5py.File("data.h5", "r+") as file:
        file["data"][11, 2] = np.nan
    made = solver(check_finite=True)
    with pytest.raises(NotFiniteError) as caught:
        made.step(5)
    text = str(caught.value)
    assert "Iteration 1: the loss is NaN. First at top blob 'data' of layer 'data' (HDF5Data): 1 of 40 values" in text
    assert "no snapshot" in text
    assert "base_lr" in text
    assert all(np.isfinite(b.data).all() for blobs in made.net.params.values() for b in blobs)


def test_a_weight_that_overflows_is_told(solver):
    made = solver("base_lr: 1e38", check_finite=True)
    made.snapshot()
    with pytest.raises(
        NotFiniteError, match=r"Iteration [01]: .* The last good snapshot is solver_iter_0\.solverstate"
    ):
        made.step(5)


def test_from_python_nothing_is_checked_unless_asked(solver):
    made = solver("base_lr: 1e38")
    with np.errstate(all="ignore"):
        made.step(3)
    assert not np.isfinite(made.net.params["ip1"][0].data).all()


@pytest.mark.parametrize(
    ("fields", "ratio"),
    [
        ("local_lr_auto: true local_gw_ratio: 0.1", lambda w, g: 0.1 * w / (g + 0.5 * w)),
        ("larc: true larc_eta: 0.2", lambda w, g: 0.2 * w / g),
    ],
)
def test_each_parameter_at_its_own_rate(solver, fields, ratio):
    """A step along the gradient and the decay, of the mean over iter_size, as long as the norms say."""
    made = solver(f"base_lr: 0.3 momentum: 0 weight_decay: 0.5 iter_size: 2 {fields}")
    net = made.net
    generator = np.random.default_rng(3)
    before, gradients = {}, {}
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            blob.data[...] = generator.standard_normal(blob.shape)
            blob.diff[...] = generator.standard_normal(blob.shape)
            before[name, i], gradients[name, i] = blob.data.copy(), blob.diff / 2
    made.apply_update()
    for (name, i), w in before.items():
        own = next(own for own in net.learnable if own.blob is net.params[name][i])
        g = gradients[name, i]
        rate = 0.3 * ratio(np.linalg.norm(w), np.linalg.norm(g)) if own.lr_mult else 0
        want = w - rate * (g + 0.5 * own.decay_mult * w)
        np.testing.assert_allclose(net.params[name][i].data, want, rtol=1e-5, atol=1e-6)
