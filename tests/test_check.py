"""caffelike.check: each kind of problem, at its exact place."""

import sys

import numpy as np
import pytest

from caffelike import TEST, TRAIN
from caffelike.check import FIRST, check, kind_of
from caffelike.errors import CaffelikeError, FileError
from caffelike.schema import message_class
from caffelike.schema.weights import write_mean
from caffelike.solvers import get_solver

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }\n'
CONV = "convolution_param { num_output: 4 kernel_size: 3 }"


@pytest.fixture
def found(tmp_path, monkeypatch):
    """A function that checks a text and returns (level, line, column, layer, phase, message) of each problem."""
    monkeypatch.chdir(tmp_path)

    def run(text, **options):
        (tmp_path / "f.prototxt").write_text(text)
        return [(p.level, p.line, p.column, p.layer, p.phase, p.message) for p in check("f.prototxt", **options)]

    return run


def only(problems, level="error"):
    assert [p[0] for p in problems] == [level], problems
    return problems[0]


def layer(rest, name="l", bottom="x", top="y"):
    return f'layer {{ name: "{name}" bottom: "{bottom}" top: "{top}" {rest} }}\n'


def place(problem):
    return problem[1:4]


def test_a_good_net_has_no_problems(found):
    assert found(INPUT + layer(f'type: "Convolution" {CONV}') + layer('type: "Softmax"', "s", "y", "z")) == []


# The text --------------------------------------------------------------------------------------


def test_unknown_field_says_what_was_meant_and_nothing_follows_from_it(found):
    text = INPUT + layer('type: "Convolution"\nconvolution_param { num_outptu: 4 kernel_size: 3 }')
    problem = only(found(text + layer('type: "ReLU"', "r", "y", "z")))
    assert place(problem) == (3, 21, "l")
    assert "no field num_outptu; did you mean num_output" in problem[-1]


def test_all_errors_of_the_text_and_of_the_net_come_at_once(found):
    text = (
        INPUT
        + layer('type: "Pooling" pooling_param { pool: MAXX kernel_size: 2 }', "a", top="a")
        + layer('type: "ReLU" relu_param { negative_slope: "no" }', "b", top="b")
        + layer('type: "Convolution" convolution_param { num_output: 4 kernel_size: 9 }', "c", top="c")
        + layer('type: "Relu"', "d", top="d")
        + "force_backward: maybe\n"
    )
    assert [(p[1], p[3]) for p in found(text)] == [(2, "a"), (3, "b"), (4, "c"), (5, "d"), (6, "")]


def test_text_that_ends_too_soon(found):
    problem = only(found(INPUT + 'layer { name: "open" type: "ReLU" bottom: "x" top: "x"\n'))
    assert place(problem) == (2, 1, "open")
    assert "never closed" in problem[-1]


def test_old_forms_stand_where_they_were_written(found):
    text = 'input: "data" input_dim: [1, 3, 8, 8]\nlayers { name: "c" type: CONVOLUTION bottom: "data" top: "c"\n'
    problem = only(found(text + "convolution_param { num_output: 4\nkernel_size: 0 } }\n"))
    assert place(problem)[0] in (2, 4)
    problem = only(found('input: "a"\ninput: "b" input_dim: 1 input_dim: 1\n'))
    assert problem[1] == 1
    assert "give four for each" in problem[-1]


# Types and forks -------------------------------------------------------------------------------


def test_unknown_types(found):
    problems = found(INPUT + layer('type: "Convolutoin"') + layer('\ntype: "NoSuchThing"', "n", "x", "n"))
    assert [place(p) for p in problems] == [(2, 40, "l"), (4, 1, "n")]
    assert "unknown layer type Convolutoin. Did you mean Convolution" in problems[0][-1]
    assert "register_layer" in problems[1][-1]


def test_a_type_of_a_fork_names_the_fork(found, monkeypatch):
    from caffelike import registry

    monkeypatch.setattr(registry.layers, "_entries", {k: v for k, v in registry.layers._entries.items() if k != "Tile"})
    registry.layers._load()
    problem = only(found(INPUT + layer('type: "NoSuchInterp" interp_param { height: 3 }')))
    assert "belongs to the fork(s) pspnet" in problem[-1]


def test_a_missing_type(found):
    assert "has no type" in only(found(INPUT + layer("")))[-1]


def test_a_forks_field_that_changes_numbers(found):
    problem = only(found(INPUT + layer('type: "Dropout"\ndropout_param {\n  sqrt_scale: true }')))
    assert place(problem) == (4, 3, "l")
    assert "dropout_param.sqrt_scale belongs to the fork(s) happynear" in problem[-1]


