"""The text reader: all spellings, positions, and errors that explain."""

import math

import pytest

from caffelike.errors import FileError, ParseError
from caffelike.schema import Datum, LayerParameter, NetParameter, SolverParameter, text


def layer(source):
    return text.parse(source, LayerParameter).message


def error(source, message_class=NetParameter):
    with pytest.raises(ParseError) as caught:
        text.parse(source, message_class, "net.prototxt")
    return str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        'name: "n" pooling_param { kernel_size: 3 stride: 2 }',
        "name: 'n', pooling_param: { kernel_size: 3; stride: 2 };",
        'name: "n" pooling_param < kernel_size: 0x3 stride: 02 >',
        'name:"" "n"\'\' # a comment\npooling_param{kernel_size:3 stride:2}',
        'name: "\\156" pooling_param { kernel_size: [3] stride: 2 }',
    ],
)
def test_spellings_mean_the_same(source):
    source = source.replace("[3]", "3")
    expected = LayerParameter(name="n")
    expected.pooling_param.kernel_size, expected.pooling_param.stride = 3, 2
    assert layer(source) == expected


def test_lists_with_and_without_commas():
    param = layer("convolution_param { kernel_size: [3, 5] pad: [1 2] stride: [] }").convolution_param
    assert (list(param.kernel_size), list(param.pad), list(param.stride)) == ([3, 5], [1, 2], [])
    net = text.parse('layer: [{ name: "a" }, { name: "b" }]', NetParameter).message
    assert [item.name for item in net.layer] == ["a", "b"]


def test_numbers():
    param = layer("power_param { power: 1.0f scale: -.5e1 shift: - 3 }").power_param
    assert (param.power, param.scale, param.shift) == (1, -5, -3)
    floats = layer("loss_weight: [inf, -inf, nan, 1e-5, 1.E+2, 7]").loss_weight
    assert floats[:2] == [math.inf, -math.inf]
    assert math.isnan(floats[2])
    assert floats[3:] == pytest.approx([1e-5, 100, 7])


def test_booleans_and_enums():
    assert (
        list(layer("propagate_down: [true, True, t, 1, false, False, f, 0]").propagate_down) == [True] * 4 + [False] * 4
    )
    for word in ("AVE", "1"):
        assert layer(f"pooling_param {{ pool: {word} }}").pooling_param.pool == 1


def test_strings():
    assert layer(r'''name: "a\tb\"c\'\x41\101\\"''').name == "a\tb\"c'AA\\"
    assert layer('name: "ä"').name == "ä"
    assert text.parse(r'data: "\377\000\xfe"', Datum).message.data == b"\xff\0\xfe"


@pytest.mark.parametrize(
    "data",
    [
        b'\xef\xbb\xbfname: "n"\r\n',
        b'name: "n" # caf\xe9\r\n',
        'name: "n"'.encode("utf-16"),
        b'name: "n"\r# comment ended by a lone CR\r',
        'name:\u00a0"n"'.encode(),
    ],
)
def test_encodings_of_files(tmp_path, data):
    (tmp_path / "f").write_bytes(data)
    assert text.read(tmp_path / "f", NetParameter).message.name == "n"


def test_latin1_string_beside_utf8(tmp_path):
    (tmp_path / "f").write_bytes('name: "\u00fc"\n'.encode() + b'layer { name: "\xfc" }')
    net = text.read(tmp_path / "f", NetParameter).message
    assert net.name == net.layer[0].name == "ü"


def test_several_values_where_bvlc_takes_one():
    solver = text.parse("device_id: [0, 1]", SolverParameter)
    assert list(solver.message.device_ids) == [0, 1]
    assert solver.where("device_ids", 1) == "<string>:1:16"
    pool = layer("pooling_param { kernel_size: 1 kernel_size: 2 kernel_size: 2 }").pooling_param
    assert list(pool.kernel_size_3d) == [1, 2, 2]
    assert not pool.HasField("kernel_size")


def test_v1_type_written_as_v2():
    net = text.parse('layers { type: "Softmax" } layers { type: "InnerProduct" }', NetParameter).message
    assert [item.type for item in net.layers] == [item.SOFTMAX for item in net.layers[:1]] + [14]


def test_undescribed_message_is_read_over():
    source = 'layers { name: "t" tree_param { a: 1 b { c: "x" "y" d: [1, { e: -2 }] } f: -inf } type: LOSS_TREE }'
    assert text.parse(source, NetParameter).message.layers[0].name == "t"


