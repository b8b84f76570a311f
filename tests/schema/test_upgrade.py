"""Old definitions become current ones; what Caffe's tools make of real files is in test_wild.py."""

import logging

import pytest

from caffelike.errors import ModelError
from caffelike.schema import LayerParameter, NetParameter, SolverParameter, V0LayerParameter, V1LayerParameter, text
from caffelike.schema.upgrade import net_needs_upgrade, upgrade_net, upgrade_solver, v1_type_name
from caffelike.schema.upgrade_v0 import TYPES


def upgraded(source, **options):
    net = text.parse(source, NetParameter).message
    changed = upgrade_net(net, "f.prototxt", **options)
    assert changed
    assert not net.layers
    assert not net.input
    return net


def net_of(source):
    return text.parse(source, NetParameter).message


def test_v1_layer():
    net = upgraded("""
        name: "n" force_backward: true
        layers { name: "c" type: CONVOLUTION bottom: "a" top: "c" param: "w" param: "b" blob_share_mode: STRICT
          blob_share_mode: PERMISSIVE blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 loss_weight: 3
          include { phase: TRAIN } exclude { min_level: 2 } convolution_param { num_output: 5 } }
        layers { type: NONE }""")
    expected = net_of("""
        name: "n" force_backward: true
        layer { name: "c" type: "Convolution" bottom: "a" top: "c" loss_weight: 3 include { phase: TRAIN }
          param { name: "w" share_mode: STRICT lr_mult: 1 decay_mult: 1 }
          param { name: "b" share_mode: PERMISSIVE lr_mult: 2 decay_mult: 0 }
          exclude { min_level: 2 } convolution_param { num_output: 5 } }
        layer { type: "" }""")
    assert net == expected


def test_all_v1_types_and_options_have_a_place():
    layer = LayerParameter.DESCRIPTOR.fields_by_name
    for field in V1LayerParameter.DESCRIPTOR.fields:
        if field.message_type is not None and field.name not in ("layer",):
            assert layer[field.name].message_type is field.message_type, field.name
    words = V1LayerParameter.LayerType.keys()
    names = {word: v1_type_name(word) for word in words}
    assert [word for word, name in names.items() if not name] == ["NONE"]
    assert names["SOFTMAX_LOSS"] == "SoftmaxWithLoss"
    assert names["CONVOLUTION3D"] == "Convolution3D"
    assert names["MULTI_STAGE_MEANFIELD"] == "MultiStageMeanfield"


@pytest.mark.parametrize(
    ("kind", "param"),
    [("DATA", "data_param"), ("IMAGE_DATA", "image_data_param"), ("WINDOW_DATA", "window_data_param")],
)
def test_transform_fields_move(kind, param):
    net = upgraded(
        f'layers {{ type: {kind} {param} {{ scale: 0.5 mean_file: "m" crop_size: 7 mirror: true source: "s" }}'
        " transform_param { force_gray: true } }"
    )
    transform = net.layer[0].transform_param
    assert (transform.scale, transform.mean_file, transform.crop_size) == (0.5, "m", 7)
    assert transform.mirror
    assert transform.force_gray
    assert [field.name for field, _ in getattr(net.layer[0], param).ListFields()] == ["source"]


V0 = """
name: "v0" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 9
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 5 stride: 2 group: 1 biasterm: false
    weight_filler { type: "xavier" } blobs_lr: 1. weight_decay: 0. } bottom: "pad1" top: "c" }
layers { layer { name: "p" type: "pool" pool: AVE kernelsize: 3 stride: 2 pad: 1 } bottom: "c" top: "p" }
layers { layer { name: "n" type: "lrn" local_size: 3 alpha: 0.1 beta: 0.5 k: 2 } bottom: "p" top: "n" }
layers { layer { name: "d" type: "data" source: "s" batchsize: 6 cropsize: 7 scale: 0.25 meanfile: "m" mirror: true
    rand_skip: 2 } top: "d" }
layers { layer { name: "i" type: "images" source: "l" shuffle_images: true new_height: 3 new_width: 4 } top: "i" }
layers { layer { name: "w" type: "window_data" det_fg_threshold: 0.6 det_context_pad: 2 det_crop_mode: "square" }
  top: "w" }
layers { layer { name: "cc" type: "concat" concat_dim: 0 } bottom: "n" bottom: "p" top: "cc" }
layers { layer { name: "h" type: "hdf5_output" hdf5_output_param { file_name: "o" } } bottom: "cc" }
"""
V2 = """
name: "v0"
layer { name: "input" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 9 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" param { lr_mult: 1 decay_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 5 stride: 2 group: 1 bias_term: false pad: 2
    weight_filler { type: "xavier" } } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "n" type: "LRN" bottom: "p" top: "n" lrn_param { local_size: 3 alpha: 0.1 beta: 0.5 k: 2 } }
layer { name: "d" type: "Data" top: "d" data_param { source: "s" batch_size: 6 rand_skip: 2 }
  transform_param { crop_size: 7 scale: 0.25 mean_file: "m" mirror: true } }
layer { name: "i" type: "ImageData" top: "i" image_data_param { source: "l" shuffle: true new_height: 3 new_width: 4 } }
layer { name: "w" type: "WindowData" top: "w"
  window_data_param { fg_threshold: 0.6 context_pad: 2 crop_mode: "square" } }
layer { name: "cc" type: "Concat" bottom: "n" bottom: "p" top: "cc" concat_param { concat_dim: 0 } }
layer { name: "h" type: "HDF5Output" bottom: "cc" hdf5_output_param { file_name: "o" } }
"""


