"""What first weights do to a deep net: how much of a signal is left, and whether the net learns.

usage: python examples/initialisation.py [--iterations 300]

Needs scikit-learn (pip install 'caffelike[examples]') for its 1,797 digits, 360 of which are held out.

Ten fully connected layers of 100 units with ReLU are filled in four ways; n is the number of a unit's inputs:

    std 0.01             normal, as Caffe's first models have it
    +-sqrt(2/n)          uniform in these bounds: the rule of the first lecture
    xavier               uniform in +-sqrt(3/n)
    msra                 normal with std sqrt(2/n)

A ReLU leaves half of the mean square of what comes, and a layer multiplies that by n times the variance of its
weights. The variance of a uniform variable in +-a is a*a/3: so +-sqrt(2/n) keeps 2/3 before the ReLU and 1/3 after it,
xavier 1/2, and only msra 1: what has a bound must have +-sqrt(6/n) for that.

Prints the mean square of layers 1, 4, 7 and 10 as shares of the input's, measured and by this rule, and the loss and
the accuracy on digits held out after training each of them alike.

Source: K. He et al., "Delving Deep into Rectifiers", ICCV 2015; X. Glorot and Y. Bengio, AISTATS 2010.
"""

import argparse
from math import sqrt
from typing import Any

import numpy as np

from caffelike import NetSpec, demo
from caffelike import layers as L
from caffelike.schema import NetParameter, SolverParameter
from caffelike.solvers import get_solver

DEPTH, WIDTH, BATCH = 10, 100, 100
SHOWN = (1, 4, 7, 10)


def lecture(n: int) -> dict[str, Any]:
    """The filler of weights uniform in +-sqrt(2/n): its bounds are numbers, so each layer is told its own."""
    return {"type": "uniform", "min": -sqrt(2 / n), "max": sqrt(2 / n)}


# name -> the filler of a layer with n inputs a unit, and what share of the mean square such a layer with ReLU leaves
FILLERS = {
    "std 0.01": (lambda n: {"type": "gaussian", "std": 0.01}, lambda n: n * 0.01**2 / 2),
    "±sqrt(2/n)": (lecture, lambda n: 1 / 3),
    "xavier": (lambda n: {"type": "xavier"}, lambda n: 1 / 2),
    "msra": (lambda n: {"type": "msra"}, lambda n: 1.0),
}


def network(name: str, inputs: int) -> NetParameter:
    """DEPTH layers of WIDTH units with ReLU and ten scores, filled as FILLERS[name] says; blobs ip1, ..., scores."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [BATCH, inputs]})
    n.label = L.Input(shape={"dim": [BATCH]})
    top, fan = n.data, inputs
    for i in range(1, DEPTH + 1):
        top = n[f"ip{i}"] = L.InnerProduct(top, num_output=WIDTH, weight_filler=FILLERS[name][0](fan))
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
        fan = WIDTH
    n.scores = L.InnerProduct(top, num_output=10, weight_filler=FILLERS[name][0](fan))
    n.loss = L.SoftmaxWithLoss(n.scores, n.label)
    return n.to_proto()


def expected(name: str, inputs: int, layer: int) -> float:
    """The mean square of the `layer`th ReLU's output as a share of the input's, by the rule."""
    kept = FILLERS[name][1]
    return kept(inputs) * kept(WIDTH) ** (layer - 1)


def shares(net: Any, data: np.ndarray) -> list[float]:
    """The same, measured: for each layer."""
    found = net.forward_all(blobs=[f"ip{i}" for i in range(1, DEPTH + 1)], data=data, label=np.zeros(len(data)))
    return [float(np.square(found[f"ip{i}"]).mean() / np.square(data).mean()) for i in range(1, DEPTH + 1)]


def main() -> None:
    """Measure, train, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=300)
    args = parser.parse_args()
    train, test = demo.load_digits()
    (x, y), (test_x, test_y) = (((d.images[:, ::4, ::4].reshape(len(d.labels), -1) / 255).astype(np.float32), d.labels)
                                for d in (train, test))  # fmt: skip
    print("| weights | " + " | ".join(f"layer {i}, by the rule" for i in SHOWN) + " | loss | accuracy |")
    print("|---|" + "---|" * (len(SHOWN) + 2))
    for name in FILLERS:
        param = SolverParameter(net_param=network(name, x.shape[1]), base_lr=0.02, momentum=0.9, lr_policy="fixed",
                                random_seed=0)  # fmt: skip
        solver = get_solver(param)
        net = solver.net
        measured = shares(net, x)
        rng, losses = np.random.default_rng(0), []
        for _ in range(args.iterations):
            rows = rng.choice(len(y), BATCH, replace=False)
            net.blobs["data"].data[...], net.blobs["label"].data[...] = x[rows], y[rows]
            solver.step(1)
            losses.append(float(net.blobs["loss"].data))
        scores = net.forward_all(blobs=["scores"], data=test_x, label=test_y)["scores"]
        cells = [f"{measured[i - 1]:.1e}, {expected(name, x.shape[1], i):.1e}" for i in SHOWN]
        cells += [f"{np.mean(losses[-20:]):.3f}", f"{(scores.argmax(axis=1) == test_y).mean():.3f}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
