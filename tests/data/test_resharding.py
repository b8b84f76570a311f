"""Snapshots of several workers are gone on from by another number of them: no record is lost or read twice."""

import h5py
import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike.data.shard import set_shard
from caffelike.tools.imageset import convert_imageset

RECORDS, BATCH = 24, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 pictures whose pixels and label are their number, as a list, a data base and an HDF5 file."""
    path = tmp_path_factory.mktemp("numbers")
    lines = []
    for i in range(RECORDS):
        Image.fromarray(np.full((2, 2, 3), i, np.uint8)).save(path / f"{i}.png")
        lines.append(f"{i}.png {i}")
    (path / "list.txt").write_text("\n".join(lines))
    convert_imageset(f"{path}/", path / "list.txt", path / "lmdb")
    for name, rows in (("a", range(10)), ("b", range(10, RECORDS))):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["data"], file["label"] = np.zeros((len(rows), 1), np.float32), np.array(rows, np.float32)
    (path / "h5.txt").write_text(f"{path}/a.h5\n{path}/b.h5")
    return path


LMDB = 'type: "Data" data_param {{ source: "{0}/lmdb" backend: LMDB batch_size: 2'
LIST = 'type: "ImageData" image_data_param {{ source: "{0}/list.txt" root_folder: "{0}/" batch_size: 2'
LAYERS = {
    "Data": LMDB + " }}",
    "Data shuffled": LMDB + " shuffle: true }}",
    "Data skipped": LMDB + " rand_skip: 9 }}",
    "ImageData": LIST + " }}",
    "ImageData shuffled": LIST + " shuffle: true }}",
    "HDF5Data": 'type: "HDF5Data" hdf5_data_param {{ source: "{0}/h5.txt" batch_size: 2 }}',
}


def build(folder, layer, rank, size):
    caffelike.set_random_seed(3)
    set_shard(rank, size)
    try:
        path = folder / "net.prototxt"
        path.write_text(f'layer {{ name: "d" top: "data" top: "label" {LAYERS[layer].format(folder)} }}')
        return caffelike.Net(path, caffelike.TRAIN)
    finally:
        set_shard(0, 1)


def take(nets, batches):
    """The labels that workers of one size deliver in so many batches, in the order of the stream."""
    taken = [[net.forward()["label"].copy() for _ in range(batches)] for net in nets]
    return np.stack([np.concatenate(part) for part in taken], 1).ravel().astype(int).tolist()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 2), (2, 3), (3, 2)])
def test_going_on_with_another_number(folder, layer, before, after):
    whole = build(folder, layer, 0, 1)
    want = take([whole], 3 * RECORDS // BATCH)
    first = [build(folder, layer, rank, before) for rank in range(before)]
    done = take(first, 6)
    assert done == want[: len(done)]
    state = first[0].layers[0].state()
    second = [build(folder, layer, rank, after) for rank in range(after)]
    for net in second:
        net.layers[0].restore(state)
    more = take(second, 7)
    assert more == want[len(done) : len(done) + len(more)]
    for net in (whole, *first, *second):
        net.close()
