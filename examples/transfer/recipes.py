"""Three ways to use a trained net for other classes, and training from nothing: some minutes on two cores.

usage: python examples/transfer/recipes.py CIFAR [--folder FOLDER] [--base 2000] [--iterations 500] [--seeds 3]

CIFAR: the folder with CIFAR-10's binary version (data_batch_1.bin, ..., test_batch.bin; gzipped or not). Needs
scikit-learn (pip install 'caffelike[examples]').

A net learns five classes of CIFAR-10 well. Then few pictures of the other five are given, and it is

    features        run as it is; a linear classifier learns from what pool3 holds
    last layer      given a new last layer, which alone is trained
    fine-tuned      given a new last layer; conv3 and ip1 below it learn too, at a tenth of its rate
    from nothing    not used: the same net, all of it trained on the few pictures

Prints, for 20 and 100 pictures a class, the accuracy on the test pictures of these classes: the mean over several
choices of the pictures and their standard deviation.

Source of the recipes: A. S. Razavian et al., "CNN Features off-the-shelf", CVPR Workshops 2014 (features); J. Yosinski
et al., "How transferable are features in deep neural networks?", NIPS 2014 (new last layer, fine-tuning).
"""

import argparse
from pathlib import Path

import carry
import numpy as np
from carry import BASE, TARGET, Pictures

import caffelike

LAST = carry.LAYERS[-1]
FROZEN = {"conv1": 0.0, "conv2": 0.0, "conv3": 0.0, "ip1": 0.0}
TENTH = {"conv1": 0.0, "conv2": 0.0, "conv3": 0.1, "ip1": 0.1}


def features(weights: Path, few: Pictures, test: Pictures, blob: str = "pool3") -> float:
    """Recipe 1: the base's features, each with mean 0 and deviation 1, and ridge regression on the classes.

    How strongly it is regularised is chosen on the few pictures, each left out once.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    net = caffelike.Net.build(carry.network(fresh=[LAST]), caffelike.TEST, weights=weights)
    classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(0, 5, 11)))
    classifier.fit(carry.outputs(net, few, blob), few.labels)
    return float(classifier.score(carry.outputs(net, test, blob), test.labels))


def last_layer(weights: Path, few: Pictures, test: Pictures, iterations: int, seed: int) -> float:
    """Recipe 2: a new last layer, the others stay as they are; nothing is computed backward through them."""
    net = carry.train(carry.network(FROZEN, fresh=[LAST]), few, iterations, seed, weights)
    return carry.accuracy(net, test)


def fine_tuned(weights: Path, few: Pictures, test: Pictures, iterations: int, seed: int) -> float:
    """Recipe 3: a new last layer at the full rate, the upper layers below it at a tenth."""
    net = carry.train(carry.network(TENTH, fresh=[LAST]), few, iterations, seed, weights)
    return carry.accuracy(net, test)


def from_nothing(few: Pictures, test: Pictures, iterations: int, seed: int) -> float:
    """What is had without the base."""
    return carry.accuracy(carry.train(carry.network(), few, iterations, seed), test)


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train the base, use it, print the table."""
    weights = carry.base(folder, carry.read(args.cifar, "data_batch_*", BASE), args.base)
    pool = carry.read(args.cifar, "data_batch_*", TARGET)
    test = carry.read(args.cifar, "test_batch*", TARGET)
    sizes = (20, 100)
    table: dict[str, list[list[float]]] = {}
    for size in sizes:
        for seed in range(args.seeds):
            few = pool.some(size, seed)
            found = {
                "features + linear classifier": features(weights, few, test),
                "last layer": last_layer(weights, few, test, args.iterations, seed),
                "fine-tuned, upper layers at a tenth": fine_tuned(weights, few, test, args.iterations, seed),
                "from nothing": from_nothing(few, test, args.iterations, seed),
            }
            for name, value in found.items():
                table.setdefault(name, [[] for _ in sizes])[sizes.index(size)].append(value)
            print(f"{size} a class, choice {seed}:", *(f"{value:.3f}" for value in found.values()), flush=True)
    print("\n| recipe |" + "".join(f" {size} pictures a class |" for size in sizes))
    print("|---|" + "---|" * len(sizes))
    for name, columns in table.items():
        print(f"| {name} |" + "".join(f" {np.mean(v):.3f} ± {np.std(v):.3f} |" for v in columns))
    print(f"\n{len(test.labels)} test pictures, {args.seeds} choices, {args.iterations} iterations of {carry.BATCH}")


if __name__ == "__main__":
    carry.command(
        __doc__,
        main,
        ("--iterations", {"type": int, "default": 500, "help": "of each training (%(default)s)"}),
        ("--seeds", {"type": int, "default": 3, "help": "choices of the few pictures (%(default)s)"}),
    )
