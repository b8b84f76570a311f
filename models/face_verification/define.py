"""DeepID2: a face as 160 numbers that tell people apart, learnt from who is who and from pairs of pictures."""

import sys
from pathlib import Path
from typing import Any

from caffelike import NetSpec
from caffelike import layers as L
from caffelike.schema import TEST, TRAIN, NetParameter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from writing import save

NAME = "DeepID2"
SIZE = 55, 47  # height and width of a face
PEOPLE = 40  # to train on, in make_data.py; 8,192 in the publication


def features(n: NetSpec, top: Any, suffix: str = "") -> Any:
    """One of the two branches, from a face to its 160 numbers; names of parameters say what they share."""

    def learned(name: str) -> dict[str, Any]:
        return {
            "param": [{"name": f"{name}_w"}, {"name": f"{name}_b", "lr_mult": 2, "decay_mult": 0}],
            "weight_filler": {"type": "xavier"},
        }

    seen = []
    for i, (channels, kernel) in enumerate(((20, 4), (40, 3), (60, 3), (80, 2)), 1):
        top = n[f"conv{i}{suffix}"] = L.Convolution(top, num_output=channels, kernel_size=kernel, **learned(f"conv{i}"))
        n[f"relu{i}{suffix}"] = L.ReLU(top, in_place=True)
        if i < 4:
            top = n[f"pool{i}{suffix}"] = L.Pooling(top, kernel_size=2, stride=2)
        if i > 2:
            flat = n[f"flat{i}{suffix}"] = L.Flatten(top)
            seen.append(flat)
    top = n[f"both{suffix}"] = L.Concat(*seen)
    top = n[f"deepid{suffix}"] = L.InnerProduct(top, num_output=160, **learned("deepid"))
    n[f"relu5{suffix}"] = L.ReLU(top, in_place=True)
    return top


def train_test(people: int = PEOPLE) -> Any:
    """Pairs as pictures of six channels; in TEST, of people that were not seen, only whether they are the same."""
    read = NetSpec()
    data = {"source": "train.txt", "batch_size": 32, "shuffle": True}
    read.pair, read.who, read.same = L.HDF5Data(ntop=3, name="data", hdf5_data_param=data, include={"phase": TRAIN})
    test = NetSpec()
    data = {"source": "test.txt", "batch_size": 50}
    test.pair, test.same = L.HDF5Data(ntop=2, name="data", hdf5_data_param=data, include={"phase": TEST})
    n = NetSpec()
    n.pair, n.who, n.same = L.HDF5Data(ntop=3)
    n.face, n.face_p = L.Slice(n.pair, ntop=2, name="slice_pair", slice_point=[3])
    both = [(suffix, features(n, n[f"face{suffix}"], suffix)) for suffix in ("", "_p")]
    n.verification = L.ContrastiveLoss(*(top for _, top in both), n.same, margin=2, loss_weight=0.05)
    whose = L.Slice(n.who, ntop=2, name="slice_who", slice_point=[1], include={"phase": TRAIN})
    for (suffix, top), label in zip(both, whose, strict=True):
        n[f"label{suffix}"] = label
        score = n[f"score{suffix}"] = L.InnerProduct(
            top,
            num_output=people,
            param=[{"name": "score_w"}, {"name": "score_b", "lr_mult": 2, "decay_mult": 0}],
            weight_filler={"type": "xavier"},
            include={"phase": TRAIN},
        )
        n[f"identification{suffix}"] = L.SoftmaxWithLoss(score, label, include={"phase": TRAIN})
    layers = [*read.to_proto().layer, *test.to_proto().layer, *list(n.to_proto().layer)[1:]]
    return NetParameter(name=NAME, layer=layers)


def deploy() -> Any:
    """One branch: a face (1, 3, 55, 47), blue, green and red from 0 to 1, becomes deepid (1, 160)."""
    n = NetSpec()
    n.face = L.Input(shape={"dim": [1, 3, *SIZE]})
    features(n, n.face)
    message = n.to_proto()
    message.name = NAME
    return message


if __name__ == "__main__":
    save(__file__, {"train_test.prototxt": train_test(), "deploy.prototxt": deploy()})
