import numpy as np
import pytest
from compare import check, empty, normal

from caffelike.errors import LabelError
from caffelike.kernels.cpu import softmax_with_loss
from caffelike.layers import softmax_with_loss as definition

SHAPES = [((1, 2), 1), ((64, 10), 1), ((0, 3), 1), ((13, 127), 1), ((2, 5, 15, 40), 1), ((3, 4, 7), 2)]

PLAIN = {
    "normalization": "VALID",
    "ignore_label": None,
    "weight": None,
    "class_weight": (),
    "weighted": True,
    "smoothing": 0.0,
}


def labels(rng, shape, axis):
    places = shape[:axis] + shape[axis + 1 :]
    return (rng.integers(0, shape[axis], places) + 0.5 * rng.random(places)).astype(np.float32)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("ignore_label", [None, 1])
@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
def test_against_definition(shape, axis, ignore_label, normalization, rng):
    against_definition(shape, axis, rng, normalization=normalization, ignore_label=ignore_label)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("weight", ["items", "places", None])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_against_definition(shape, axis, classes, weight, weighted, rng):
    class_weight = tuple(rng.random(shape[axis]).tolist()) if classes else ()
    own = {"items": shape[:1], "places": shape[:axis] + shape[axis + 1 :]}.get(weight)
    array = None if own is None else rng.random(own).astype(np.float32)
    against_definition(shape, axis, rng, weight=array, class_weight=class_weight, weighted=weighted, ignore_label=1)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_smoothing_against_definition(shape, axis, rng):
    against_definition(shape, axis, rng, smoothing=0.2, ignore_label=1)


def against_definition(shape, axis, rng, **more):
    x, label = 5 * normal(rng, *shape), labels(rng, shape, axis)
    options = PLAIN | {"label": label, "axis": axis} | more
    loss = empty()
    got = check(
        "softmax_with_loss",
        "forward",
        ["loss", "prob", "probability"],
        x=x,
        loss=loss,
        prob=empty(*shape),
        probability=empty(*shape),
        **options,
    )
    check("softmax_with_loss", "forward", ["loss"], x=x, loss=loss, prob=None, probability=None, **options)
    for dprob in (None, normal(rng, *shape)):
        check(
            "softmax_with_loss",
            "backward",
            ["dx"],
            dloss=np.float32(2).reshape(()),
            dprob=dprob,
            probability=got["probability"],
            dx=empty(*shape),
            **options,
        )


def test_vanishing_probability_and_nan(rng):
    x = normal(rng, 4, 10)
    x[0, 2], x[1, 2] = -200, np.nan
    for rows in (x[:1], x):
        label = np.full(len(rows), 2, np.float32)
        options = PLAIN | {"label": label, "axis": 1}
        check("softmax_with_loss", "forward", ["loss"], x=rows, loss=empty(), prob=None, probability=None, **options)


@pytest.mark.parametrize("value", [-1, 10, np.nan, np.inf])
def test_labels_that_are_no_class(value, rng):
    x, label = normal(rng, 4, 10, 2), np.zeros((4, 2), np.float32)
    label[2, 1] = value
    texts = []
    for module in (definition, softmax_with_loss):
        with pytest.raises(LabelError, match="item 2") as error:
            module.forward(x, label, None, empty(), None, None, 1, "VALID", 3, (), True, 0.0)
        texts.append(str(error.value))
        with pytest.raises(LabelError):
            module.backward(
                np.ones((), np.float32), None, label, None, x, empty(4, 10, 2), 1, "VALID", None, (), True, 0.0
            )
    assert texts[0] == texts[1]
