"""Binary files of weights: every form there ever was, in and out, and errors for what is none."""

import os
import struct

import h5py
import numpy as np
import pytest
import recorded

from caffelike.errors import FileError, WeightsError
from caffelike.schema import BlobProto, LayerParameter, NetParameter
from caffelike.schema.stored import LayerArrays
from caffelike.schema.upgrade_files import upgrade_net_proto_binary
from caffelike.schema.weights import (
    layer_message,
    parse_weights,
    read_mean,
    read_weights,
    write_mean,
    write_weights,
)
from caffelike.schema.wire import Source, header, varint

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3) - 2.5
SHAPE = header(7, 4) + header(1, 2) + b"\x02\x03"


def net_with(blob: bytes, generation: str = "V2") -> bytes:
    """A net of one layer `a` that holds one blob of these bytes."""
    name = header(1, 1) + b"a"
    if generation == "V2":
        layer = name + header(2, 1) + b"T" + header(7, len(blob)) + blob
        return header(100, len(layer)) + layer
    if generation == "V1":
        layer = header(4, 1) + b"a" + varint(5 << 3) + varint(14) + header(6, len(blob)) + blob
    else:
        inner = name + header(2, 4) + b"conv" + varint(50 << 3 | 2) + varint(len(blob)) + blob
        layer = header(1, len(inner)) + inner + header(2, 1) + b"x"
    return header(2, len(layer)) + layer


def only_blob(blob: bytes, generation: str = "V2"):
    return parse_weights(Source(net_with(blob, generation), "f")).layers[0].blobs[0]


def packed(number: int, dtype: str = "<f4") -> bytes:
    data = VALUES.astype(dtype).tobytes()
    return header(number, len(data)) + data


def single(number: int, code: str = "f", wire: int = 5) -> bytes:
    return b"".join(varint(number << 3 | wire) + struct.pack("<" + code, value) for value in VALUES.flat)


