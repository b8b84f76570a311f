import logging
import threading

import numpy as np
import pytest

import caffelike
from caffelike.data import datum, write_lmdb, writing
from caffelike.data.shard import set_shard
from caffelike.errors import CaffelikeError, DataError, FileError, ModelError

PIXELS = np.random.default_rng(1).integers(0, 256, (10, 1, 6, 6), np.uint8)

NET = """
name: "n"
layer {{ name: "d" type: "Data" top: "data" top: "label" {extra}
  data_param {{ source: "db" batch_size: 4 backend: LMDB {param} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {{ num_output: {classes} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lmdb("db", [(pixels, i) for i, pixels in enumerate(PIXELS)])
    return tmp_path


@pytest.fixture
def build():
    """Makes nets from text, and closes them."""
    nets = []

    def make(text="", phase=caffelike.TRAIN, name="net.prototxt", **fields):
        if not text:
            text = NET.format(**{"extra": "", "param": "", "classes": 10, **fields})
        with open(name, "w") as file:
            file.write(text)
        nets.append(caffelike.Net(name, phase))
        return nets[-1]

    yield make
    for net in nets:
        net.close()


def only(param, tops='top: "data" top: "label"'):
    return f'layer {{ name: "d" type: "Data" {tops} {param} }}'


def labels(net, passes):
    return [int(n) for _ in range(passes) for n in net.forward()["label"]]


def test_worked_example_batches_in_order_in_the_same_arrays(folder, build):
    net = build(only('data_param { source: "db" batch_size: 4 backend: LMDB }'))
    data = net.blobs["data"].data
    seen = []
    for _ in range(5):
        out = net.forward()
        assert out["data"] is data
        numbers = out["label"].astype(int)
        np.testing.assert_array_equal(data, PIXELS[numbers])
        assert net.layers[0].batch_keys == [f"{n:08d}" for n in numbers]
        seen += list(numbers)
    assert seen == list(range(10)) * 2


def test_caffe_s_lines(folder, build, caplog):
    with caplog.at_level(logging.INFO, "caffelike"):
        labels(build(only('data_param { source: "db" batch_size: 4 backend: LMDB }')), 3)
    lines = [(record.source, record.getMessage()) for record in caplog.records]
    assert ("db_lmdb.cpp:35", "Opened lmdb db") in lines
    assert ("data_layer.cpp:45", "output data size: 4,1,6,6") in lines
    assert ("data_layer.cpp:73", "Restarting data prefetching from start.") in lines


def test_train_and_test_nets_share_the_data_base(folder, build):
    text = only('data_param { source: "db" batch_size: 3 backend: LMDB prefetch: 2 }')
    first, second = build(text), build(text, caffelike.TEST, "other.prototxt")
    assert labels(first, 2) == [0, 1, 2, 3, 4, 5]
    assert labels(second, 1) == [0, 1, 2]
    first.close()
    assert labels(second, 1) == [3, 4, 5]


def test_without_labels_and_without_a_thread(folder, build):
    net = build(only('data_param { source: "db" batch_size: 2 backend: LMDB prefetch: 0 }', 'top: "data"'))
    before = set(threading.enumerate())
    np.testing.assert_array_equal(net.forward()["data"], PIXELS[:2])
    assert not set(threading.enumerate()) - before


def test_the_backend_may_be_left_out(folder, build, caplog):
    with caplog.at_level(logging.WARNING, "caffelike"):
        net = build(only('data_param { source: "db" batch_size: 2 }'))
    assert "db is read as LMDB. No backend is given, which means LEVELDB" in caplog.text
    assert labels(net, 1) == [0, 1]
    with pytest.raises(DataError, match="Write backend: LMDB"):
        build(only('data_param { source: "db" batch_size: 2 backend: LEVELDB }'))


def test_the_data_base_may_lie_beside_the_definition(folder, build, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    net = build(only('data_param { source: "db" batch_size: 2 backend: LMDB }'), name=str(folder / "net.prototxt"))
    assert labels(net, 1) == [0, 1]


def test_going_on_gives_the_same_batches(folder, build):
    net = build(extra="transform_param { mirror: true crop_size: 3 }")
    for _ in range(3):
        net.forward()
    layer = net.layers[0]
    state = layer.state()
    assert state["record"] == 12
    want = []
    for _ in range(4):
        net.forward()
        want.append((net.blobs["data"].data.copy(), net.blobs["label"].data.copy()))
    other = build(extra="transform_param { mirror: true crop_size: 3 }")
    other.forward()
    other.layers[0].restore(state)
    for data, label in want:
        other.forward()
        np.testing.assert_array_equal(other.blobs["data"].data, data)
        np.testing.assert_array_equal(other.blobs["label"].data, label)


def test_the_shape_follows_the_records(folder, build):
    write_lmdb("sizes", [(PIXELS[0], 0), (PIXELS[1].reshape(1, 4, 9), 1)])
    net = build(
        'layer { name: "d" type: "Data" top: "data" top: "label"'
        ' data_param { source: "sizes" batch_size: 1 backend: LMDB } }'
        ' layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    )
    for shape in ((1, 1, 6, 6), (1, 1, 4, 9), (1, 1, 6, 6)):
        assert net.forward()["r"].shape == shape
        np.testing.assert_array_equal(net.blobs["r"].data, net.blobs["data"].data)


def test_a_label_out_of_range_names_the_record(folder, build):
    net = build(classes=7)
    net.forward()
    with pytest.raises(CaffelikeError, match="'00000007' of layer 'd'"):
        net.forward()


def test_a_dropped_net_ends_its_thread(folder, build):
    with open("n.prototxt", "w") as file:
        file.write(only('data_param { source: "db" batch_size: 2 backend: LMDB }'))
    before = set(threading.enumerate())
    net = caffelike.Net("n.prototxt", caffelike.TRAIN)
    net.forward()
    assert len(set(threading.enumerate()) - before) == 1
    del net
    import gc

    gc.collect()
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (only('data_param { source: "none" batch_size: 2 backend: LMDB }'), FileError, "data base none"),
        (only('data_param { source: "empty" batch_size: 2 backend: LMDB }'), DataError, "empty holds no records"),
        (only('data_param { source: "db" backend: LMDB }'), ModelError, "'d' .*batch_size of 1 or more"),
        (only("data_param { batch_size: 2 backend: LMDB }"), ModelError, r"data_param \{ source"),
        (
            only('data_param { source: "db" batch_size: 2 backend: LMDB rand_permute: true }'),
            ModelError,
            "data_param.rand_permute belongs to",
        ),
        (only('data_param { source: "db" batch_size: 2 backend: DATUMFILE }'), ModelError, "DATUMFILE"),
        (
            only('data_param { source: "db" batch_size: 2 backend: LMDB } transform_param { crop_h: 3 }'),
            ModelError,
            "transform_param.crop_h belongs to",
        ),
        (
            only('data_param { source: "db" batch_size: 2 backend: LMDB } transform_param { crop_size: 7 }'),
            DataError,
            "'00000000' .*crop_size 7",
        ),
        (only('data_param { source: "db" batch_size: 2 }', ""), ModelError, "top"),
    ],
)
def test_what_cannot_be_built_says_why_and_lets_go(folder, build, text, error, words):
    write_lmdb("empty", [])
    with pytest.raises(error, match=words):
        build(text)
    assert labels(build(only('data_param { source: "db" batch_size: 2 backend: LMDB }')), 1) == [0, 1]


def test_a_closed_net_cannot_run(folder, build):
    net = build()
    net.forward()
    net.close()
    with pytest.raises(CaffelikeError, match="closed"):
        net.forward()


def test_shuffled_layers_of_a_net_stay_in_step_and_go_on_exactly(folder, build):
    """Pictures here, their labels there, as convert_imageset writes them; and a resume in the middle of a pass."""
    with writing.create("labels") as database:
        for i in range(10):
            database.put(b"%08d" % i, datum.to_bytes(np.array([[[i / 2]], [[-i]]], np.float32)))
    text = only(
        'data_param { source: "db" batch_size: 4 backend: LMDB shuffle: true }', 'top: "data" top: "label"'
    ) + only('data_param { source: "labels" batch_size: 4 backend: LMDB shuffle: true }', 'top: "several"').replace(
        '"d"', '"e"'
    )
    net = build(text)
    order = []
    for _ in range(5):
        out = net.forward()
        np.testing.assert_array_equal(out["several"][:, :, 0, 0], np.stack([out["label"] / 2, -out["label"]], 1))
        order += out["label"].astype(int).tolist()
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]
    states = [layer.state() for layer in net.layers]
    want = labels(net, 4)
    other = build(text, name="other.prototxt")
    for layer, state in zip(other.layers, states, strict=True):
        layer.restore(state)
    assert labels(other, 4) == want


def test_several_labels_in_one_record(folder, build):
    with writing.create("several") as database:
        for i in range(4):
            vector = np.array([i, i / 2, -1], np.float32)
            database.put(b"%d" % i, datum.to_bytes(PIXELS[i]) + datum.field(6, vector.tobytes()))
    net = build(only('data_param { source: "several" batch_size: 2 backend: LMDB labels: 3 }'))
    assert net.forward()["label"].tolist() == [[0, 0, -1], [1, 0.5, -1]]


def test_augmented_only_while_training_and_the_same_for_any_number_of_threads(folder, build):
    changed = "transform_param { augment_param { rotation: 30 noise: 9 erase: 0.5 } }"
    seen = []
    for threads in (1, 3):
        caffelike.set_random_seed(4)
        net = build(extra=changed, param=f"threads: {threads}")
        seen.append([net.forward(["data"])["data"].copy() for _ in range(3)])
    np.testing.assert_array_equal(*seen)
    assert not np.array_equal(seen[0][0], PIXELS[:4])
    net = build(NET.format(extra=changed, param="", classes=10), caffelike.TEST)
    net.forward()
    np.testing.assert_array_equal(net.blobs["data"].data, PIXELS[:4])


def test_two_shares_are_disjoint_and_complete(folder, build):
    text = only('data_param { source: "db" batch_size: 5 backend: LMDB shuffle: true }')
    seen = []
    for rank in range(2):
        caffelike.set_random_seed(4)
        set_shard(rank, 2)
        try:
            seen.append(labels(build(text, name=f"{rank}.prototxt"), 1))
            whole = labels(build(text, caffelike.TEST, name=f"test{rank}.prototxt"), 2)
        finally:
            set_shard(0, 1)
        assert sorted(whole) == list(range(10))  # test nets read everything
    assert sorted(seen[0] + seen[1]) == list(range(10))


def test_random_sizes_make_batches_of_records_of_any_size(folder, build):
    """Intel's and NVIDIA's words; a batch and the one after a resume are the same."""
    pictures = [np.random.default_rng(n).integers(0, 256, (3, 8 + n, 12 - n), np.uint8) for n in range(6)]
    write_lmdb("mixed", [(pixels, i) for i, pixels in enumerate(pictures)])
    for words in (
        "random_aspect_ratio_param { resize_param { interp_mode: CUBIC } }",
        "img_rand_resize_lower: 7 img_rand_resize_upper: 10 allow_upscale: true",
    ):
        text = only(
            f'transform_param {{ crop_size: 6 {words} }} data_param {{ source: "mixed" batch_size: 4 backend: LMDB }}'
        )
        first = build(text)
        seen = [first.forward()["data"].copy() for _ in range(3)]
        assert seen[0].shape == (4, 3, 6, 6)
        assert not np.array_equal(seen[0][:2], seen[1][2:])  # the same records in the next pass
        again = build(text)
        again.layers[0].restore({**again.layers[0].state(), "seed": first.layers[0].state()["seed"]})
        for values in seen:
            np.testing.assert_array_equal(again.forward()["data"], values)
