"""The LSTM layer's kernel beside its definition in NumPy and torch.nn.LSTM: forward, and forward with backward.

usage: python benchmarks/lstm.py [--threads N] [--repeats N] [--json OUT]

All get the same inputs and weights, and their outputs are compared before anything is timed. torch's bias counts twice
there, so one of its two is zero. GFLOP/s: 2 for each multiply-accumulate with a weight, three times that with backward.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import caffelike
from caffelike.kernels.launch import get_num_threads, set_num_threads
from caffelike.schema import NetParameter, text

# steps, sequences, features, units: captions one by one, LRCN's training, wide layers
SIZES = [(1, 1, 1000, 1000), (20, 1, 1000, 1000), (16, 24, 1000, 256), (20, 64, 512, 512)]


TEXT = """force_backward: true
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: {0} dim: {1} dim: {2} }} }} }}
layer {{ name: "cont" type: "Input" top: "cont" input_param {{ shape {{ dim: {0} dim: {1} }} }} }}
layer {{ name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "y" recurrent_param {{ num_output: {3} }} }}
"""


class Layer:
    """An LSTM in nets of its own, one to test with and one to train; kernels: "" or "numpy" for the definition."""

    def __init__(self, size: tuple[int, int, int, int], kernels: str):
        self.kernels = kernels
        steps, _, features, units = size
        random = np.random.default_rng(0)
        message = text.parse(TEXT.format(*size), NetParameter).message
        self.weights = [
            random.uniform(-1, 1, shape).astype(np.float32) / np.float32(units) ** 0.5
            for shape in ((4 * units, features), (4 * units,), (4 * units, units))
        ]
        self.x = random.standard_normal(size[:3]).astype(np.float32)
        self.dy = random.standard_normal((*size[:2], units)).astype(np.float32)
        self.nets = [caffelike.Net.build(message, phase) for phase in (caffelike.TEST, caffelike.TRAIN)]
        for net in self.nets:
            net.blobs["x"].data[...] = self.x
            net.blobs["cont"].data[...] = np.arange(steps)[:, None] > 0
            net.blobs["y"].diff[...] = self.dy
            for blob, values in zip(net.params["lstm"], self.weights, strict=True):
                blob.data[...] = values

    def forward(self) -> np.ndarray:
        """y, without what only backward needs."""
        return self._run(self.nets[0], False)

    def both(self) -> np.ndarray:
        """Forward with backward to x and the weights."""
        return self._run(self.nets[1], True)

    def _run(self, net: Any, backward: bool) -> np.ndarray:
        os.environ["CAFFELIKE_KERNELS"] = self.kernels  # read when a net binds its functions, in the first pass
        net.run_forward()
        if backward:
            net.run_backward(beta=0)
        return net.blobs["y"].data


class Torch:
    """torch.nn.LSTM with the weights of a Layer; its gates come in the order i, f, g, o."""

    def __init__(self, layer: Layer):
        features, units = layer.x.shape[2], layer.dy.shape[2]
        order = np.r_[0 : 2 * units, 3 * units : 4 * units, 2 * units : 3 * units]
        weight_x, bias, weight_h = (torch.from_numpy(values[order]) for values in layer.weights)
        self.net = torch.nn.LSTM(features, units)
        with torch.no_grad():
            self.net.weight_ih_l0.copy_(weight_x)
            self.net.weight_hh_l0.copy_(weight_h)
            self.net.bias_ih_l0.copy_(bias)
            self.net.bias_hh_l0.zero_()
        self.x, self.dy = torch.from_numpy(layer.x).requires_grad_(), torch.from_numpy(layer.dy)

    def forward(self) -> np.ndarray:
        """y, without what only backward needs."""
        with torch.no_grad():
            return self.net(self.x)[0].numpy()

    def both(self) -> None:
        """Forward with backward to x and the weights."""
        self.net.zero_grad()
        self.x.grad = None
        self.net(self.x)[0].backward(self.dy)


def milliseconds(function: Callable[[], Any], repeats: int) -> float:
    """The median, after a first call that does not count."""
    function()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken))


def main() -> None:
    """Measure every size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=get_num_threads())
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the numbers to this file as well")
    options = parser.parse_args()
    set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    rows = []
    print(f"{options.threads} threads; median ms of {options.repeats}: forward, forward + backward (GFLOP/s)")
    print(f"{'T':>4}{'N':>5}{'K':>6}{'D':>6}{'definition':>18}{'torch ' + torch.__version__:>22}{'caffelike':>32}")
    for size in SIZES:
        steps, batch, features, units = size
        definition, kernel = Layer(size, "numpy"), Layer(size, "")
        sides = definition, Torch(definition), kernel
        for side in sides[1:]:
            assert np.abs(side.forward() - definition.forward()).max() < 1e-5, f"{side} differs for {size}"
        taken = [[milliseconds(run, options.repeats) for run in (side.forward, side.both)] for side in sides]
        operations = 8e-6 * steps * batch * units * (features + units)
        rate = f"({operations / taken[2][0]:.0f}, {3 * operations / taken[2][1]:.0f})"
        cells = "".join(f"{f'{a:.2f}, {b:.2f}':>{w}}" for (a, b), w in zip(taken, (18, 22, 20), strict=True))
        print(f"{steps:>4}{batch:>5}{features:>6}{units:>6}{cells}{rate:>12}")
        rows.append({"size": size, "definition": taken[0], "torch": taken[1], "caffelike": taken[2]})
    if options.json:
        options.json.write_text(json.dumps({"threads": options.threads, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