FORMS = {
    "packed": packed(5) + SHAPE,
    "packed in pieces": header(5, 8) + VALUES.tobytes()[:8] + SHAPE + header(5, 16) + VALUES.tobytes()[8:],
    "single floats": single(5) + SHAPE,
    "packed doubles": packed(8, "<f8") + SHAPE,
    "single doubles": SHAPE + single(8, "d", 1),
    "unpacked shape": packed(5) + header(7, 4) + b"\x08\x02\x08\x03",
    "nvidia fp16": packed(12, "<f2") + varint(10 << 3) + varint(2) + SHAPE,
    "nvidia float": packed(12) + varint(10 << 3) + varint(1) + SHAPE,
    "nvidia double": packed(12, "<f8") + SHAPE,
    "opencl half": packed(11, "<f2") + varint(13 << 3) + varint(1) + SHAPE,
    "opencl float": packed(11) + SHAPE,
    "ternary beside data": packed(5) + packed(10) + packed(11, "<f8") + SHAPE,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("generation", ["V0", "V1", "V2"])
def test_forms(form, generation):
    blob = only_blob(FORMS[form], generation)
    assert (blob.shape, blob.count, blob.legacy, blob.has_diff) == ((2, 3), 6, False, False)
    assert np.array_equal(blob.data, VALUES)
    target = np.full(6, np.nan, np.float32)
    blob.copy_into(target)
    assert np.array_equal(target, VALUES.ravel())


def test_legacy_shape_counts_when_both_are_there():
    dims = b"\x08\x01\x10\x01\x18\x02\x20\x03"
    blob = only_blob(dims + packed(5) + SHAPE)
    assert (blob.shape, blob.legacy) == ((1, 1, 2, 3), True)
    assert np.array_equal(blob.data, VALUES.reshape(1, 1, 2, 3))


def test_c3d_dims():
    blob = only_blob(b"\x08\x01\x10\x01\x18\x01\x20\x02\x28\x03" + packed(6) + packed(7))
    assert (blob.shape, blob.legacy) == ((1, 1, 1, 2, 3), False)
    assert np.array_equal(blob.data.ravel(), VALUES.ravel())
    assert np.array_equal(blob.diff.ravel(), VALUES.ravel())


def test_diff_and_scalar_and_empty():
    assert np.array_equal(only_blob(packed(5) + packed(6) + SHAPE).diff, VALUES)
    assert only_blob(header(5, 4) + struct.pack("<f", 7) + header(7, 0)).data == 7
    assert only_blob(header(7, 4) + header(1, 2) + b"\x00\x03").data.shape == (0, 3)


def test_names_types_and_other_numbers():
    data = (
        header(1, 1) + b"n"
        + net_with(FORMS["packed"])
        + net_with(FORMS["packed"], "V1")
        + varint(300 << 3) + b"\x01"
    )  # fmt: skip
    file = parse_weights(Source(data, "f"))
    assert (file.name, file.generation) == ("n", "V1")
    assert [(layer.name, layer.type) for layer in file.layers] == [("a", "T"), ("a", "InnerProduct")]
    assert file.by_name("a") == file.layers
    assert file.layers[0].numbers == {1, 2, 7}


def test_colliding_numbers_do_not_disturb_weights():
    interp = header(143, 2) + b"\x08\x09"  # PSPNet's interp_param, BVLC's input_param
    text = header(148, 3) + b"abc"  # a string where BVLC has clip_param
    layer = header(1, 1) + b"a" + interp + text + header(7, len(FORMS["packed"])) + FORMS["packed"]
    file = parse_weights(Source(header(100, len(layer)) + layer, "f"))
    assert np.array_equal(file.layers[0].blobs[0].data, VALUES)
    with pytest.raises(WeightsError, match="fork with other field numbers"):
        layer_message(file, file.layers[0])


def test_round_trip_and_what_protobuf_reads(tmp_path):
    path = tmp_path / "w.caffemodel"
    message = LayerParameter(name="a/b", type="Scale", bottom=["x"], phase=1)
    strided = np.asfortranarray(VALUES.astype(np.float64))
    arrays = [(strided, None), (VALUES, VALUES * 2), (np.float32(4).reshape(()), None)]
    write_weights(path, "net", [LayerArrays(message, arrays), LayerArrays(LayerParameter(name="r"), [])])
    file = read_weights(path)
    assert [layer.name for layer in file.layers] == ["a/b", "r"]
    assert [blob.shape for blob in file.layers[0].blobs] == [(2, 3), (2, 3), ()]
    assert np.array_equal(file.layers[0].blobs[1].diff, VALUES * 2)
    assert layer_message(file, file.layers[0]) == message
    net = NetParameter.FromString(path.read_bytes())
    assert net.name == "net"
    assert list(net.layer[0].blobs[0].shape.dim) == [2, 3]
    assert np.array_equal(net.layer[0].blobs[0].data, VALUES.ravel())
    assert net.SerializeToString(deterministic=True) == path.read_bytes()


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.caffemodel"
    path.write_bytes(b"old")
    with pytest.raises(WeightsError, match="every parameter"):
        write_weights(path, "n", [LayerArrays(LayerParameter(name="a"), [None])])
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["w.caffemodel"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is empty"),
        (b"name: 'x'\nlayer { }\n" * 20, "is text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\x1f\x8b\x08rest", "compressed"),
        (b"PK\x03\x04", "zip archive; unpack it first"),
        (b"\xff\xd8\xff\xe1", "a picture, not weights"),
        (b"\x93NUMPY", "a NumPy array, not weights"),
        (b"\x08\x05\x12\x01a\x1a\x00", "a solver state"),
        (BlobProto(num=1, channels=1, height=1, width=1, data=[1]).SerializeToString(), "an array"),
        (header(1, 3) + b"net", "holds no layers"),
        (b"\x07\xff\xff", "byte 0: no field can begin with 0x07"),
        (net_with(FORMS["packed"])[:-1], "byte 0: field 100 of the file declares"),
        (net_with(FORMS["packed"][:-5]), "cut short|damaged"),
        (net_with(header(5, 5) + b"\0" * 5 + SHAPE), "no whole number of 4-byte values"),
        (net_with(packed(5) + header(7, 4) + header(1, 2) + b"\x02\x04"), "shape 2 x 4 = 8 values, but 6 are stored"),
        (net_with(header(7, 9) + header(1, 7) + varint(10**12) + b"\x01"), "= 1000000000000 values, but 0 are stored"),
        (net_with(header(7, 12) + header(1, 10) + b"\xff" * 9 + b"\x01"), "has the shape -1"),
        (net_with(packed(5) + header(7, 42) + header(1, 40) + b"\x01" * 40), "more than 32 axes"),
        (net_with(packed(12) + varint(10 << 3) + varint(3) + SHAPE), "raw_data_type 3"),
        (net_with(SHAPE + packed(5) + header(6, 4) + b"\0" * 4), "6 values but 1 gradients"),
        (header(100, 11) + b"\xff" * 11, "a number of more than 10 bytes"),
    ],
)  # fmt: skip
def test_refused(tmp_path, data, expected):
    path = tmp_path / "bad.caffemodel"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=expected) as caught:
        read_weights(path)
    assert "bad.caffemodel" in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileError, match=r"Could not open file .*none"):
        read_weights(tmp_path / "none")
    with pytest.raises(FileError, match="it is a folder"):
        read_weights(tmp_path)


