"""What people published, and what Caffe's own upgrade tools made of it (only where ../shared is)."""

import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from caffelike.errors import ParseError
from caffelike.schema import LabelMap, NetParameter, SolverParameter, SolverState, YoloSegLabel, text
from caffelike.schema.definitions import upgraded_net
from caffelike.schema.state import read_state
from caffelike.schema.upgrade import upgrade_net, upgrade_solver
from caffelike.schema.upgrade_files import upgrade_net_proto_binary
from caffelike.schema.weights import layer_message, read_weights

SHARED = Path(__file__).resolve().parents[3] / "shared"
pytestmark = pytest.mark.skipif(not (SHARED / "wild").is_dir(), reason="../shared/wild is not here")

# Published, but no definitions: templates with {braces} or words for numbers, files of other programs, and a
# DataParameter with two sources, which Caffe refuses too.
NOT_CAFFE = {
    "ARM-software__ML-examples/armnn-mnist/model/simple_mnist_tf.prototxt",
    "Boyiliee__AOD-Net/test/test_template.prototxt",
    "chainer__chainer/.pfnci/hint.pbtxt",
    "chuanqi305__MobileNet-SSD/template/MobileNetSSD_deploy_bn_template.prototxt",
    "chuanqi305__MobileNet-SSD/template/MobileNetSSD_test_template.prototxt",
    "davheld__GOTURN/nets/solver.prototxt",
    "happynear__caffe-windows/matlab/demo/PrototxtGen/1x1conv.prototxt",
    "happynear__caffe-windows/matlab/demo/PrototxtGen/Inception.prototxt",
    "happynear__caffe-windows/matlab/demo/PrototxtGen/euclideanloss.prototxt",
    "happynear__caffe-windows/matlab/demo/PrototxtGen/pooling.prototxt",
    "pmgysel__caffe/examples/parallel/imagenet.prototxt",
}


def unpack(name: str) -> dict[str, bytes]:
    with tarfile.open(SHARED / "wild" / name) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


@pytest.fixture(scope="module")
def published():
    return unpack("prototxt_public.tar.xz")


def reads_as(path: Path, kinds) -> bool:
    """Whether a file is a message of one of these kinds."""
    for kind in kinds:
        problems: list[ParseError] = []
        text.read(path, kind, problems)
        if not problems:
            return True
    return False


def test_every_published_definition_is_read(published, tmp_path):
    refused = set()
    path = tmp_path / "f"
    for name, data in published.items():
        path.write_bytes(data)
        is_net = re.search(rb"^\s*(layers?|input|name)\b", data, re.M)
        kinds = [NetParameter, SolverParameter] if is_net else [SolverParameter, NetParameter]
        if not reads_as(path, [*kinds, LabelMap, YoloSegLabel]):
            refused.add(name)
    assert refused == NOT_CAFFE


def test_upgrades_are_caffes(published):
    upgraded = unpack("upgraded_public.tar.xz")
    assert upgraded
    for name, wanted in upgraded.items():
        source, kind = published[name].decode(errors="replace"), SolverParameter
        if re.search(r"^\s*layers?\s*\{", source, re.M):
            kind = NetParameter
        ours = text.parse(source, kind, name).message
        (upgrade_net if kind is NetParameter else upgrade_solver)(ours, name)
        assert ours == text.parse(wanted.decode(), kind, name).message, name


def test_every_layer_of_an_upgraded_net_has_a_place(published):
    for name in unpack("upgraded_public.tar.xz"):
        document = text.parse(published[name].decode(errors="replace"), NetParameter, name, [])
        if document.message.layer or document.message.layers:
            net = upgraded_net(document)
            assert all(net.where_layer(index).startswith(f"{name}:") for index in range(len(net.message.layer)))


@pytest.mark.parametrize("path", sorted(SHARED.glob("weights/*/*.caffemodel")), ids=lambda path: path.stem)
def test_published_weights(tmp_path, path):
    file = read_weights(path)
    net = NetParameter.FromString(path.read_bytes())
    stored = list(net.layers) + list(net.layer)
    assert [layer.name for layer in file.layers] == [layer.name for layer in stored]
    for ours, theirs in zip(file.layers, stored, strict=True):
        for blob, proto in zip(ours.blobs, theirs.blobs, strict=True):
            assert np.array_equal(blob.data.ravel(), np.float32(proto.data))
        theirs.ClearField("blobs")
        assert layer_message(file, ours) == theirs
    assert upgrade_net_proto_binary(str(path), str(tmp_path / "out"))
    again = NetParameter.FromString(path.read_bytes())
    upgrade_net(again, path.name)
    assert again.SerializeToString(deterministic=True) == (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("path", sorted(SHARED.glob("weights/*/*.solverstate")), ids=lambda path: path.stem)
def test_published_states(path):
    state, message = read_state(path), SolverState.FromString(path.read_bytes())
    assert (state.iter, state.learned_net) == (message.iter, message.learned_net)
    for blob, proto in zip(state.history, message.history, strict=True):
        assert np.array_equal(blob.data.ravel(), np.float32(proto.data))
