"""LeNet-5 as published in 1998: partial connections, trained subsampling, a scaled hyperbolic tangent everywhere."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter

# The paper's table I: the maps of S2 that each of C3's 16 maps reads.
CONNECTIONS = [
    *[[(first + i) % 6 for i in range(3)] for first in range(6)],
    *[[(first + i) % 6 for i in range(4)] for first in range(6)],
    [0, 1, 3, 4],
    [1, 2, 4, 5],
    [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
]
XAVIER = {"type": "xavier"}  # uniform, of variance 1 / (a unit's number of inputs)


def convolution(bottom: Any, maps: int) -> Any:
    """5x5."""
    return L.Convolution(bottom, num_output=maps, kernel_size=5, weight_filler=XAVIER)


def squashed(n: NetSpec, name: str) -> Any:
    """1.7159 tanh(2/3 x) of the blob `name`; the factor is not in place, as tanh's gradient reads what tanh gave."""
    n[f"{name}_slope"] = L.Power(n[name], in_place=True, scale=2 / 3)
    n[f"{name}_tanh"] = L.TanH(n[name], in_place=True)
    n[f"{name}_out"] = L.Power(n[name], scale=1.7159)
    return n[f"{name}_out"]


def subsampled(n: NetSpec, bottom: Any, name: str) -> Any:
    """The mean of 2x2 units, times a coefficient, plus a bias, both of the map; then squashed."""
    n[f"{name}_mean"] = L.Pooling(bottom, pool=P.Pooling.AVE, kernel_size=2, stride=2)
    n[name] = L.Scale(n[f"{name}_mean"], bias_term=True)
    return squashed(n, name)


def body(n: NetSpec, pixels: Any) -> Any:
    """The scores of ten digits. pixels: N x 1 x 32 x 32, ink 255 on ground 0."""
    n.input = L.Power(pixels, scale=1.275 / 255, shift=-0.1)  # the paper's: ground -0.1, ink 1.175
    n.C1 = convolution(n.input, 6)
    top = subsampled(n, squashed(n, "C1"), "S2")
    maps = L.Slice(top, name="S2_maps", ntop=6, axis=1)
    for i, one in enumerate(maps):
        n[f"S2_{i}"] = one
    for i, read in enumerate(CONNECTIONS):
        n[f"C3_{i}_read"] = L.Concat(*(maps[k] for k in read))
        n[f"C3_{i}"] = convolution(n[f"C3_{i}_read"], 1)
    n.C3 = L.Concat(*(n[f"C3_{i}"] for i in range(len(CONNECTIONS))))
    top = subsampled(n, squashed(n, "C3"), "S4")
    n.C5 = convolution(top, 120)
    n.F6 = L.InnerProduct(squashed(n, "C5"), num_output=84, weight_filler=XAVIER)
    n.scores = L.InnerProduct(squashed(n, "F6"), num_output=10, weight_filler=XAVIER)
    return n.scores


def deploy() -> Any:
    """data (1, 1, 32, 32) -> prob."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 32, 32]})
    n.prob = L.Softmax(body(n, n.data))
    message = n.to_proto()
    message.name = "LeNet-5"
    return message


def digits(source: str, phase: int, batch: int) -> Any:
    """MNIST's 28x28 pixels and labels."""
    n = NetSpec()
    n.data, n.label = L.Data(ntop=2, source=source, backend=P.Data.LMDB, batch_size=batch, include={"phase": phase})
    return n


def train_val() -> Any:
    """Both phases; a convolution that is never trained puts two pixels of ground around the digits."""
    n = digits("digits_train_lmdb", TRAIN, 64)
    n.padded = L.Convolution(
        n.data,
        num_output=1,
        kernel_size=1,
        pad=2,
        bias_term=False,
        weight_filler={"type": "constant", "value": 1},
        param={"lr_mult": 0, "decay_mult": 0},
    )
    scores = body(n, n.padded)
    n.accuracy = L.Accuracy(scores, n.label, include={"phase": TEST})
    n.loss = L.SoftmaxWithLoss(scores, n.label)
    first, *rest = n.to_proto().layer
    return NetParameter(name="LeNet-5", layer=[first, *digits("digits_test_lmdb", TEST, 40).to_proto().layer, *rest])


if __name__ == "__main__":
    writing.save(__file__, {"deploy.prototxt": deploy(), "train_val.prototxt": train_val()})