def test_binary_upgrade_keeps_old_shapes(tmp_path):
    dims = b"\x08\x01\x10\x01\x18\x02\x20\x03"
    (tmp_path / "in").write_bytes(header(3, 1) + b"x" + b"\x20\x01" * 4 + net_with(dims + packed(5), "V0"))
    assert upgrade_net_proto_binary(str(tmp_path / "in"), str(tmp_path / "out"))
    net = NetParameter.FromString((tmp_path / "out").read_bytes())
    assert [(layer.name, layer.type) for layer in net.layer] == [("input", "Input"), ("a", "Convolution")]
    blob = net.layer[1].blobs[0]
    assert (blob.height, blob.width, blob.HasField("shape")) == (2, 3, False)
    assert np.array_equal(blob.data, VALUES.ravel())


def test_mean_files(tmp_path):
    mean = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    write_mean(tmp_path / "m", mean)
    assert np.array_equal(read_mean(tmp_path / "m"), mean[None])
    proto = BlobProto.FromString((tmp_path / "m").read_bytes())
    assert (proto.num, proto.channels, proto.height, proto.width) == (1, 3, 2, 2)
    (tmp_path / "w").write_bytes(net_with(FORMS["packed"]))
    with pytest.raises(WeightsError, match="holds the weights of a net"):
        read_mean(tmp_path / "w")


def test_caffes_own_snapshots_byte_for_byte(tmp_path):
    with h5py.File(recorded.GOLDEN / "solvers.h5") as cases:
        files = {
            name: bytes(case["file/caffemodel"][()]) for name, case in cases.items() if "caffemodel" in case["file"]
        }
    assert files
    for name, data in files.items():
        (tmp_path / "in").write_bytes(data)
        file = read_weights(tmp_path / "in")
        layers = [
            LayerArrays(layer_message(file, layer), [(blob.data, blob.diff) for blob in layer.blobs])
            for layer in file.layers
        ]
        write_weights(tmp_path / "out", file.name, layers)
        assert (tmp_path / "out").read_bytes() == data, name


def test_names_that_are_not_utf8_match_those_of_a_definition_in_the_same_encoding(tmp_path):
    name = "Faltung_ü"
    net = NetParameter()
    net.layers.add(name=name, type=4, bottom=[name], top=["y"]).blobs.add(data=[1]).shape.dim.append(1)
    data = net.SerializeToString().replace(name.encode(), name.encode("latin-1") + b".")
    (tmp_path / "w").write_bytes(data)
    file = read_weights(tmp_path / "w")
    assert file.layers[0].name == f"{name}."
    message = layer_message(file, file.layers[0])
    assert (message.name, list(message.bottom)) == (f"{name}.", [f"{name}."])
    upgrade_net_proto_binary(str(tmp_path / "w"), str(tmp_path / "new"))
    assert read_weights(tmp_path / "new").layers[0].name == f"{name}."
