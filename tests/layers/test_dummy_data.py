import numpy as np
import pytest
from one_layer import OneLayer

import caffelike
from caffelike.check import check
from caffelike.errors import ModelError
from caffelike.summary import describe


def layer(param, tops='top: "a" top: "b"'):
    return OneLayer(f'type: "DummyData" {tops} dummy_data_param {{ {param} }}')


def test_worked_example_constants_are_filled_once_others_in_every_pass():
    found = layer(
        'shape { dim: 2 dim: 3 } data_filler { type: "constant" value: 4 }'
        ' data_filler { type: "uniform" min: 1 max: 2 }'
    )
    before = found.net.blobs["b"].data.copy()
    assert (before >= 1).all()
    assert (before < 2).all()
    found.net.blobs["a"].data[0, 0] = 9
    a, b = found.forward()
    assert a.tolist() == [[9, 4, 4], [4, 4, 4]]
    c = found.forward()[1]
    assert len({*before.ravel(), *b.ravel(), *c.ravel()}) == 18


def test_a_net_that_is_only_looked_at_draws_no_numbers(tmp_path, monkeypatch):
    path = tmp_path / "net.prototxt"
    path.write_text("""layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param {
        shape { dim: 2 dim: 3 } data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
        layer { name: "s" type: "Silence" bottom: "x" bottom: "y" }""")
    monkeypatch.setattr(caffelike.rng, "generator", lambda *words: pytest.fail("drawn"))
    assert not [problem for problem in check(path) if problem.level == "error"]
    assert describe(path).layers[0].tops == {"x": (2, 3), "y": (2, 3)}


def test_two_tops_of_one_filler_differ():
    a, b = layer('shape { dim: 3 } shape { dim: 3 } data_filler { type: "gaussian" std: 3 }').forward()
    assert not np.intersect1d(a, b).size


def test_zeros_without_a_filler_and_the_old_shape():
    a, b = layer("num: 2 num: 5 channels: 3 height: 1 width: 4").forward()
    assert (a.shape, b.shape, a.any(), b.any()) == ((2, 3, 1, 4), (5, 3, 1, 4), False, False)


def test_going_on():
    text = 'shape { dim: 4 } data_filler { type: "xavier" }'
    first, second = layer(text), layer(text)
    first.forward()
    second.layer.restore(first.layer.state())
    for a, b in zip(first.forward(), second.forward(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("shape { dim: 1 } data_filler { } data_filler { } data_filler { }", "must be 0, 1 or equal to .* tops: 2"),
        ("", "Must specify 'shape' once, or once per top blob"),
        ("shape { dim: 1 } num: 1", "Both shape and legacy"),
        ("num: 1 channels: 1 height: 1", "Must specify 'width' once"),
        ('shape { dim: 1 } data_filler { type: "gauss" }', "Unknown filler type: gauss"),
    ],
)
def test_refused(param, words):
    with pytest.raises(ModelError, match=words):
        layer(param)
