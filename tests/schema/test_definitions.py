"""Files of nets and solvers in any form, and positions that survive the upgrade."""

import pytest

from caffelike.errors import ParseError
from caffelike.schema import text
from caffelike.schema.dialects import foreign_fields, forks_of, guess_forks


@pytest.fixture
def write(tmp_path):
    def write(source):
        (tmp_path / "f.prototxt").write_text(source)
        return tmp_path / "f.prototxt"

    return write


def places(document, *path):
    return document.where_layer(*path).rpartition("f.prototxt:")[2]


def test_positions_in_an_old_net(write):
    document = text.read_net(
        write(
            'input: "data" input_dim: [1, 3, 8, 8]\n'
            'layers { name: "c" type: CONVOLUTION bottom: "data" top: "c"\n'
            "  blobs_lr: 1 blobs_lr: 2\n"
            "  convolution_param { num_output: 4 } }\n"
            'layers { layer { name: "p" type: "pool" kernelsize: 3 } bottom: "c" top: "p" }\n'
            'layers { type: DATA top: "d" data_param {\n'
            "  mean_file: 'm' } }"
        )
    )
    assert document.changed
    assert [layer.type for layer in document.message.layer] == ["Input", "Convolution", "Pooling", "Data"]
    assert places(document, 0) == "1:1"
    assert places(document, 1) == "2:1"
    assert places(document, 1, "convolution_param", "num_output") == "4:23"
    assert places(document, 1, "param", 1, "lr_mult") == "3:15"
    assert places(document, 1, "bottom", 0) == "2:38"
    assert places(document, 2, "pooling_param", "kernel_size") == "5:41"
    assert places(document, 2, "name") == "5:18"
    assert places(document, 3, "transform_param", "mean_file") == "7:3"
    assert places(document, 3, "transform_param", "scale") == "6:1"
    assert str(document.error("no", 1, "bottom", 0)).endswith("f.prototxt:2:38: no")


def test_mixed_file_keeps_the_order_of_its_text(write):
    document = text.read_net(
        write('layers { name: "a" type: RELU }\nlayer { name: "b" type: "ReLU" }\nlayers { name: "c" type: RELU }')
    )
    assert [layer.name for layer in document.message.layer] == ["a", "b", "c"]
    assert [places(document, index) for index in range(3)] == ["1:1", "2:1", "3:1"]


def test_current_net(write):
    document = text.read_net(write('layer {\n name: "a" }'))
    assert not document.changed
    assert places(document, 0, "name") == "2:2"


def test_solver_with_old_net_inside(write):
    solver = text.read_solver(write("solver_type: ADAM net_param { layers { type: RELU } }")).message
    assert solver.type == "Adam"
    assert solver.net_param.layer[0].type == "ReLU"


def test_problems_are_collected(write):
    problems = []
    text.read_net(write("layer { nam: 'x' }"), problems)
    assert isinstance(problems[0], ParseError)


def test_foreign_fields(write):
    document = text.read_net(
        write("""
        layer { engine: "MKLDNN" convolution_param { num_output: 1 engine: MKLDNN relu: true } }
        layer { pooling_param { avg_include_pad: true ceil_mode: false engine: CUDNN } }
        layer { loss_param { normalization: PRE_FIXED } permute_param { order: 0 } }""")
    )
    found = [[(item.name, item.word, item.hint) for item in foreign_fields(layer)] for layer in document.message.layer]
    assert found == [
        [("convolution_param.engine", "MKLDNN", True), ("convolution_param.relu", "", False), ("engine", "", True)],
        [("pooling_param.ceil_mode", "", False)],
        [("loss_param.normalization", "PRE_FIXED", False), ("permute_param", "", False)],
    ]


def test_fork_table():
    assert "ssd" in forks_of("LayerParameter", "permute_param")
    assert forks_of("LayerParameter", "pooling_param") == ""
    assert "defaults" not in forks_of("UpsampleParameter", "scale")
    best, fits = guess_forks([{1, 2, 3, 202}, {1, 203}, {200, 207}])[0]
    assert (best, fits) == ("ssd", 4)
