"""Several nets in several Python threads: how many images a second, beside the same nets one after the other.

    python benchmarks/threads.py [MODEL] [--threads N] [--seconds S] [--size PIXELS]

Each thread has a net of its own; they share one set of weights, and each kernel runs on one thread. If Python's lock
were held while kernels run, the two numbers would be equal.
"""

import argparse
import threading
import time

import numpy as np

import caffelike
from caffelike import hub


def nets(model: str, count: int, size: int) -> list[caffelike.Net]:
    """`count` nets for one image each, that share random weights."""
    made = [caffelike.Net(hub.find(model) / "deploy.prototxt", caffelike.TEST) for _ in range(count)]
    generator = np.random.default_rng(0)
    for blobs in made[0].params.values():
        for blob in blobs:
            blob.data[...] = generator.standard_normal(blob.shape) * 0.01
    for net in made:
        net.share_with(made[0])
        shape = net.blobs[net.inputs[0]].shape
        net.blobs[net.inputs[0]].reshape(1, shape[1], *((size, size) if size else shape[2:]))
        net.forward()
    return made


def passes(net: caffelike.Net, until: float) -> int:
    """How many forward passes end before the time `until`."""
    done = 0
    while time.perf_counter() < until:
        net.forward()
        done += 1
    return done


def alone(made: list[caffelike.Net], seconds: float) -> float:
    """Passes a second of the nets one after the other."""
    started = time.perf_counter()
    part = seconds / len(made)
    done = sum(passes(net, started + (i + 1) * part) for i, net in enumerate(made))
    return done / (time.perf_counter() - started)


def together(made: list[caffelike.Net], seconds: float) -> float:
    """Passes a second of the nets side by side."""
    counts = [0] * len(made)

    def run(i: int) -> None:
        counts[i] = passes(made[i], started + seconds)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(made))]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def main(argv: list[str] | None = None) -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description="Nets in threads beside nets one after the other.")
    parser.add_argument("model", nargs="?", default="squeezenet")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--size", type=int, default=0, help="height and width of the input; the model's own by default")
    given = parser.parse_args(argv)
    caffelike.set_num_threads(1)
    made = nets(given.model, given.threads, given.size)
    one, many = alone(made, given.seconds), together(made, given.seconds)
    print(
        f"{given.model}: {one:.1f} passes/s one after the other, {many:.1f} in {given.threads} threads:"
        f" {many / one:.2f} times as many"
    )


if __name__ == "__main__":
    main()
