import numpy as np
from google.protobuf import text_format

import caffelike
from caffelike.layers import silence
from caffelike.testing import Case

CONTRACT = [Case(shapes=[(2, 3)]), Case(shapes=[(2, 3), (5,)])]


def test_its_bottoms_are_no_outputs():
    text = """
    layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 } } }
    layer { name: "l" type: "Silence" bottom: "a" }
    """
    net = caffelike.Net.build(text_format.Parse(text, caffelike.schema.NetParameter()), caffelike.TEST)
    assert net.outputs == ["b"]
    assert list(net.forward()) == ["b"]


def test_worked_example_gradient_is_zero():
    a = np.ones(3)
    silence.backward((a, None))
    assert a.tolist() == [0, 0, 0]