def test_hints_are_noted_once(found):
    text = (
        INPUT
        + layer('type: "ReLU" forward_type: FLOAT16', "a", top="a")
        + layer('type: "TanH" forward_type: FLOAT16', "b", top="b")
    )
    problem = only(found(text), "note")
    assert place(problem) == (2, 53, "a")
    assert "ignored" in problem[-1]


# Wiring ----------------------------------------------------------------------------------------


def test_unknown_bottom(found):
    problem = only(found(INPUT + 'layer { name: "l" type: "Eltwise" bottom: "x"\n  bottom: "X" top: "y" }'))
    assert place(problem) == (3, 3, "l")
    assert "Unknown bottom blob 'X'" in problem[-1]
    assert "Did you mean 'x'" in problem[-1]


def test_a_bottom_that_is_made_later_or_left_out(found):
    later = INPUT + layer('type: "ReLU"', "a", "b", "c") + layer('type: "TanH"', "b", "x", "b")
    assert "Layer 'b' makes it, but stands after this one" in only(found(later))[-1]
    out = INPUT + layer('type: "TanH" include { stage: "s" }', "b", "x", "b") + layer('type: "ReLU"', "a", "b", "c")
    assert "Layer 'b' makes it, but its include or exclude rules" in only(found(out))[-1]
    assert found(out, stages=["s"]) == []


def test_what_follows_from_an_error_is_not_reported(found):
    text = INPUT + layer('type: "ReLU"', "a", "no", "b") + layer(f'type: "Convolution" {CONV}', "c", "b", "d")
    assert len(found(text + layer('type: "ReLU"', "e", "d", "d"))) == 1


def test_a_layer_behind_an_error_is_held_against_its_type(found):
    text = INPUT + layer('type: "Nothing"', "a", "x", "b") + layer('type: "LRN"', "c", "b", "b")
    problems = found(text + 'layer { name: "e" type: "SoftmaxWithLoss" bottom: "b" top: "loss" }')
    assert [p[3] for p in problems] == ["a", "c", "e"]
    assert "cannot work in place" in problems[1][-1]
    assert "takes 2 to 3 bottom" in problems[2][-1] or "takes 2 bottom" in problems[2][-1]


def test_two_layers_make_one_blob(found):
    problem = only(found(INPUT + layer('type: "ReLU"', "a") + layer('type: "TanH"', "b")))
    assert place(problem) == (3, 31, "b")
    assert "multiple sources" in problem[-1]


def test_in_place_on_a_blob_that_others_read(found):
    text = (
        INPUT + layer('type: "TanH"', "a") + layer('type: "ReLU"', "b", "y", "y") + layer('type: "ReLU"', "c", "x", "x")
    )
    problem = only(found(text))
    assert (problem[1], problem[3]) == (4, "c")


def test_include_and_exclude_exclude_each_other(found):
    problem = only(found(INPUT + layer('type: "ReLU" include { phase: TEST }\n exclude { phase: TRAIN }')))
    assert (problem[1], problem[2]) == (3, 2)


# Shapes and options ----------------------------------------------------------------------------


def test_a_shape_that_does_not_fit_stands_at_its_layer(found):
    text = layer('type: "Convolution" convolution_param { num_output: 4 kernel_size: 9 }')
    problem = only(found("\n" + INPUT + text))
    assert place(problem) == (3, 1, "l")
    assert "8x8" in problem[-1]


def test_an_option_stands_where_it_is_written(found):
    problem = only(found(INPUT + layer('type: "Dropout"\n  dropout_param {\n    dropout_ratio: 2 }')))
    assert place(problem) == (4, 5, "l")


def test_shared_parameters_of_different_shape(found):
    text = INPUT + "".join(
        layer(
            f'type: "InnerProduct" param {{ name: "w" }} inner_product_param {{ num_output: {n} }}', f"l{n}", top=f"{n}"
        )
        for n in (3, 4)
    )
    problem = only(found(text))
    assert (problem[1], problem[3]) == (3, "l4")
    assert "cannot share param 'w'" in problem[-1]


def test_learning_rates_of_batch_norm(found):
    problem = only(found(INPUT + layer('type: "BatchNorm" param { lr_mult: 1 }')))
    assert "not learned" in problem[-1]


def test_a_blob_that_no_memory_holds(found):
    text = (
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1000000 dim: 1000000 dim: 1000000 } } }'
    )
    assert (found(text))[0][0] == "error"


