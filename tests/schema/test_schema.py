"""The messages, their numbers, and the generated files they come from."""

import subprocess
import sys
from pathlib import Path

import pytest

from caffelike import schema
from caffelike.schema import LayerParameter, NetParameter, SolverParameter, V1LayerParameter
from caffelike.schema.dialects import forks_of
from caffelike.schema.fields import describe

ROOT = Path(__file__).resolve().parents[2]


def test_generated_files_are_current():
    pytest.importorskip("grpc_tools")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_schema.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_bvlc_numbers_and_defaults():
    layer = describe(LayerParameter.DESCRIPTOR).fields
    expected = {"blobs": 7, "phase": 10, "input_param": 143, "recurrent_param": 146, "clip_param": 148}
    assert {name: layer[name].number for name in expected} == expected
    solver = SolverParameter()
    assert (solver.type, solver.solver_mode, solver.snapshot_format) == ("SGD", solver.GPU, solver.BINARYPROTO)
    assert (solver.delta, solver.regularization_type) == (pytest.approx(1e-8), "L2")
    assert (LayerParameter().pooling_param.stride, LayerParameter().lrn_param.beta) == (1, 0.75)


def test_unknown_message_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no message Nonsense"):
        _ = schema.Nonsense


def test_fork_fields_never_take_a_bvlc_number_nor_ours():
    for message in (LayerParameter, NetParameter, SolverParameter, V1LayerParameter):
        table = describe(message.DESCRIPTOR)
        numbers = [field.number for field in table.fields.values()]
        assert len(set(numbers)) == len(numbers)
        for field in table.fields.values():
            assert (50000 <= field.number < 51000) == (forks_of(table.name, field.name) == "caffelike")


def test_lives_beside_another_caffe_proto():
    code = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
file.message_type.add(name="NetParameter").field.add(name="name", number=1, label=1, type=5)
{first}
descriptor_pool.Default().Add(file)
other = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter"))
from caffelike.schema import NetParameter
assert other(name=3).name == 3 and NetParameter(name="n").name == "n"
"""
    for first in ("", "import caffelike.schema; caffelike.schema.NetParameter"):
        subprocess.run([sys.executable, "-c", code.format(first=first)], check=True, cwd=ROOT)
