from pathlib import Path

import numpy as np
import pytest
from one_layer import OneLayer

from caffelike.errors import ModelError
from caffelike.testing import Case, labels

TABLE = Path(__file__).with_name("label_table.txt")  # 0 2 1 -1 2 0
OPTIONS = f'label_transform_param {{ label_transform_file: "{TABLE}" }}'
CONTRACT = [Case(f"{OPTIONS} accuracy_param {{ top_k: 2 }}", [(7, 3), (7,)], inputs={"label": labels(6)})]


def accuracy(top_k=1, items=6):
    text = f'type: "TransformAccuracy" bottom: "x" bottom: "l" top: "y" {OPTIONS} accuracy_param {{ top_k: {top_k} }}'
    return OneLayer(text, x=(items, 3), l=(items,))


def test_worked_example():
    x = [[3, 1, 2], [1, 2, 2], [1, 2, 3], [9, 0, 0], [2, 2, 1], [4, 4, 4]]
    label = [0, 1, 2, 3, 4, 5]  # 0 2 1 none 2 0
    assert accuracy().forward(x=x, l=label) == np.float32(2 / 6)  # the second is a tie that the last class wins
    assert accuracy(2).forward(x=x, l=label) == np.float32(3 / 6)
    assert accuracy(3).forward(x=x, l=label) == np.float32(5 / 6)
    x[2][1] = np.nan
    assert accuracy(3).forward(x=x, l=label) == np.float32(4 / 6)


def test_refused():
    with pytest.raises(ModelError, match="top_k is 4, but there are 3 classes"):
        accuracy(4)
