import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError, ShapeError
from caffelike.testing import Case

CONTRACT = [
    Case("", [(5, 2, 4)], special=False, batch=False),
    Case("", [(5, 2, 4), (5, 2), (5, 2)], tops=3, special=False, batch=False, inputs={"cont": 1, "labels": -1}),
]


def decoder(options="", tops=1, bottoms=("x",), **shapes):
    names = " ".join(f'bottom: "{name}"' for name in bottoms) + "".join(f' top: "t{i}"' for i in range(tops))
    return OneLayer(f'type: "CTCGreedyDecoder" {names} ctc_decoder_param {{ {options} }}', **shapes)


def scores(*paths, classes=4):
    """(T, N, C): 1 + t / 10 for the class of each step, 0 for the others."""
    steps = len(paths[0])
    x = np.zeros((steps, len(paths), classes))
    for n, path in enumerate(paths):
        x[range(steps), n, path] = 1 + np.arange(steps) / 10
    return x


def test_worked_example():
    x = scores([1, 1, 3, 1, 2, 2], [3, 0, 0, 2, 3, 2])
    layer = decoder(tops=3, bottoms=("x", "cont", "labels"), x=x.shape, cont=(6, 2), labels=(6, 2))
    cont = [[0, 0]] + [[1, 1]] * 3 + [[1, 0], [1, 1]]
    labels = np.array([[1, 0, 2, -1, -1, -1], [0, 2, 2, 1, -1, -1]]).T
    sequences, score, accuracy = layer.forward(x=x, cont=cont, labels=labels)
    assert sequences[..., 0, 0].tolist() == [[1, 1, 2, -1, -1, -1], [0, 2, -1, -1, -1, -1]]
    np.testing.assert_allclose(score.ravel(), [-7.5, -4.6], rtol=1e-6)
    np.testing.assert_allclose(accuracy.ravel(), [1 - (1 / 3 + 2 / 4) / 2], rtol=1e-6)


def test_options():
    x = scores([1, 1, 0, 0])
    assert decoder("blank_index: 0", x=x.shape).forward(x=x).ravel().tolist() == [1, -1, -1, -1]
    layer = decoder("ctc_merge_repeated: false", x=x.shape)
    assert layer.forward(x=x).ravel().tolist() == [1, 1, 0, 0]
    with pytest.raises(ModelError, match="blank_index is 4"):
        decoder("blank_index: 4", x=x.shape)


def test_refused():
    with pytest.raises(ModelError, match="needs labels"):
        decoder(tops=3, x=(5, 2, 4))
    with pytest.raises(ShapeError, match=r"needs \(T, N, C\)"):
        decoder(bottoms=("x", "cont"), x=(5, 2, 4), cont=(4, 2))
