"""caffelike inspect, and the report behind it."""

import json
from pathlib import Path

import numpy as np
import pytest

from caffelike.errors import WeightsError
from caffelike.schema import BlobProto, LayerParameter, NetParameter, SolverState
from caffelike.schema.state import write_hdf5_state
from caffelike.schema.stored import LayerArrays
from caffelike.schema.weights import write_hdf5_weights, write_mean, write_weights
from caffelike.weights_report import inspect

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights"
WEIGHT = np.array([[1, -3, np.nan], [np.inf, 0.5, -np.inf]], np.float32)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.caffemodel"
    layers = [
        LayerArrays(LayerParameter(name="ip", type="InnerProduct"), [(WEIGHT, WEIGHT), (np.ones(2, np.float32), None)]),
        LayerArrays(LayerParameter(name="relu", type="ReLU"), []),
    ]
    write_weights(path, "small", layers)
    return path


def test_values_count_what_is_not_finite(model):
    report = inspect(model)
    assert (report.kind, report.generation, report.forks, report.name) == ("weights", "V2", [], "small")
    assert [(layer.name, layer.type, len(layer.arrays)) for layer in report.layers] == [
        ("ip", "InnerProduct", 2),
        ("relu", "ReLU", 0),
    ]
    weight, bias = report.layers[0].arrays
    assert (weight.shape, weight.dtype, weight.bytes, weight.diff) == ((2, 3), "float32", 24, True)
    values = weight.values
    assert (values.minimum, values.maximum, values.mean_abs) == (-3, 1, 1.5)
    assert (values.nans, values.infinities) == (1, 2)
    assert not bias.diff
    assert report.totals == {"arrays": 2, "numbers": 8, "bytes": 32, "nans": 1, "infinities": 2}


def test_an_array_of_nans_has_no_range(tmp_path):
    write_mean(tmp_path / "m", np.full((1, 2, 2, 2), np.nan, np.float32))
    values = inspect(tmp_path / "m").layers[0].arrays[0].values
    assert (values.minimum, values.maximum, values.mean_abs, values.nans) == (None, None, None, 8)


def test_table(model, run):
    lines = run("inspect", model).out.splitlines()
    assert lines[0].startswith(f"{model}: weights, V2, ")
    assert lines[0].endswith('net "small", no fork\'s fields')
    row = next(line for line in lines if line.split()[:1] == ["ip"])
    assert " ".join(row.split()[1:]) == "InnerProduct 0 2 x 3 +diff 24 -3 1 1.5 1 NaN, 2 inf"
    assert lines[-1].split() == ["total", "32", "1", "NaN,", "2", "inf"]


def test_json_is_the_report(model, run):
    assert json.loads(run("inspect", "--json", model).out)["layers"][0]["arrays"][1] == {
        "index": 1,
        "shape": [2],
        "dtype": "float32",
        "bytes": 8,
        "diff": False,
        "values": {"minimum": 1.0, "maximum": 1.0, "mean_abs": 1.0, "nans": 0, "infinities": 0},
    }


def test_generations(tmp_path):
    def written(net):
        (tmp_path / "w").write_bytes(net.SerializeToString())
        return inspect(tmp_path / "w")

    blob = BlobProto(num=1, channels=1, height=1, width=2, double_data=[1e300, 2])
    old = NetParameter()
    old.layers.add(name="b", type=14).blobs.append(blob)
    report = written(old)
    assert (report.generation, report.layers[0].type) == ("V1", "InnerProduct")
    assert report.layers[0].arrays[0].dtype == "float64"
    assert report.layers[0].arrays[0].values.maximum == 1e300
    oldest = NetParameter()
    oldest.layers.add().layer.blobs.append(blob)
    assert written(oldest).generation == "V0"


def test_half_precision_of_nvidia(tmp_path):
    net = NetParameter()
    layer = net.layer.add(name="a", type="Convolution")
    shape = b"\x3a\x03\x0a\x01\x02"
    half = np.array([1, -2], "<f2").tobytes()
    raw = shape + b"\x50\x02" + b"\x62\x04" + half  # raw_data_type 2 (float16), raw_data
    data = layer.SerializeToString() + b"\x3a" + bytes([len(raw)]) + raw
    (tmp_path / "w").write_bytes(b"\xa2\x06" + bytes([len(data)]) + data)
    array = inspect(tmp_path / "w").layers[0].arrays[0]
    assert (array.dtype, array.bytes, array.values.minimum) == ("float16", 4, -2)


def test_fork_is_guessed_by_its_fields(tmp_path):
    net = NetParameter()
    layer = net.layer.add(name="p", type="PriorBox")
    layer.prior_box_param.min_size.append(3)
    (tmp_path / "w").write_bytes(net.SerializeToString())
    report = inspect(tmp_path / "w")
    assert "ssd" in report.forks
    assert report.layers[0].arrays == []


def test_states_and_hdf5(tmp_path, run):
    state = SolverState(iter=5, learned_net="n_iter_5.caffemodel", current_step=2)
    state.history.add(data=[1, 2]).shape.dim.append(2)
    (tmp_path / "s").write_bytes(state.SerializeToString())
    write_hdf5_state(tmp_path / "h", 5, "n_iter_5.caffemodel", 2, [np.array([1, 2], np.float32)])
    for name, generation in (("s", ""), ("h", "HDF5")):
        report = inspect(tmp_path / name)
        assert (report.kind, report.generation) == ("state", generation)
        assert (report.iter, report.learned_net, report.current_step) == (5, "n_iter_5.caffemodel", 2)
        assert [array.shape for array in report.layers[0].arrays] == [(2,)]
        assert report.layers[0].arrays[0].values.mean_abs == 1.5
        assert 'iteration 5, step 2, weights "n_iter_5.caffemodel"' in run("inspect", tmp_path / name).out

    arrays = [(np.arange(3_000_000, dtype=np.float32).reshape(3, 1_000_000), None), None, (np.float32(7), None)]
    write_hdf5_weights(tmp_path / "w", [LayerArrays(LayerParameter(name="a/b"), arrays)])
    report = inspect(tmp_path / "w")
    assert (report.kind, report.generation, report.layers[0].name) == ("weights", "HDF5", "a/b")
    assert [(array.index, array.shape) for array in report.layers[0].arrays] == [(0, (3, 1_000_000)), (2, ())]
    assert report.layers[0].arrays[0].values.maximum == 2_999_999


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b'name: "a net in text"', "is text, not weights"),
        (b"\x0a\xff\x01", "declares 255 bytes"),
        (b"\x89HDF\r\n\x1a\n damaged", "HDF5"),
    ],
)
def test_errors(tmp_path, run, data, message):
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(WeightsError, match=message):
        inspect(tmp_path / "w")
    result = run("inspect", tmp_path / "w")
    assert result.code == 1
    assert "Traceback" not in result.err


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/weights is not here")
def test_published_files():
    found = {}
    for path in SHARED.rglob("*"):
        if path.suffix in (".caffemodel", ".solverstate"):
            report = inspect(path)
            found[path.name] = (report.kind, report.generation, report.totals["numbers"])
            assert report.totals["nans"] == report.totals["infinities"] == 0
            assert report.totals["bytes"] < report.bytes
    assert found["lenet_iter_10000.caffemodel"] == ("weights", "V1", 431_080)
    assert found["lenet_iter_10000.solverstate"] == ("state", "", 431_080)
    assert found["squeezenet_v1.0.caffemodel"] == ("weights", "V2", 1_248_424)
