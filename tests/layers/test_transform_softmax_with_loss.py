from pathlib import Path

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import DataError, FileError, LabelError, ModelError, ShapeError
from caffelike.testing import Case, labels

TABLE = Path(__file__).with_name("label_table.txt")  # 0 2 1 -1 2 0
OPTIONS = f'label_transform_param {{ label_transform_file: "{TABLE}" }}'
CONTRACT = [
    Case(OPTIONS, [(7, 3), (7,)], inputs={"label": labels(6)}, tops=2),
    Case(OPTIONS, [(4, 3, 1, 1), (4, 1, 1, 1)], inputs={"label": labels(6)}),
]


def loss(options=OPTIONS, x=(4, 3), label=(4,)):
    return OneLayer(f'type: "TransformSoftmaxWithLoss" bottom: "x" bottom: "l" top: "y" {options}', x=x, l=label)


def test_worked_example():
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.2, 0.6, 0.2]])
    layer = loss()
    value = layer.forward(x=np.log(p) + 3, l=[5, 4, 3, 2])  # 0, 2, none, 1
    np.testing.assert_allclose(value, -np.log(0.5 * 0.7 * 0.6) / 4, rtol=1e-6)
    dx = layer.backward(4)[0]
    want = [[-0.5, 0.25, 0.25], [0.1, 0.2, -0.3], [0, 0, 0], [0.2, -0.4, 0.2]]
    np.testing.assert_allclose(dx, want, atol=1e-6)


def test_refused(tmp_path):
    layer = loss()
    with pytest.raises(LabelError, match=r"must be 0 \.\. 5"):
        layer.forward(l=6)
    with pytest.raises(ModelError, match="4 classes, but the label table makes 3 up to 2"):
        loss(x=(4, 4))
    with pytest.raises(ShapeError, match="whole items"):
        loss(x=(4, 3, 2), label=(4, 2))
    with pytest.raises(ModelError, match="needs label_transform_param"):
        loss("")
    with pytest.raises(FileError, match="Could not open label table"):
        loss(OPTIONS.replace("label_table", "nowhere"))
    for text, words in (("", "it is empty"), ("1 b", "must hold whole numbers")):
        (tmp_path / "t").write_text(text)
        with pytest.raises(DataError, match=words):
            loss(f"label_transform_param {{ label_transform_file: '{tmp_path / 't'}' }}")
