"""What the define.py of a model shares: the files, and those of a classifier from one description of its body.

usage: python models/NAME/define.py            writes the definitions beside the script
       python models/NAME/define.py --check    exit 1 if they are not what the script gives
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter, text

Body = Callable[[NetSpec, Any, bool], Any]  # (net, data, whether to train) -> scores

LEARN = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]  # weight, bias


def main(script: str, name: str, body: Body, size: int, batches: tuple[int, int], losses: Any = None) -> None:
    """Write or check the two definitions beside `script`.

    size: of the square input; batches: of training and testing; losses: (net, scores) -> None where the plain
    softmax loss and accuracies are not it.
    """
    files = {
        "deploy.prototxt": deploy(name, body, size),
        "train_val.prototxt": train_val(name, body, size, batches, losses),
    }
    save(script, files)


def save(script: str, files: dict[str, Any]) -> None:
    """Write or check definitions beside `script`, given by the name of their file."""
    folder = Path(script).resolve().parent
    stale = []
    for file, message in files.items():
        wanted = f"# Written by {Path(script).name}; see README.md beside this file.\n" + text.format(message)
        path = folder / file
        if "--check" in sys.argv:
            stale += [] if path.exists() and path.read_text() == wanted else [file]
        else:
            path.write_text(wanted)
    if stale:
        sys.exit(f"{folder.name}: {', '.join(stale)} not what {script} gives; run it without --check")


def convolution(bottom: Any, channels: int, size: int, stride: int, **options: Any) -> Any:
    """Convolution of size x size as nets with BatchNorm have it; options: what is added or is otherwise.

    At a stride of 1 maps keep their size. No bias; weights drawn by their number of inputs (msra).
    """
    usual = {"pad": size // 2, "bias_term": False, "weight_filler": {"type": "msra"}}
    return L.Convolution(bottom, num_output=channels, kernel_size=size, stride=stride, **usual | options)


def joined(name: str, n: NetSpec, part: list[Any]) -> Any:
    """The net `n` with the layers of `part` in the place of the layer that has the same tops as the last of them."""
    layers = list(n.to_proto().layer)
    stand_in = next(layer for layer in layers if list(layer.top) == list(part[-1].top))
    sources = [layer for layer in layers if not layer.bottom and layer is not stand_in]
    return NetParameter(name=name, layer=[*sources, *part, *(layer for layer in layers if layer.bottom)])


def deploy(name: str, body: Body, size: int) -> Any:
    """The net for prediction: data (1, 3, size, size) -> prob."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, size, size]})
    n.prob = L.Softmax(body(n, n.data, False))
    message = n.to_proto()
    message.name = name
    return message


def train_val(name: str, body: Body, size: int, batches: tuple[int, int], losses: Any) -> Any:
    """The net for ImageNet's LMDBs in both phases: loss, accuracy and accuracy_top5."""
    n = NetSpec()
    n.data, n.label = _data("ilsvrc12_train_lmdb", size, batches[0], TRAIN)
    scores = body(n, n.data, True)
    if losses:
        losses(n, scores)
    else:
        n.loss = L.SoftmaxWithLoss(scores, n.label)
    for top, k in (("accuracy", 1), ("accuracy_top5", 5)):
        n[top] = L.Accuracy(scores, n.label, top_k=k, include={"phase": TEST})
    t = NetSpec()
    t.data, t.label = _data("ilsvrc12_val_lmdb", size, batches[1], TEST)
    first, *rest = n.to_proto().layer
    return NetParameter(name=name, layer=[first, *t.to_proto().layer, *rest])


def _data(source: str, size: int, batch: int, phase: int) -> tuple[Any, Any]:
    return L.Data(
        ntop=2,
        source=source,
        backend=P.Data.LMDB,
        batch_size=batch,
        include={"phase": phase},
        transform_param={"mirror": phase == TRAIN, "crop_size": size, "mean_value": [104, 117, 123]},
    )
