"""How many layers can be carried over? Yosinski's experiment, small, with its curve: some minutes on two cores.

usage: python examples/transfer/yosinski.py CIFAR [--folder FOLDER] [--base 2000] [--iterations 400] [--each 100]
       [--seeds 2] [--picture curve.png]

CIFAR: the folder with CIFAR-10's binary version (data_batch_1.bin, ..., test_batch.bin; gzipped or not). The picture
needs matplotlib (pip install 'caffelike[examples]').

A net A learns five classes of CIFAR-10, a net B the other five, of which there are fewer pictures. Then, for n from 1
to 4, nets for B's classes take their first n layers from A or B; those above begin anew. The layers taken either
stay as they are, or learn on ("+"):

    BnB   from B, frozen: it falls where neighbouring layers had come to depend on each other
    BnB+  from B, learning: nothing should be lost
    AnB   from A, frozen: it falls, beside that, where A's features are made for A's classes
    AnB+  from A, learning: what A has seen may stay of use though all layers learn B

Prints the accuracy on test pictures of B's classes for each, and writes the curve.

Source: J. Yosinski, J. Clune, Y. Bengio, H. Lipson, "How transferable are features in deep neural networks?", NIPS
2014, figure 2; there with ImageNet and eight layers.
"""

import argparse
from pathlib import Path

import carry
import numpy as np
from carry import BASE, LAYERS, TARGET, Pictures

from caffelike import Net

KINDS = ("BnB", "BnB+", "AnB", "AnB+")


def treated(kind: str, n: int, weights: dict[str, Path], few: Pictures, iterations: int, seed: int) -> Net:
    """The net for B's classes with its first n layers taken as `kind` (of KINDS) says; weights: of nets A and B."""
    rates = {} if kind.endswith("+") else dict.fromkeys(LAYERS[:n], 0.0)
    return carry.train(carry.network(rates, fresh=LAYERS[n:]), few, iterations, seed, weights[kind[0]])


def measure(
    weights: Path, few: Pictures, test: Pictures, folder: Path, iterations: int, seed: int
) -> tuple[float, dict[str, list[float]]]:
    """The accuracy of net B itself, and for each kind those for n = 1 to 4."""
    net = carry.train(carry.network(), few, iterations, seed)
    net.save(folder / "b.caffemodel")
    both = {"A": weights, "B": folder / "b.caffemodel"}
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for n in range(1, len(LAYERS)):
        for kind in KINDS:
            found[kind].append(carry.accuracy(treated(kind, n, both, few, iterations, seed + 1), test))
        print(f"choice {seed}, {n} layers:", *(f"{k} {v[-1]:.3f}" for k, v in found.items()), flush=True)
    return carry.accuracy(net, test), found


def draw(path: Path, of_b: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """The curve: accuracy over n, means with the single choices behind them, and B's own as a line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="layers taken", ylabel="accuracy on B's classes")
    axes.axhline(of_b.mean(), color="tab:gray", linestyle=":", label="B")
    colors = {"B": "tab:blue", "A": "tab:red"}
    for kind, values in found.items():
        learning = kind.endswith("+")
        x = np.arange(1, values.shape[1] + 1)
        style = {"color": colors[kind[0]], "marker": "o" if learning else "s"}
        axes.plot(x, values.mean(axis=0), linestyle="-" if learning else "--", label=kind, **style)
        for row in values:
            axes.plot(x, row, linestyle="", alpha=0.3, markersize=4, **style)
    axes.set_xticks(x, [f"{n}\n{name}" for n, name in enumerate(LAYERS[:-1], 1)])
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=100)


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train A, then B and its variants for each choice of pictures; print the table, draw."""
    weights = carry.base(folder, carry.read(args.cifar, "data_batch_*", BASE), args.base)
    pool = carry.read(args.cifar, "data_batch_*", TARGET)
    test = carry.read(args.cifar, "test_batch*", TARGET)
    results = [
        measure(weights, pool.some(args.each, seed), test, folder, args.iterations, seed) for seed in range(args.seeds)
    ]
    of_b = np.array([own for own, _ in results])
    found = {kind: np.array([kinds[kind] for _, kinds in results]) for kind in KINDS}
    print("\n| layers taken | " + " | ".join(KINDS) + " |\n|---|" + "---|" * len(KINDS))
    for n, name in enumerate(LAYERS[:-1]):
        print(f"| {n + 1} (to {name}) | " + " | ".join(f"{found[kind][:, n].mean():.3f}" for kind in KINDS) + " |")
    print(f"\nB itself {of_b.mean():.3f}; {args.each} pictures a class, {len(test.labels)} test pictures, "
          f"means of {args.seeds} choices")  # fmt: skip
    if args.picture:
        draw(args.picture, of_b, found)


if __name__ == "__main__":
    carry.command(
        __doc__,
        main,
        ("--iterations", {"type": int, "default": 400, "help": "of each training but A's (%(default)s)"}),
        ("--each", {"type": int, "default": 100, "help": "pictures of each of B's classes (%(default)s)"}),
        ("--seeds", {"type": int, "default": 2, "help": "choices of these pictures (%(default)s)"}),
        ("--picture", {"type": Path, "help": "where the curve is written"}),
    )
