"""A denoising autoencoder: a digit under noise in, the digit out."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter

NOISE = 0.4  # its standard deviation, where ink is 1 and paper 0
BATCH = 60  # digits
FILLER = {"weight_filler": {"type": "msra"}}


def body(n: NetSpec, top: Any) -> Any:
    """Down to 7 x 7 places by convolutions, and up again by deconvolutions."""
    for i, (channels, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 1):
        top = n[f"conv{i}"] = L.Convolution(top, num_output=channels, kernel_size=3, pad=1, stride=stride, **FILLER)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
    for i, channels in enumerate((32, 16), 1):
        up = {"num_output": channels, "kernel_size": 4, "pad": 1, "stride": 2, **FILLER}
        top = n[f"deconv{i}"] = L.Deconvolution(top, convolution_param=up)
        n[f"relu{i + 3}"] = L.ReLU(top, in_place=True)
    n.clean = L.Convolution(top, num_output=1, kernel_size=3, pad=1, **FILLER)
    return n.clean


def train_test() -> Any:
    """New noise in every pass; the loss is half the squared error, summed over a digit's pixels."""
    found = NetParameter(name="MNISTDenoiser")
    for source, phase in (("digits_train_lmdb", TRAIN), ("digits_test_lmdb", TEST)):
        n = NetSpec()
        n.data = L.Data(
            source=source,
            backend=P.Data.LMDB,
            batch_size=BATCH,
            include={"phase": phase},
            transform_param={"scale": 1 / 256},
        )
        n.noise = L.DummyData(
            shape={"dim": [BATCH, 1, 28, 28]},
            data_filler={"type": "gaussian", "std": NOISE},
            include={"phase": phase},
        )
        found.layer.extend(n.to_proto().layer)
    n.noisy = L.Eltwise(n.data, n.noise, operation=P.Eltwise.SUM)
    n.loss = L.EuclideanLoss(body(n, n.noisy), n.data)
    found.layer.extend(n.to_proto().layer[2:])
    return found


def deploy() -> Any:
    """data (1, 1, 28, 28) with noise -> clean."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 28, 28]})
    body(n, n.data)
    message = n.to_proto()
    message.name = "MNISTDenoiser"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train_test.prototxt": train_test(), "deploy.prototxt": deploy()})
