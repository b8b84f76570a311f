"""Damaged and hostile files: nothing but caffelike's own errors may come out, in little time and memory.

`CAFFELIKE_FUZZ=100000 pytest tests/schema/test_hostile.py` searches longer than the suite does.
"""

import contextlib
import os
import resource
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caffelike.errors import CaffelikeError, ParseError
from caffelike.schema import BlobProto, LayerParameter, NetParameter, SolverParameter, SolverState, text
from caffelike.schema.definitions import upgraded_net
from caffelike.schema.reader import parse
from caffelike.schema.state import parse_state, read_hdf5_state, write_hdf5_state
from caffelike.schema.stored import LayerArrays, read_blob
from caffelike.schema.upgrade_files import upgrade_net_proto_binary
from caffelike.schema.weights import parse_weights, read_hdf5_weights, write_hdf5_weights
from caffelike.schema.wire import Source

search = settings(
    max_examples=int(os.environ.get("CAFFELIKE_FUZZ", "120")),
    deadline=5000,
    suppress_health_check=list(HealthCheck),
)

NET_TEXT = """name: "n"  # comment
input: "data" input_dim: [1, 3, 8, 8]
layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1.0f convolution_param < num_output: 0x4 > }
layers { layer { name: "p" type: "padding" pad: 2 } bottom: "c" top: "p" }
layers { layer { name: "v" type: "conv" kernelsize: 3 } bottom: "p" top: "v" }
layer { type: 'BatchNorm' param { } param { } param { } loss_weight: [inf, -1e-3] include { phase: TEST } }
"""
SOLVER_TEXT = 'net: "n.prototxt" base_lr: 0.01 solver_type: ADAM test_state { stage: ["a", "b"] } stepvalue: 10;\n'


def blob() -> BlobProto:
    message = BlobProto(data=np.arange(6), diff=np.arange(6))
    message.shape.dim.extend([2, 3])
    return message


def weights() -> bytes:
    net = NetParameter(name="n")
    net.layer.add(name="a", type="Scale").blobs.append(blob())
    old = net.layers.add(name="b", type=14)
    old.blobs.add(num=1, channels=1, height=2, width=2, double_data=[1, 2, 3, 4])
    net.layers.add().layer.blobs.append(blob())
    return net.SerializeToString()


def state() -> bytes:
    return SolverState(iter=5, learned_net="n", history=[blob()], current_step=1).SerializeToString()


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """Bytes like `good`: some replaced, inserted, removed or repeated; or nothing like it."""
    place = st.integers(0, len(good))
    change = st.tuples(place, place, st.binary(max_size=12))

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        data = good
        for start, stop, new in changes:
            first, last = sorted((start % (len(data) + 1), stop % (len(data) + 1)))
            data = data[:first] + new + data[min(last, first + 8) :]
        return data

    return st.one_of(st.lists(change, max_size=5).map(apply), st.builds(lambda end: good[:end], place), st.binary())


def only_our_errors(function, *arguments):
    with contextlib.suppress(CaffelikeError):
        function(*arguments)


def read_all(blobs) -> None:
    for item in blobs:
        if item is not None:
            _ = item.data, item.diff


@search
@given(damaged(NET_TEXT.encode()))
def test_net_text(data):
    def read():
        problems = []
        document = parse(data.decode("latin-1"), NetParameter, "f", problems)
        upgraded_net(document)
        text.format(document.message)

    only_our_errors(read)
    only_our_errors(parse, data.decode("latin-1"), NetParameter)


@search
@given(damaged(SOLVER_TEXT.encode()))
def test_solver_text(data):
    only_our_errors(parse, data.decode("latin-1"), SolverParameter)


@search
@given(st.text())
def test_any_text(source):
    only_our_errors(parse, source, NetParameter)


@search
@given(damaged(weights()))
def test_caffemodel(data):
    only_our_errors(lambda: [read_all(layer.blobs) for layer in parse_weights(Source(data, "f")).layers])


@search
@given(damaged(weights()))
def test_caffemodel_on_disk_and_its_upgrade(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    (folder / "in").write_bytes(data)
    only_our_errors(upgrade_net_proto_binary, str(folder / "in"), str(folder / "out"))


@search
@given(damaged(state()))
def test_solverstate(data):
    only_our_errors(lambda: read_all(parse_state(Source(data, "f")).history))


@search
@given(damaged(blob().SerializeToString()))
def test_binaryproto(data):
    only_our_errors(lambda: read_all([read_blob(Source(data, "f"), 0, len(data), "the array")]))


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory):
    """(reader, good bytes) of both kinds of HDF5 files."""
    folder = tmp_path_factory.mktemp("hdf5")
    array = np.arange(6, dtype=np.float32)
    write_hdf5_weights(folder / "w", [LayerArrays(LayerParameter(name="a/b"), [(array, array)])])
    write_hdf5_state(folder / "s", 5, "n", 1, [array])
    return folder, ((folder / "w").read_bytes(), (folder / "s").read_bytes())


@search
@given(st.data())
def test_hdf5(hdf5, data):
    folder, goods = hdf5
    which = data.draw(st.integers(0, 1))
    good = goods[which]
    damage = data.draw(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=4))
    changed = bytearray(good)
    for place, value in damage:
        changed[place] = value
    (folder / "f").write_bytes(changed[: data.draw(st.integers(1, len(good)))])

    def read():
        if which:
            read_all(read_hdf5_state(folder / "f").history)
        else:
            for layer in read_hdf5_weights(folder / "f").layers:
                read_all(layer.blobs)

    only_our_errors(read)


def test_ten_to_the_twelve_elements_are_refused_before_memory_is_taken():
    huge = BlobProto()
    huge.shape.dim.extend([10**6, 10**6])
    net = NetParameter()
    net.layer.add(name="a").blobs.append(huge)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CaffelikeError, match="1000000000000 values, but 0 are stored"):
        parse_weights(Source(net.SerializeToString(), "f"))
    with pytest.raises(CaffelikeError, match="declares"):
        parse_weights(Source(b"\xa2\x06\xff\xff\xff\xff\xff\x7f", "f"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100_000


def test_deep_nesting_ends_with_an_error_not_with_the_stack():
    problems = []
    parse("layer { moe_param { gating_net { " * 50_000, NetParameter, problems=problems)
    assert "deep" in str(problems[-1])
    with pytest.raises(ParseError, match="no field x"):
        parse("x: " + "[" * 100_000, NetParameter)


def test_many_tiny_pieces_do_not_take_much_time():
    start = time.process_time()
    only_our_errors(parse_weights, Source(b"\xa2\x06\x02\x3a\x00" * 200_000, "f"))
    only_our_errors(parse_weights, Source(b"\xa2\x06\x02\x0a\x00" * 200_000, "f"))
    only_our_errors(parse, "layer { } " * 50_000, NetParameter)
    assert time.process_time() - start < 20
