import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import LabelError, ModelError, ShapeError
from caffelike.schema.weights import write_mean
from caffelike.testing import Case, labels, positive

CONTRACT = [
    Case(shapes=[(4, 5), (4,), (5, 5)], inputs={"label": labels(5), "H": positive}),
    Case(
        "infogain_loss_param { axis: 2 } loss_param { ignore_label: 1 normalization: FULL }",
        [(3, 2, 4, 5), (3, 2, 5), (1, 1, 4, 4)],
        tops=2,
        inputs={"label": labels(4), "H": positive},
    ),
    Case("loss_param { normalization: NONE }", [(2, 3, 7), (2, 7), (9,)], inputs={"label": labels(3)}),
    Case("loss_param { normalization: BATCH_SIZE }", [(2, 3, 7), (2, 7), (9,)], inputs={"label": labels(3)}),
    Case(
        "loss_param { class_weight: [2, 0, 0.5] ignore_label: 1 }",
        [(2, 3, 7), (2, 7), (9,), (2, 7)],
        inputs={"label": labels(3), "weight": positive},
    ),
]
H = [[1.0, 0.5], [0.0, 2.0]]


def test_worked_example():
    layer = OneLayer('type: "InfogainLoss" bottom: "x" bottom: "l" bottom: "h" top: "loss"', x=(2, 2), l=(2,), h=(2, 2))
    value = layer.forward(x=[[0, np.log(3)], [0, 0]], l=[0, 1], h=H)
    expected = -(np.log(0.25) + 0.5 * np.log(0.75)) - 2 * np.log(0.5)
    np.testing.assert_allclose(value, expected / 2, rtol=1e-6)
    layer.net.backward()
    gradient = [[1.5 * 0.25 - 1, 1.5 * 0.75 - 0.5], [2 * 0.5, 2 * 0.5 - 2]]
    np.testing.assert_allclose(layer.net.blobs["x"].diff, np.array(gradient) / 2, rtol=1e-6)


def test_weights_of_classes_and_items():
    layer = OneLayer(
        'type: "InfogainLoss" bottom: "x" bottom: "l" bottom: "h" bottom: "w" top: "loss"'
        " loss_param { class_weight: [0.5, 3] }",
        x=(2, 2),
        l=(2,),
        h=(2, 2),
        w=(2,),
    )
    value = layer.forward(x=[[0, np.log(3)], [0, 0]], l=[0, 1], h=H, w=[8, 2])
    expected = -4 * (np.log(0.25) + 0.5 * np.log(0.75)) - 6 * 2 * np.log(0.5)
    np.testing.assert_allclose(value, expected / (4 + 6), rtol=1e-6)
    layer.net.backward()
    gradient = [[4 * (1.5 * 0.25 - 1), 4 * (1.5 * 0.75 - 0.5)], [6 * (2 * 0.5), 6 * (2 * 0.5 - 2)]]
    np.testing.assert_allclose(layer.net.blobs["x"].diff, np.array(gradient) / 10, rtol=1e-6)


def from_file(path, classes=2, options=""):
    source = f'infogain_loss_param {{ source: "{path}" }}'
    return OneLayer(
        f'type: "InfogainLoss" bottom: "x" bottom: "l" top: "loss" {source} {options}', x=(1, classes), l=(1,)
    )


def test_matrix_from_a_file(tmp_path):
    path = tmp_path / "h.binaryproto"
    write_mean(path, np.array(H, np.float32))
    np.testing.assert_allclose(from_file(path).forward(x=[[0, 0]], l=[0]), 1.5 * np.log(2), rtol=1e-6)
    with pytest.raises(LabelError, match=r"is 2, but labels must be 0 \.\. 1"):
        from_file(path).forward(x=[[0, 0]], l=[2])
    with pytest.raises(ShapeError, match="3 x 3 values"):
        from_file(path, classes=3)
    with pytest.raises(ModelError, match="normalize is not read here; write normalization: VALID"):
        from_file(path, options="loss_param { normalize: true }")


def test_matrix_missing():
    with pytest.raises(ModelError, match="has no matrix"):
        OneLayer('type: "InfogainLoss" bottom: "x" bottom: "l" top: "loss"', x=(1, 2), l=(1,))


def test_an_ignored_place_counts_nothing_even_if_its_scores_are_nan():
    text = 'type: "InfogainLoss" bottom: "x" bottom: "l" bottom: "h" top: "loss" loss_param { ignore_label: 7 }'
    layer = OneLayer(text, x=(2, 2), l=(2,), h=(2, 2))
    value = layer.forward(x=[[np.nan, np.inf], [0, 0]], l=[7, 1], h=H)
    np.testing.assert_allclose(value, 2 * np.log(2), rtol=1e-6)
    layer.net.backward()
    assert layer.net.blobs["x"].diff.tolist() == [[0, 0], [1, -1]]