def test_positions():
    document = text.parse(
        'name: "n"\nlayer {\n  name: "a"\n\tconvolution_param { pad: 1 num_output: 20 }\n}\r\n'
        "layer { loss_weight: [1, 2] }",
        NetParameter,
        "n.prototxt",
    )
    assert document.where("layer", 0, "convolution_param", "num_output") == "n.prototxt:4:29"
    assert document.where("layer", 1, "loss_weight", 1) == "n.prototxt:6:26"
    assert document.where("layer", 1) == "n.prototxt:6:1"
    assert document.where("layer", 0, "pooling_param", "pad") == "n.prototxt:2:1"
    assert document.where("layer", 7) == "n.prototxt:1:1"
    assert document.has("layer", 0, "name")
    assert not document.has("layer", 0, "type")
    assert str(document.error("wrong", "name")) == "n.prototxt:1:1: wrong"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "layer { convolution_param { num_outptu: 3 } }",
            "1:29: ConvolutionParameter has no field num_outptu; did you mean num_output?",
        ),
        ("layer { lr_mult: 3 }", "1:9: LayerParameter has no field lr_mult; it belongs in ParamSpec"),
        (
            "base_lr: 1",
            "1:1: NetParameter has no field base_lr; it belongs in SolverParameter: this looks like a solver's",
        ),
        ("zzz: 3", "1:1: NetParameter has no field zzz, and no known fork of Caffe has one"),
        (
            "layer { pooling_param { pool: MAXX } }",
            "(PoolingParameter.PoolMethod) has no value `MAXX`; did you mean MAX?",
        ),
        ("layer { pooling_param { pool: 77 } }", "has no value `77`"),
        ('name: "a"\nname: "b"', "2:1: name is given more than one value in NetParameter; it takes one"),
        ("state { } state { }", "1:11: state is given more than one value"),
        ("layer { clip_param { min: 1 } }", "1:9: ClipParameter needs a value for max"),
        ("layer { convolution_param { num_output: 1.5 } }", "num_output takes an integer, found `1.5`"),
        ("layer { convolution_param { num_output: -1 } }", "num_output must be from 0 to 4294967295, found -1"),
        ("layer { convolution_param { bias_term: maybe } }", "bias_term takes true or false, found `maybe`"),
        ('layer { convolution_param { num_output: "3" } }', 'num_output takes an integer, found a string "3"'),
        ("name: n", "name takes a string in quotes, found `n`"),
        ('name "n"', '1:6: expected `:` after name, found `"n"`'),
        ('name: "n', '1:7: the string that begins with " has no end in its line'),
        ("layer {\n  name: 'a'\n", "1:1: LayerParameter that begins here is never closed: expected `}`"),
        ("layer { ] }", "1:9: expected a field of LayerParameter or `}`, found `]`"),
        ("}", "1:1: expected a field of NetParameter, found `}`"),
        ("layer: 3", "1:8: expected `{` after layer, found `3`"),
        ("name: %", "1:7: unexpected character '%'"),
        ("layer { loss_weight: [1", "expected a value for loss_weight, found the end of the file"),
    ],
)
def test_errors_explain(source, expected):
    message = error(source)
    assert message.startswith("net.prototxt:")
    assert expected in message


def test_depth_limit():
    assert "nested more than 64 deep" in error("layer { moe_param { gating_net { " * 30)
    problems = []
    text.parse("unknown { " * 100000, NetParameter, problems=problems)
    assert "nested more than 64 deep" in str(problems[1])


def test_all_problems_at_once():
    problems = []
    source = 'nme: "n"\nlayer { typ: "ReLU" relu_param { negative_slope: x } }\nlayer { name: "b" '
    document = text.parse(source, NetParameter, "n", problems)
    assert [(problem.line, problem.column) for problem in problems] == [(1, 1), (2, 9), (2, 50), (3, 1)]
    assert document.message.layer[1].name == "b"


def test_missing_file():
    with pytest.raises(FileError, match="Could not open file no/such/file"):
        text.read("no/such/file", NetParameter)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\n\x07squeeze\x12\x04", "binary file, not a definition"),
        (b"\n<!DOCTYPE html>\n<html>", "web page, not a definition"),
    ],
)
def test_files_that_people_mistake_for_definitions(tmp_path, data, words):
    (tmp_path / "net.prototxt").write_bytes(data)
    with pytest.raises(ParseError, match=rf"net\.prototxt:1:1: this is a {words}"):
        text.read(tmp_path / "net.prototxt", NetParameter)