# Phases ----------------------------------------------------------------------------------------


def test_a_problem_of_one_phase_names_it(found):
    text = INPUT + layer('type: "Relu" include { phase: TEST }') + layer('type: "Tanh"', "t", "x", "t")
    assert [(p[3], p[4]) for p in found(text)] == [("l", "TEST"), ("t", "")]
    assert [p[3] for p in found(text, phases=[TRAIN])] == ["t"]


def test_a_phase_without_data_is_not_checked(found):
    text = INPUT.replace("name", "include { phase: TRAIN } name") + layer('type: "Relu"', "a")
    problems = found(text)
    assert [(p[0], p[4]) for p in problems] == [("note", "TEST"), ("error", "TRAIN")]
    assert "no layer delivers data in this phase" in problems[0][-1]
    text = INPUT.replace("name", 'include { stage: "deploy" } name') + layer('type: "ReLU"', "a")
    assert "--stage deploy" in found(text, phases=[TEST])[0][-1]


# Data that are not here ------------------------------------------------------------------------

DATA = 'layer { name: "d" type: "%s" top: "x" top: "label"\n%s }\n'


@pytest.mark.parametrize(
    ("kind", "options", "shape"),
    [
        ("Data", 'data_param { source: "no" batch_size: 5 } transform_param { crop_size: 9 }', "5 x 3 x 9 x 9"),
        (
            "Data",
            'data_param { source: "no" batch_size: 5 } transform_param { crop_size: 9 force_gray: true }',
            "5 x 1 x 9 x 9",
        ),
        ("ImageData", 'image_data_param { source: "no" batch_size: 5 new_height: 7 new_width: 8 }', "5 x 3 x 7 x 8"),
        (
            "ImageData",
            'image_data_param { source: "no" batch_size: 5 is_color: false } transform_param { crop_size: 9 }',
            "5 x 1 x 9 x 9",
        ),
        (
            "WindowData",
            'window_data_param { source: "no" batch_size: 5 } transform_param { crop_size: 9 }',
            "5 x 3 x 9",
        ),
    ],
)
def test_declared_shapes(found, kind, options, shape):
    """The net behind missing data is checked: its kernel of 10 does not fit."""
    text = DATA % (kind, options) + layer('type: "Convolution" convolution_param { num_output: 1 kernel_size: 10 }')
    note, error = found(text + 'layer { name: "s" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" }')[:2]
    assert note[0] == "note"
    assert f"Checked with the declared shape {shape}" in note[-1]
    assert error[0] == "error"
    assert "10x10" in error[-1]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("Data", 'data_param { source: "no" batch_size: 5 }'),
        ("ImageData", 'image_data_param { source: "no" }'),
        ("HDF5Data", 'hdf5_data_param { source: "no" batch_size: 5 }'),
    ],
)
def test_undeclared_shapes_need_an_input(found, kind, options):
    text = DATA % (kind, options) + layer('type: "Pooling" pooling_param { kernel_size: 10 }')
    problem = only(found(text), "note")
    assert problem[2:4] == (1, "d") or problem[3] == "d"
    assert "What depends on x is not checked; give its shape: --input x=" in problem[-1]
    for inputs in ({"x": (5, 3, 9, 9)}, {FIRST: (5, 3, 9, 9)}):
        problem = only(found(text, inputs=inputs))
        assert (problem[3], "9x9" in problem[-1]) == ("l", True)


def test_a_declared_shape_that_no_memory_holds(found):
    options = 'data_param { source: "no" batch_size: 10000000 } transform_param { crop_size: 9 }'
    error, note = found(DATA % ("Data", options) + layer('type: "ReLU"'))
    assert (note[0], error[0], error[3]) == ("note", "error", "d")
    assert "2147483647" in error[-1]


def test_options_of_missing_data_are_checked(found):
    problem = only(found(DATA % ("Data", 'data_param {\n source: "no" }')))
    assert "batch_size" in problem[-1]


def test_a_missing_mean_file_is_a_note(found, tmp_path):
    options = 'image_data_param { source: "l" new_height: 3 new_width: 3 } transform_param { mean_file: "m" }'
    assert "Could not open mean file m" in only(found(DATA % ("ImageData", options)), "note")[-1]
    write_mean(tmp_path / "m", np.zeros((1, 3, 3, 3), np.float32))
    assert "Could not open image list l" in only(found(DATA % ("ImageData", options)), "note")[-1]


