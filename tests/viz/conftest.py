"""A small net of two classes to look into, and pictures for it."""

import numpy as np
import pytest

import caffelike
from caffelike import viz
from caffelike.recipe import Recipe

NET = """name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param {
  num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 } bias_filler { value: 0.1 } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "n1" type: "LRN" bottom: "c1" top: "n1" }
layer { name: "p1" type: "Pooling" bottom: "n1" top: "p1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "c2" type: "Convolution" bottom: "p1" top: "c2" convolution_param {
  num_output: 2 kernel_size: 3 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "r2" type: "ReLU" bottom: "c2" top: "r2" }
layer { name: "score" type: "Pooling" bottom: "r2" top: "score" pooling_param { pool: AVE global_pooling: true } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""


@pytest.fixture
def definition(tmp_path):
    path = tmp_path / "small.prototxt"
    path.write_text(NET)
    return path


@pytest.fixture
def net(definition):
    caffelike.set_random_seed(5)
    found = viz.open_net(definition)
    found.recipe = Recipe(mean=(100.0,), scale=1 / 64)
    return found


@pytest.fixture
def x():
    return np.random.default_rng(2).standard_normal((3, 16, 16)).astype(np.float32)
