from itertools import product

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.testing import Case

SEQUENCES = np.array([[1, 2, 2, -1], [3, -1, -1, -1]])
CONTRACT = [
    Case("", [(6, 2, 4), (2, 4)], inputs={"cont": np.array([[1, 2, 2, 0], [3, 0, 0, 0]])}, batch=False, special=False),
    Case(
        "",
        [(5, 2, 4), (5, 2), (5, 2)],
        inputs={
            "cont": np.array([[0, 0]] + [[1, 1]] * 3 + [[0, 1]]),
            "labels": np.array([[0, 2], [1, 2]] + [[-1, -1]] * 3),
        },
        batch=False,
        special=False,
    ),
]


def ctc(options="", bottoms=("x", "labels"), **shapes):
    names = " ".join(f'bottom: "{name}"' for name in bottoms)
    return OneLayer(f'type: "CTCLoss" {names} top: "loss" ctc_loss_param {{ {options} }}', **shapes)


def by_definition(x, target, blank):
    """-log of the sum over all paths that read as `target`."""
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    total = 0.0
    for path in product(range(x.shape[1]), repeat=len(x)):
        merged = [c for i, c in enumerate(path) if (i == 0 or c != path[i - 1]) and c != blank]
        total += np.prod(p[range(len(x)), path]) if merged == list(target) else 0
    return -np.log(total)


def test_worked_example():
    """Every path of 4 steps and 3 classes, for five targets; the blank is 0."""
    x = np.random.default_rng(0).standard_normal((4, 5, 3))
    targets = [[1, 2], [1, 1], [2], [], [1, 2, 1]]
    labels = np.zeros((5, 3))
    for n, target in enumerate(targets):
        labels[n, : len(target)] = target
    loss = ctc(x=x.shape, labels=labels.shape).forward(x=x, labels=labels)
    want = np.mean([by_definition(x[:, n], target, 0) for n, target in enumerate(targets)])
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    # two steps, one label, all classes alike: 3 of 9 paths ("1 1", "1 blank", "blank 1") read as it
    layer = ctc(x=(2, 1, 3), labels=(1, 1))
    np.testing.assert_allclose(layer.forward(x=0, labels=1), np.log(3), rtol=1e-6)
    dx = layer.backward(3)[0]
    np.testing.assert_allclose(dx, [[[1 - 1, 1 - 2, 1]]] * 2, atol=1e-6)


def test_indicators_end_sequences():
    x = np.random.default_rng(1).standard_normal((5, 2, 3))
    cont = [[0, 0], [1, 1], [1, 1], [0, 1], [1, 1]]
    labels = [[0, 1], [1, -1], [-1, -1], [-1, -1], [-1, -1]]
    layer = ctc(bottoms=("x", "cont", "labels"), x=x.shape, cont=(5, 2), labels=(5, 2))
    loss = layer.forward(x=x, cont=cont, labels=labels)
    want = (by_definition(x[:3, 0], [0, 1], 2) + by_definition(x[:, 1], [1], 2)) / 2
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    assert not layer.backward(1)[0][3:, 0].any()


def test_too_many_labels_add_nothing():
    layer = ctc(x=(3, 2, 3), labels=(2, 2))
    x = np.random.default_rng(2).standard_normal((3, 2, 3))
    both = layer.forward(x=x, labels=[[1, 1], [1, 2]])
    assert np.isfinite(both)
    short = ctc(x=(2, 2, 3), labels=(2, 2))
    loss = short.forward(x=x[:2], labels=[[1, 1], [1, 2]])
    np.testing.assert_allclose(loss, by_definition(x[:2, 1], [1, 2], 0) / 2, rtol=1e-5)
    assert not short.backward(1)[0][:, 0].any()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ("output_delay: 1", ModelError, "output_delay"),
        ("blank_label: 5", ModelError, "blank is 5"),
        ("alphabet_size: 4", ShapeError, "alphabet_size is 4"),
    ],
)
def test_options_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        ctc(options, x=(2, 1, 3), labels=(1, 1))


def test_labels_and_shapes_refused():
    with pytest.raises(LabelError):
        ctc(x=(2, 1, 3), labels=(1, 1)).forward(x=0, labels=3)
    with pytest.raises(ShapeError, match="scores"):
        ctc(x=(2, 3), labels=(1, 1))
    with pytest.raises(ShapeError, match="'labels' is"):
        ctc(x=(2, 2, 3), labels=(1, 1))