def test_an_input_that_no_layer_makes(found):
    with pytest.raises(CaffelikeError, match="makes the blob 'y'"):
        found(INPUT, inputs={"y": (1,)})
    with pytest.raises(CaffelikeError, match="makes the blob"):
        found('name: "empty"', inputs={FIRST: (1,)})


def test_code_that_a_net_names_is_not_run(found, tmp_path):
    (tmp_path / "evil_module_of_a_test.py").write_text("raise SystemExit")
    sys.path.insert(0, str(tmp_path))
    try:
        python = 'type: "Python" python_param { module: "evil_module_of_a_test" layer: "L" }'
        text = INPUT + layer(python, "p", "x", "p") + layer(python, "q", "x", "q")
        problem = only(found(text + layer(f'type: "Convolution" {CONV}', "c", "p", "c")), "note")
    finally:
        sys.path.remove(str(tmp_path))
    assert place(problem) == (2, 1, "p")
    assert "not imported" in problem[-1]
    assert "evil_module_of_a_test" not in sys.modules
    text += layer('type: "Convolution" convolution_param { num_output: 1 kernel_size: 5 }', "c", "p", "c")
    assert "5x5" in found(text, inputs={"p": (1, 1, 3, 3)})[-1][-1]


# What is allowed, but hardly meant -------------------------------------------------------------


def test_two_layers_of_one_name(found):
    text = layer(f'type: "Convolution" {CONV}', "c", "x", "a") + layer(f'\ntype: "Convolution" {CONV}', "c", "x", "b")
    problem = only(found(INPUT + text), "warning")
    assert place(problem) == (3, 9, "c")
    assert "line 2" in problem[-1]
    assert found(INPUT + layer('type: "ReLU"', "r", "x", "a") + layer('type: "ReLU"', "r", "x", "b")) == []


@pytest.mark.parametrize(("top", "slip"), [("Conv_1", True), ("cnov1", True), ("conv2", False), ("conv11", False)])
def test_a_top_that_is_a_slip_of_the_pen(found, top, slip):
    text = INPUT + layer(f'type: "Convolution" {CONV}', "c", "x", "conv1") + layer('type: "ReLU"', "r", "conv1", top)
    problems = found(text + layer('type: "TanH"', "t", "conv1", "t"))
    assert bool(problems) == slip
    if slip:
        assert place(only(problems, "warning")) == (3, 35, "r")
        assert "did you mean 'conv1'" in problems[0][-1]


# Solvers ---------------------------------------------------------------------------------------

SOLVER = 'net: "n.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\n'


@pytest.fixture
def solver(found, tmp_path):
    (tmp_path / "n.prototxt").write_text(INPUT)
    return found


def test_a_good_solver(solver):
    assert solver(SOLVER) == []


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("fixed", "fixd"), 3, "Unknown learning rate policy: fixd"),
        (("fixed", "step"), 3, "needs gamma"),
        (("net:", "momentum: 0.9 type: 'AdaGrad' net:"), 1, "Momentum cannot be used with AdaGrad"),
        (("net:", "type: 'Adma' net:"), 1, "Did you mean Adam"),
        (
            ("net:", "test_iter: 3 test_interval: 1 test_iter: 3 test_net: 'n.prototxt' test_state {} net:"),
            1,
            "test_state",
        ),
        (("base_lr", "\ntest_iter: 3\nbase_lr"), 3, "test_interval must be greater than 0"),
        (('net: "n.prototxt"', ""), 1, "must specify a train net"),
        (("net:", "train_net: 'n.prototxt' net:"), 1, "more than one of these fields"),
        (("n.prototxt", "m.prototxt"), 1, "Could not open net m.prototxt"),
        (("base_lr", "base_lrr"), 2, "did you mean base_lr"),
        (("net:", "solver_type: ADAM type: 'SGD' net:"), 1, "solver_type"),
        (("base_lr", "\nmax_momentum: 0.5\nbase_lr"), 3, "max_momentum belongs to the fork(s) nvidia"),
    ],
)
def test_solver_fields(solver, change, line, message):
    problems = [p for p in solver(SOLVER.replace(*change)) if message in p[-1]]
    assert len(problems) == 1
    assert problems[0][:2] == ("error", line)


def test_all_problems_of_a_solver_come_at_once(solver):
    text = SOLVER.replace("fixed", "fixd") + 'type: "Adma"\niter_sise: 2\ntest_iter: 1\n'
    assert len([p for p in solver(text) if p[0] == "error"]) == 4


