"""A deep autoencoder of MNIST's digits: 784 pixels to 30 numbers and back."""

import sys
from pathlib import Path
from typing import Any

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter, text

SIZES = (1000, 500, 250, 30)  # of the encoder's layers


def full(bottom: Any, outputs: int) -> Any:
    """A fully connected layer whose outputs start from 15 inputs each: Martens' sparse initialisation."""
    return L.InnerProduct(
        bottom,
        num_output=outputs,
        weight_filler={"type": "gaussian", "std": 1, "sparse": 15},
        bias_filler={"type": "constant", "value": 0},
        param=[{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 1, "decay_mult": 0}],
    )


def data(source: str, batch: int, **rule: Any) -> Any:
    """Digits of 0..1, for the nets that `rule` admits."""
    return L.Data(
        source=source, backend=P.Data.LMDB, batch_size=batch, include=rule, transform_param={"scale": 0.0039215684}
    )


def train_test() -> Any:
    """In TEST the stage says whether it scores the training or the test digits."""
    n = NetSpec()
    n.data = data("mnist_train_lmdb", 100, phase=TRAIN)
    n.flatdata = L.Flatten(n.data)
    top = n.flatdata
    layers = [(f"encode{i}", size) for i, size in enumerate(SIZES, 1)]
    layers += [(f"decode{i}", size) for i, size in zip((4, 3, 2), SIZES[-2::-1], strict=True)]
    for name, size in layers:
        top = n[name] = full(top, size)
        if name != "encode4":  # the code itself is linear
            top = n[f"{name}neuron"] = L.Sigmoid(top)
    n.decode1 = full(top, 784)
    n.cross_entropy_loss = L.SigmoidCrossEntropyLoss(n.decode1, n.flatdata, loss_weight=1)
    n.decode1neuron = L.Sigmoid(n.decode1)
    n.l2_error = L.EuclideanLoss(n.decode1neuron, n.flatdata, loss_weight=0)
    first, *rest = n.to_proto().layer
    tests = NetParameter()
    for stage, source in (("test-on-train", "mnist_train_lmdb"), ("test-on-test", "mnist_test_lmdb")):
        t = NetSpec()
        t.data = data(source, 100, phase=TEST, stage=[stage])
        tests.layer.extend(t.to_proto().layer)
    return NetParameter(name="MNISTAutoencoder", layer=[first, *tests.layer, *rest])


if __name__ == "__main__":
    path = Path(__file__).resolve().with_name("train_test.prototxt")
    wanted = "# Written by define.py; see README.md beside this file.\n" + text.format(train_test())
    if "--check" not in sys.argv:
        path.write_text(wanted)
    elif not path.exists() or path.read_text() != wanted:
        sys.exit(f"{path.name} is not what {__file__} gives; run it without --check")
