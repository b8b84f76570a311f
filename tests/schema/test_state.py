"""Solver states, binary and HDF5, in both directions with Caffe's own."""

import h5py
import numpy as np
import pytest
import recorded

from caffelike.errors import FileError, WeightsError
from caffelike.schema import SolverState
from caffelike.schema.state import read_hdf5_state, read_state, write_hdf5_state, write_state

HISTORY = [np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([1.5])]


@pytest.mark.parametrize(("write", "name"), [(write_state, "s.solverstate"), (write_hdf5_state, "s.solverstate.h5")])
def test_round_trip(tmp_path, write, name):
    write(tmp_path / name, 12, "dir/net_iter_12.caffemodel", 3, HISTORY)
    state = read_state(tmp_path / name)
    assert (state.iter, state.learned_net, state.current_step) == (12, "dir/net_iter_12.caffemodel", 3)
    assert len(state.history) == 2
    for blob, array in zip(state.history, HISTORY, strict=True):
        assert np.array_equal(blob.data, array)


def test_more_than_ten_histories_keep_their_order_in_hdf5(tmp_path):
    write_hdf5_state(tmp_path / "s.h5", 1, "", 0, [np.float32([i]) for i in range(12)])
    assert [float(blob.data[0]) for blob in read_hdf5_state(tmp_path / "s.h5").history] == list(range(12))


def test_caffes_own_states(tmp_path):
    with h5py.File(recorded.GOLDEN / "solvers.h5") as cases:
        files = {name: {key: bytes(data[()]) for key, data in case["file"].items()} for name, case in cases.items()}
    for name, parts in files.items():
        if "solverstate" in parts:
            (tmp_path / "in").write_bytes(parts["solverstate"])
            state = read_state(tmp_path / "in")
            arrays = [blob.data for blob in state.history]
            write_state(tmp_path / "out", state.iter, state.learned_net, state.current_step, arrays)
            assert (tmp_path / "out").read_bytes() == parts["solverstate"], name
        else:
            (tmp_path / "in").write_bytes(parts["solverstate.h5"])
            state = read_state(tmp_path / "in")
            assert (state.iter, state.learned_net) == (6, "snap_iter_6.caffemodel.h5")
            assert len(state.history) == 6


def test_caffes_string_form(tmp_path):
    write_hdf5_state(tmp_path / "s.h5", 1, "net", 0, [])
    with h5py.File(tmp_path / "s.h5") as file:
        kind = file["learned_net"].id.get_type()
        assert (kind.get_size(), kind.get_strpad()) == (4, h5py.h5t.STR_NULLTERM)
        assert file["iter"].shape == (1,)


def test_old_state_without_step(tmp_path):
    (tmp_path / "s").write_bytes(SolverState(iter=5, learned_net="n").SerializeToString())
    assert read_state(tmp_path / "s").current_step == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x0a\x03net\xa2\x06\x00", "holds the weights of a net, not a solver state"),
        (b"\xa2\x06\x02\x0a\x00", "holds the weights of a net"),
        (b"\x08", "ends within a number"),
        (b"\x08\x05\x1a\x64", "field 3 of the solver state declares 100 bytes, but only 0 are left"),
        (SolverState(iter=-2).SerializeToString(), "iteration -2"),
        (b"\x08\x01\x1a\x04\x3a\x02\x0a\x00\x1a\x05\x2a\x03abc", "no whole number of 4-byte values|values, but"),
    ],
)
def test_refused(tmp_path, data, expected):
    (tmp_path / "s").write_bytes(data)
    with pytest.raises(WeightsError, match=expected):
        read_state(tmp_path / "s")


def test_weights_given_as_hdf5_state(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("data")
    with pytest.raises(WeightsError, match="it is a file of weights"):
        read_state(tmp_path / "w.h5")
    with pytest.raises(FileError, match="Could not open file"):
        read_state(tmp_path / "none")