def test_missing_weights_and_folders_are_notes(solver):
    problems = solver(SOLVER + 'weights: "a,b"\nsnapshot_prefix: "no/such"\n')
    assert [(p[0], p[1]) for p in problems] == [("note", 4), ("note", 4), ("note", 5)]


def test_a_solvers_nets_are_checked_in_their_states(solver, tmp_path):
    (tmp_path / "n.prototxt").write_text(
        INPUT
        + layer('type: "A" include { phase: TRAIN stage: "t" }', "a", top="a")
        + layer('type: "B" include { phase: TEST stage: "u" }', "b", top="b")
        + layer('type: "C" include { phase: TEST stage: "v" }', "c", top="c")
    )
    assert solver(SOLVER) == []
    text = SOLVER + 'train_state { stage: "t" } test_interval: 1 test_iter: 1 test_state { stage: "u" }\n'
    (tmp_path / "s.prototxt").write_text(text)
    problems = check("s.prototxt")
    assert [(p.file, p.line, p.layer, p.phase) for p in problems] == [
        ("n.prototxt", 2, "a", "TRAIN"),
        ("n.prototxt", 3, "b", "TEST"),
    ]


def test_a_net_inside_a_solver(solver):
    inner = INPUT + layer('\n type: "Relu"')
    problem = only(solver(f'base_lr: 0.1 lr_policy: "fixed"\nnet_param {{ {inner} }}'))
    assert problem[1:4] == (4, 2, "l")


def test_a_net_beside_its_solver_is_found(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "n.prototxt").write_text(INPUT + layer('type: "Relu"'))
    (tmp_path / "sub" / "s.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    assert [p.layer for p in check("sub/s.prototxt")] == ["l"]


# Files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (INPUT, "net"),
        (SOLVER, "solver"),
        ('base_lr: 1 net: "unclosed', "solver"),
        ('name: "a" "unclosed', "net"),
        ("item { id: 3 }", ""),
        ("", "net"),
    ],
)
def test_kinds(text, kind):
    assert kind_of(text) == kind


def test_other_files(found, tmp_path):
    assert "belongs to a net or a solver" in only(found("item { id: 3 } item { id: 4 }"))[-1]
    (tmp_path / "w").write_bytes(b"\x0a\x00\x00\x00")
    assert "caffelike inspect" in check("w")[0].message
    with pytest.raises(FileError, match="Could not open file nowhere"):
        check("nowhere")


def test_as_compilers_print_it(found):
    found(INPUT + layer('type: "Relu" include { phase: TEST }'))
    (problem,) = check("f.prototxt")
    assert str(problem).startswith("f.prototxt:2:40: error: layer 'l': unknown layer type Relu")
    assert str(problem).endswith("[TEST]")
    assert problem.to_dict()["column"] == 40


# Against training ------------------------------------------------------------------------------

TRAINED = """
layer { name: "d" type: "DummyData" top: "x" top: "t" dummy_data_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
"""
PLAIN = {"net": '"net.prototxt"', "base_lr": "0.1", "lr_policy": '"fixed"', "max_iter": "3", "snapshot_prefix": '"s"'}
NAMING_FILES = {"net", "train_net", "test_net", "weights"}  # a file that is not there is a note only, or stops either


def values(field):
    """Texts to give a field of a solver, its default and others."""
    if field.message_type:
        return ["{ }"]
    if field.enum_type:
        return [value.name for value in field.enum_type.values]
    kinds = {field.CPPTYPE_BOOL: ["true", "false"], field.CPPTYPE_STRING: ['"word"']}
    return kinds.get(field.cpp_type, ["7", "-3", "0"])


def test_a_solver_is_refused_if_and_only_if_training_refuses_it(tmp_path, monkeypatch):
    """Every field that any fork's solver has, with each of several values: checked, and trained for an iteration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(TRAINED)
    different = []
    for field in message_class("SolverParameter").DESCRIPTOR.fields:
        if field.name in NAMING_FILES or field.name.endswith("net_param"):
            continue
        for value in values(field):
            fields = PLAIN | {field.name: value}
            (tmp_path / "s.prototxt").write_text(" ".join(f"{name}: {text}" for name, text in fields.items()))
            refused = [problem for problem in check("s.prototxt") if problem.level == "error"]
            try:
                get_solver("s.prototxt").step(1)
                failed = ""
            except CaffelikeError as error:
                failed = str(error)
            if bool(refused) != bool(failed):
                different.append((field.name, value, refused, failed))
    assert not different
