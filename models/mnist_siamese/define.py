"""A siamese net on MNIST: two LeNets with the same weights bring pictures of one digit close together in the plane."""

import sys
from pathlib import Path
from typing import Any

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter, text


def twin(n: NetSpec, top: Any, suffix: str) -> Any:
    """One of the two branches; names of parameters, not of layers, say what they share."""

    def learned(name: str) -> dict[str, Any]:
        return {
            "param": [{"name": f"{name}_w", "lr_mult": 1}, {"name": f"{name}_b", "lr_mult": 2}],
            "weight_filler": {"type": "xavier"},
            "bias_filler": {"type": "constant"},
        }

    for i, channels in ((1, 20), (2, 50)):
        top = n[f"conv{i}{suffix}"] = L.Convolution(
            top, num_output=channels, kernel_size=5, stride=1, **learned(f"conv{i}")
        )
        top = n[f"pool{i}{suffix}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    top = n[f"ip1{suffix}"] = L.InnerProduct(top, num_output=500, **learned("ip1"))
    n[f"relu1{suffix}"] = L.ReLU(top, in_place=True)
    top = n[f"ip2{suffix}"] = L.InnerProduct(top, num_output=10, **learned("ip2"))
    top = n[f"feat{suffix}"] = L.InnerProduct(top, num_output=2, **learned("feat"))
    return top


def train_test() -> Any:
    """Pairs come as pictures of two channels; sim says whether both show one digit."""
    found = NetParameter(name="MNISTSiamese")
    for source, batch, phase in (("mnist_siamese_train_lmdb", 64, TRAIN), ("mnist_siamese_test_lmdb", 100, TEST)):
        n = NetSpec()
        n.pair_data, n.sim = L.Data(
            ntop=2,
            name="pair_data",
            source=source,
            backend=P.Data.LMDB,
            batch_size=batch,
            include={"phase": phase},
            transform_param={"scale": 0.00390625},
        )
        found.layer.extend(n.to_proto().layer)
    n.data, n.data_p = L.Slice(n.pair_data, ntop=2, name="slice_pair", slice_dim=1, slice_point=[1])
    n.loss = L.ContrastiveLoss(twin(n, n.data, ""), twin(n, n.data_p, "_p"), n.sim, margin=1)
    found.layer.extend(n.to_proto().layer[1:])
    return found


def deploy() -> Any:
    """One branch: where a picture lies in the plane."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 28, 28]})
    twin(n, n.data, "")
    message = n.to_proto()
    message.name = "MNISTSiamese"
    return message


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    for file, made in (("train_test.prototxt", train_test()), ("deploy.prototxt", deploy())):
        wanted = "# Written by define.py; see README.md beside this file.\n" + text.format(made)
        if "--check" not in sys.argv:
            (folder / file).write_text(wanted)
        elif not (folder / file).exists() or (folder / file).read_text() != wanted:
            sys.exit(f"{file} is not what {__file__} gives; run it without --check")
