"""What the transfer examples share: CIFAR-10 in two halves, CIFAR-10 quick for either, and its training."""

import argparse
import gzip
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from learning import define

import caffelike
from caffelike import NetSpec
from caffelike import layers as L
from caffelike.schema import NetParameter, SolverParameter
from caffelike.solvers import get_solver

BASE = (0, 1, 3, 4, 6)
"""The classes whose training is carried over: airplane, automobile, cat, deer, frog."""
TARGET = (2, 5, 7, 8, 9)
"""The classes it is carried over to: bird, dog, horse, ship, truck."""
LAYERS = ("conv1", "conv2", "conv3", "ip1", "ip2")
"""The layers with weights, from below; the last one gives the scores."""
BATCH = 50


class Pictures(NamedTuple):
    """images: (N, 3, 32, 32) float32, RGB, 0 to 255 less 120; labels: (N,), from 0, the place in BASE or TARGET."""

    images: np.ndarray
    labels: np.ndarray

    def some(self, each: int, seed: int) -> "Pictures":
        """`each` pictures of every class, chosen by `seed`."""
        order = np.random.default_rng(seed).permutation(len(self.labels))
        chosen = np.concatenate([order[self.labels[order] == k][:each] for k in np.unique(self.labels)])
        return Pictures(self.images[chosen], self.labels[chosen])


def read(folder: Path, pattern: str, classes: tuple[int, ...]) -> Pictures:
    """The pictures of `classes` in those of CIFAR-10's binary files, gzipped or not, whose names match `pattern`."""
    records = []
    for path in sorted(folder.glob(pattern)):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        records.append(np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32))  # label, then the pixels
    if not records:
        sys.exit(f"{folder}: no {pattern}, which CIFAR-10's binary version has")
    found = np.concatenate(records)
    found = found[np.isin(found[:, 0], classes)]
    images = found[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) - 120
    return Pictures(images, np.searchsorted(classes, found[:, 0]))


def network(rates: Mapping[str, float] | None = None, fresh: Collection[str] = (), classes: int = 5) -> NetParameter:
    """CIFAR-10 quick to be trained on pictures of `classes` classes.

    rates: of these layers, as multiples of what the published definition gives them (0: the layer stays as it is).
    fresh: layers that begin anew though weights are loaded. Weights find their layer by its name, so these get another
    one: "ip2_new".
    """
    n = NetSpec()
    n.data = L.Input(shape={"dim": [BATCH, 3, 32, 32]})
    n.label = L.Input(shape={"dim": [BATCH]})
    scores = define("cifar10_quick").body(n, n.data)
    n.loss = L.SoftmaxWithLoss(scores, n.label)
    message = n.to_proto()
    for layer in message.layer:
        for param in layer.param:
            param.lr_mult *= (rates or {}).get(layer.name, 1)
        if layer.name == LAYERS[-1]:
            layer.inner_product_param.num_output = classes
        if layer.name in fresh:
            layer.name += "_new"
    return message


def train(
    message: NetParameter, data: Pictures, iterations: int, seed: int = 0, weights: Path | None = None
) -> caffelike.Net:
    """The net trained on batches of `data` in random order, from `weights` where a layer's name is found there.

    The last fifth of the iterations has a tenth of the rate.
    """
    param = SolverParameter(net_param=message, base_lr=0.001, momentum=0.9, weight_decay=0.004, random_seed=seed)
    param.lr_policy, param.gamma, param.stepsize = "step", 0.1, max(1, iterations * 4 // 5)
    solver = get_solver(param)
    if weights:
        solver.net.copy_from(weights)
    rng = np.random.default_rng(seed)
    order = np.empty(0, int)
    for _ in range(iterations):
        while len(order) < BATCH:
            order = np.append(order, rng.permutation(len(data.labels)))
        batch, order = order[:BATCH], order[BATCH:]
        solver.net.blobs["data"].data[...] = data.images[batch]
        solver.net.blobs["label"].data[...] = data.labels[batch]
        solver.step(1)
    return solver.net


def outputs(net: caffelike.Net, data: Pictures, blob: str = LAYERS[-1]) -> np.ndarray:
    """What a blob holds for each picture, (N, its values): the scores, or features further down."""
    found = net.forward_all(blobs=[blob], data=data.images, label=data.labels.astype(np.float32))[blob]
    return found.reshape(len(found), -1)


def accuracy(net: caffelike.Net, data: Pictures) -> float:
    """The share of pictures whose best score is that of their class."""
    return float((outputs(net, data).argmax(axis=1) == data.labels).mean())


def base(folder: Path, data: Pictures, iterations: int) -> Path:
    """base.caffemodel in `folder`: trained on `data` unless it is there already."""
    path = folder / "base.caffemodel"
    if not path.exists():
        print(f"training the base: {len(data.labels)} pictures, {iterations} iterations", flush=True)
        train(network(), data, iterations).save(path)
    return path


def command(
    doc: str | None, main: Callable[[argparse.Namespace, Path], None], *more: tuple[str, dict[str, object]]
) -> None:
    """The command line: where CIFAR-10 lies, --folder (a temporary one if absent), --base, `more`; calls main."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cifar", type=Path, help="folder with CIFAR-10's binary version")
    parser.add_argument("--folder", type=Path, help="keeps the base net here, and takes it from here")
    parser.add_argument("--base", type=int, default=2000, help="iterations of the base net (%(default)s)")
    for name, options in more:
        parser.add_argument(name, **options)  # type: ignore[arg-type]
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        main(args, folder)
