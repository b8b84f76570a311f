import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import CaffelikeError, DataError, ModelError

DATA = np.arange(36, dtype=np.float32).reshape(6, 1, 2, 3)


def layer(param="batch_size: 2 channels: 1 height: 2 width: 3", more=""):
    return OneLayer(f'type: "MemoryData" top: "data" top: "label" memory_data_param {{ {param} }} {more}')


def test_worked_example_given_arrays_are_delivered_over_and_over():
    found = layer()
    found.layer.reset(DATA, np.arange(6).reshape(6, 1, 1, 1))
    for part in (slice(0, 2), slice(2, 4), slice(4, 6), slice(0, 2)):
        data, labels = found.forward()
        np.testing.assert_array_equal(data, DATA[part])
        assert labels.tolist() == list(range(6))[part]


def test_pycaffe_s_way_to_give_them():
    found = layer()
    found.net.set_input_arrays(DATA, np.arange(6))
    assert found.net.forward()["label"].tolist() == [0, 1]
    other = OneLayer('type: "ReLU" bottom: "x" top: "y"', x=(2,))
    with pytest.raises(CaffelikeError, match="begins with Input"):
        other.net.set_input_arrays(DATA, np.arange(6))


def test_new_arrays_start_at_their_first_record():
    found = layer()
    found.layer.reset(DATA, np.arange(6))
    found.forward()
    found.layer.reset(DATA[::-1], np.arange(6), n=4)
    assert [found.forward()[0][0, 0, 0, 0] for _ in range(3)] == [30, 18, 30]


def test_going_on():
    found, other = layer(), layer()
    for one in (found, other):
        one.layer.reset(DATA, np.arange(6))
    found.forward()
    other.layer.restore(found.layer.state())
    assert other.forward()[1].tolist() == [2, 3]


def test_transforming_is_refused_with_a_warning(caplog):
    layer(more="transform_param { scale: 2 }").layer.reset(DATA, np.arange(6))
    assert "does not transform array data" in caplog.text


@pytest.mark.parametrize(
    ("data", "labels", "n", "words"),
    [
        (DATA[:5], np.arange(5), None, "multiple of batch_size 2 records, not 5"),
        (DATA[:0], np.arange(0), None, "multiple of batch_size 2 records, not 0"),
        (DATA, np.arange(6), 8, "one label for each record"),
        (DATA, np.zeros((6, 2)), None, "one label for each record"),
        (DATA[:4], np.arange(6), None, "one label for each record"),
        (DATA[:, :, :1], np.arange(6), None, r"data of \(n, 1, 2, 3\), not of \(6, 1, 1, 3\)"),
    ],
)
def test_arrays_that_do_not_fit(data, labels, n, words):
    with pytest.raises(DataError, match=words):
        layer().layer.reset(data, labels, n)


def test_refused():
    with pytest.raises(DataError, match="no data yet"):
        layer().forward()
    with pytest.raises(ModelError, match="must be specified and positive"):
        layer("batch_size: 2 channels: 1 height: 2")


def records():
    """A generator of single records, as a user writes one."""
    for i, one in enumerate(DATA):
        yield one, i


def taken(found, passes):
    out = []
    for _ in range(passes):
        data, labels = found.forward()
        np.testing.assert_array_equal(data, DATA[labels.astype(int)])
        out += labels.astype(int).tolist()
    return out


@pytest.mark.parametrize(
    "source",
    [
        records,
        list(records()),
        [(DATA[:4], np.arange(4)), (DATA[4:5], [4]), (DATA[5], 5)],
        lambda: zip(DATA.astype(np.float64), range(6), strict=True),
    ],
)
def test_anything_to_go_through_is_a_source(source):
    found = layer("batch_size: 4 channels: 1 height: 2 width: 3")
    found.net.set_input_source(source)
    order = taken(found, 4)
    assert order == [*range(6), *range(6), *range(4)]
    other = layer("batch_size: 4 channels: 1 height: 2 width: 3")
    other.net.set_input_source(source)
    taken(other, 3)
    state = other.layer.state()
    rest = taken(other, 3)
    third = layer("batch_size: 4 channels: 1 height: 2 width: 3")
    third.layer.restore(state)  # before the data are there
    third.layer.feed(source)
    assert taken(third, 3) == rest
    third.layer.restore(state)
    assert taken(third, 3) == rest


def test_the_end_of_a_generator_is_an_error_that_says_what_to_do():
    found = layer("batch_size: 4 channels: 1 height: 2 width: 3")
    found.layer.feed(records())
    assert taken(found, 1) == [0, 1, 2, 3]
    with pytest.raises(DataError, match="cannot go back in an iterator"):
        found.layer.restore({"record": 0})
    with pytest.raises(DataError, match=r"end of its iterator after 4 records.*without calling it"):
        found.forward()
    other = layer()
    other.layer.feed(records())
    other.layer.restore({"record": 2})
    assert taken(other, 2) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ([], "yields nothing"),
        ([3], "needs pairs"),
        ([(DATA[0], "cat")], "needs pairs"),
        ([(DATA[0, 0], 1)], r"data of \(2, 3\) and labels of \(\)"),
        ([(DATA, np.arange(5))], r"data of \(6, 1, 2, 3\) and labels of \(5,\)"),
    ],
)
def test_sources_that_do_not_fit(source, words):
    found = layer()
    found.layer.feed(source)
    with pytest.raises(DataError, match=words):
        found.forward()
    found.layer.reset(DATA, np.arange(6))
    assert taken(found, 1) == [0, 1]


def remote(shapes="shape { dim: 2 dim: 1 dim: 2 dim: 3 } shape { dim: 2 }"):
    return OneLayer(f'type: "RemoteData" top: "data" top: "l" remote_data_param {{ address: "tcp://here:8" {shapes} }}')


def test_worked_example_of_remote_data():
    """What another process would send comes from an iterable here."""
    found = remote()
    with pytest.raises(DataError, match=r"batches from tcp://here:8, .*Put a Data layer in its place"):
        found.forward()
    found.net.set_input_source([(part, part[:, 0, 0, 0]) for part in (DATA[:4], DATA[4:])])
    for first in (0, 2, 4, 0):
        data, labels = found.forward()
        np.testing.assert_array_equal(data, DATA[first : first + 2])
        assert labels.tolist() == [6 * first, 6 * first + 6]


@pytest.mark.parametrize(
    "shapes",
    [
        "",
        "shape { dim: 2 dim: 3 } shape { dim: 2 }",
        "shape { dim: 2 dim: 1 dim: 2 dim: 3 } shape { dim: 2 dim: 2 }",
        "shape { dim: 2 dim: 1 dim: 2 dim: 3 } shape { dim: 3 }",
        "shape { dim: 2 dim: 1 dim: 2 dim: 0 } shape { dim: 2 }",
    ],
)
def test_remote_data_refused(shapes):
    with pytest.raises(ModelError, match="needs two shapes"):
        remote(shapes)
