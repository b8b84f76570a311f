"""What the CIFAR-10 models share: their definitions, written by each one's define.py.

The nets are those of Caffe's CIFAR-10 examples, which follow Krizhevsky's cuda-convnet.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import TEST, TRAIN, NetParameter, text

Body = Callable[[NetSpec, Any], Any]  # (net, data) -> scores


def convolution(bottom: Any, channels: int, std: float, bias: bool = True) -> Any:
    """5x5, with what pads it; the bias learns twice as fast."""
    options = {} if bias else {"bias_term": False}
    filler = {
        "weight_filler": {"type": "gaussian", "std": std},
        **({"bias_filler": {"type": "constant"}} if bias else {}),
    }
    rates = [{"lr_mult": 1}, {"lr_mult": 2}] if bias else [{"lr_mult": 1}]
    return L.Convolution(bottom, num_output=channels, kernel_size=5, pad=2, stride=1, param=rates, **filler, **options)


def pooling(bottom: Any, method: str) -> Any:
    """3x3, stride 2."""
    return L.Pooling(bottom, pool=getattr(P.Pooling, method), kernel_size=3, stride=2)


def main(script: str, bodies: dict[str, tuple[str, Body]]) -> None:
    """Write, or with --check compare, the definitions beside `script`: bodies: {file: (the net's name, its body)}.

    "train_test.prototxt" is trained and tested; any other file of that kind is a variant. "deploy.prototxt" is made of
    the body of "train_test.prototxt".
    """
    folder, stale = Path(script).resolve().parent, []
    files = {file: trained(name, body) for file, (name, body) in bodies.items()}
    files["deploy.prototxt"] = deployed(*bodies["train_test.prototxt"])
    for file, message in files.items():
        wanted = f"# Written by {Path(script).name}; see README.md beside this file.\n" + text.format(message)
        path = folder / file
        if "--check" in sys.argv:
            stale += [] if path.exists() and path.read_text() == wanted else [file]
        else:
            path.write_text(wanted)
    if stale:
        sys.exit(f"{', '.join(stale)} not what {script} gives; run it without --check")


def trained(name: str, body: Body, train_batch: int = 100, mirror: bool = False) -> Any:
    """The net for CIFAR-10's LMDBs in both phases: loss and accuracy. mirror: pictures to train on, at random."""
    n = NetSpec()
    n.data, n.label = _data("cifar10_train_lmdb", TRAIN, train_batch, {"mirror": True} if mirror else {})
    scores = body(n, n.data)
    n.accuracy = L.Accuracy(scores, n.label, include={"phase": TEST})
    n.loss = L.SoftmaxWithLoss(scores, n.label)
    t = NetSpec()
    t.data, t.label = _data("cifar10_test_lmdb", TEST, 100, {})
    first, *rest = n.to_proto().layer
    return NetParameter(name=name, layer=[first, *t.to_proto().layer, *rest])


def deployed(name: str, body: Body) -> Any:
    """The net for prediction: data (1, 3, 32, 32) -> prob."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 32, 32]})
    n.prob = L.Softmax(body(n, n.data))
    message = n.to_proto()
    message.name = name
    return message


def _data(source: str, phase: int, batch: int, transform: dict[str, Any]) -> tuple[Any, Any]:
    return L.Data(
        ntop=2,
        source=source,
        backend=P.Data.LMDB,
        batch_size=batch,
        include={"phase": phase},
        transform_param={"mean_file": "mean.binaryproto", **transform},
    )