def test_v0_net_through_all_generations():
    origins = []
    assert upgraded(V0, origins=origins) == net_of(V2)
    assert origins == [("input", 0)] + [("layers", index) for index in range(1, 9)]


def test_all_24_v0_types_are_known():
    assert len(TYPES) == 25  # softmaxloss is an older spelling of softmax_loss
    assert set(TYPES.values()) <= set(V1LayerParameter.LayerType.keys())
    assert V0LayerParameter(type="x").type not in TYPES


def test_v0_field_without_a_place_is_a_problem(caplog):
    problems = []
    with caplog.at_level(logging.INFO, "caffelike"):
        upgraded('layers { layer { name: "r" type: "relu" stride: 2 } }', problems=problems)
    assert problems == ["Unknown parameter stride for layer type relu"]
    assert "had one or more problems upgrading V0NetParameter" in caplog.text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('layers { layer { type: "konv" } }', "Unknown layer name: konv"),
        ('layers { layer { type: "relu" } bottom: "x" }', "Unknown blob input x to layer 0"),
        (
            'input: "d" layers { layer { type: "padding" } bottom: "d" top: "p" }'
            ' layers { layer { type: "relu" } bottom: "p" }',
            "Padding layer input to non-convolutional / non-pooling layer type relu",
        ),
        ('input: "a" input: "b" input_dim: [1, 2, 3, 4]', "2 inputs but 4 input_dim; give four for each"),
        ('input: "a" input: "b" input_shape { dim: 1 }', "2 inputs but 1 input_shape"),
    ],
)
def test_refused(source, expected):
    with pytest.raises(ModelError, match=expected):
        upgrade_net(net_of(source), "f")


def test_inputs():
    net = upgraded('input: "a" input: "b" input_shape { dim: 2 } input_shape { dim: [3, 4] } layer { name: "l" }')
    assert [layer.name for layer in net.layer] == ["input", "l"]
    assert list(net.layer[0].top) == ["a", "b"]
    assert [list(shape.dim) for shape in net.layer[0].input_param.shape] == [[2], [3, 4]]
    assert not upgraded('input: "a"').layer


def test_batch_norm_of_three_params():
    net = upgraded('layer { type: "BatchNorm" param { lr_mult: 1 } param { } param { name: "s" decay_mult: 4 } }')
    assert [(param.lr_mult, param.decay_mult) for param in net.layer[0].param] == [(0, 0)] * 3
    assert net.layer[0].param[2].name == "s"
    assert net_needs_upgrade(net)  # as in Caffe, which says so again each time


def test_current_net_is_left_alone():
    net = net_of('name: "n" layer { name: "l" type: "ReLU" }')
    assert not upgrade_net(net)
    assert net == net_of('name: "n" layer { name: "l" type: "ReLU" }')


def test_solver_type(caplog):
    solver = text.parse("solver_type: RMSPROP base_lr: 1", SolverParameter).message
    with caplog.at_level(logging.INFO, "caffelike"):
        assert upgrade_solver(solver, "s.prototxt")
    assert solver == SolverParameter(type="RMSProp", base_lr=1)
    assert "deprecated 'solver_type' field (enum)': s.prototxt" in caplog.text
    assert not upgrade_solver(solver)
    with pytest.raises(ModelError, match="cannot be both specified"):
        upgrade_solver(SolverParameter(type="SGD", solver_type=1))


def test_log_lines_are_caffes(caplog):
    with caplog.at_level(logging.INFO, "caffelike"):
        upgraded('input: "a" layers { type: DATA data_param { scale: 2 } }')
    sources = [record.source for record in caplog.records]
    assert sources == [f"upgrade_proto.cpp:{line}" for line in (44, 47, 49, 53, 61, 67, 70, 72)]
