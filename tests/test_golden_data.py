"""The data layers deliver what BVLC Caffe 1.0 delivered for the same records and files."""

import h5py
import lmdb
import pytest
from recorded import GOLDEN, arrays, assert_close, names

import caffelike


def write_sources(case: h5py.Group, folder) -> None:
    """The data base, images or HDF5 files of a case, as its definition names them."""
    if case.attrs["source"] == "lmdb":
        with lmdb.open(str(folder / "db"), map_size=1 << 24) as env, env.begin(write=True) as transaction:
            for key in sorted(case["records"]):
                transaction.put(key.encode(), case["records"][key][()].tobytes())
        if "mean_file" in case:
            (folder / "mean.binaryproto").write_bytes(case["mean_file"][()].tobytes())
    elif case.attrs["source"] == "images":
        (folder / "im").mkdir()
        (folder / "list.txt").write_text(case.attrs["list"])
        for name in case["files"]:
            (folder / "im" / name).write_bytes(case["files"][name][()].tobytes())
    else:
        for name in case["files"]:
            with h5py.File(folder / f"{name}.h5", "w") as file:
                for key, values in case["files"][name].items():
                    file[key] = values[()]
        (folder / "list.txt").write_text("".join(f"{name}.h5\n" for name in sorted(case["files"])))


@pytest.mark.parametrize("name", names("data.h5"))
def test_batches(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File(GOLDEN / "data.h5") as cases:
        case = cases[name]
        write_sources(case, tmp_path)
        (tmp_path / "net.prototxt").write_text(case.attrs["net"])
        net = caffelike.Net("net.prototxt", caffelike.TEST)
        for i in range(sum(key.startswith("batch") for key in case)):
            net.forward()
            for blob, values in arrays(case, f"batch{i}"):
                assert_close(net.blobs[blob].data, values, f"forward {i}, {blob}")
        net.close()
