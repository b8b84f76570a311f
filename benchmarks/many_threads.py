"""How a net would use many threads: predicted from its launches, beside what 1 and 2 threads really take.

usage: python benchmarks/many_threads.py --net alexnet [--batch 10] [--train] [--threads 1 2 4 ... 64] [--json OUT]

For each number of threads the net runs once cut up as it would be for them, but all chunks one after the other, and
every launch is timed. n items in chunks of g take ceil(chunks / threads) rounds of g items each; what lies outside of
launches is serial; a launch costs what an empty one was measured to cost on two threads, times log2(threads). The
prediction knows nothing of memory bandwidth, shared caches or clock rates: it is the limit that the cutting sets, not a
promise.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from compare import MODELS, about_machine
from engines.caffelike_ import with_loss
from job import make_weights

import caffelike
from caffelike.kernels import launch
from caffelike.schema import text


class Recorder:
    """Within the block launches run their chunks one after the other, for `threads` that are not there."""

    def __init__(self, threads: int):
        self.threads = threads
        self.launches: list[tuple[str, int, int, float]] = []  # (task, items, grain, seconds)

    def __enter__(self) -> "Recorder":
        self._before = launch.Task.__call__, launch._threads, launch.state
        launch.state = object  # never the same: every launch comes by here
        launches, run_of = self.launches, launch.Task

        def one_by_one(task: Any, n: int, grain: int, *args: Any) -> None:
            task.prepare(n, grain, args)
            start = time.perf_counter()
            task.run(1, 0, n, grain, 0, *args)
            launches.append((task.work.__module__.rpartition(".")[2], n, grain, time.perf_counter() - start))

        run_of.__call__ = one_by_one  # type: ignore[method-assign]
        launch._threads = self.threads
        return self

    def __exit__(self, *_: Any) -> None:
        launch.Task.__call__, launch._threads, launch.state = self._before  # type: ignore[method-assign]


@launch.task
def _empty(worker, lo, hi, array):
    pass


def launch_cost() -> float:
    """Seconds an empty launch takes on two threads."""
    launch.set_num_threads(2)
    array, best = np.zeros(1, np.float32), 1.0
    for _ in range(2000):
        start = time.perf_counter()
        _empty(2, 1, array)
        best = min(best, time.perf_counter() - start)
    return best


def predicted(run: Any, threads: int, cost: float, repeats: int) -> tuple[float, dict[str, float]]:
    """Milliseconds on so many threads, and how many of them each kernel file takes ("serial": outside of launches)."""
    passes = []
    for _ in range(repeats + 1):
        with Recorder(threads) as recorder:
            start = time.perf_counter()
            run()
            whole = time.perf_counter() - start
        parts: dict[str, float] = defaultdict(float)
        parts["serial"] = whole - sum(seconds for *_, seconds in recorder.launches)
        for name, n, grain, seconds in recorder.launches:
            rounds = math.ceil(math.ceil(n / grain) / threads)
            parts[name] += seconds * min(1.0, rounds * grain / max(1, n))
            if threads > 1 and n > grain:
                parts["launching"] += cost * math.log2(threads)
        passes.append({name: seconds * 1000 for name, seconds in parts.items()})
    best = min(passes[1:], key=lambda one: sum(one.values()))
    return sum(best.values()), best


def measured(run: Any, threads: int, repeats: int) -> float:
    """Median milliseconds on threads that are there."""
    launch.set_num_threads(threads)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000)
    return float(np.median(times[1:]))


def pass_of(name: str, batch: int, train: bool) -> Any:
    """A function that runs one pass of a net in models/."""
    message = text.read_net(MODELS / name / "deploy.prototxt").message
    for layer in message.layer:
        if layer.type == "Input":
            layer.input_param.shape[0].dim[0] = batch
    if train:
        with_loss(message, batch)
    net = caffelike.Net.build(message, caffelike.TRAIN if train else caffelike.TEST)
    make_weights(net)
    data = net.blobs["data"]
    data.data[...] = np.random.default_rng(0).standard_normal(data.shape)
    return net.forward_backward if train else net.run_forward


def main() -> None:
    """Parse the flags, run, print, write JSON."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--net", nargs="+", default=["alexnet"], help="names in models/")
    flags.add_argument("--batch", type=int, default=10)
    flags.add_argument("--train", action="store_true", help="forward and backward")
    flags.add_argument("--threads", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32, 64])
    flags.add_argument("--repeats", type=int, default=3)
    flags.add_argument("--json", type=Path)
    given = flags.parse_args()
    cost = launch_cost()
    print(f"An empty launch on 2 threads takes {cost * 1e6:.1f} us.")
    results = []
    for name in given.net:
        run = pass_of(name, given.batch, given.train)
        print(f"\n{name} {'forward and backward' if given.train else 'forward'}, batch {given.batch}")
        print("| threads | predicted ms | efficiency | measured ms | most of the time |")
        print("|---|---|---|---|---|")
        one = 0.0
        for threads in given.threads:
            ms, parts = predicted(run, threads, cost, given.repeats)
            one = one or ms * threads
            real = measured(run, threads, given.repeats) if threads <= launch._most() else None
            largest = sorted(parts, key=lambda part: -parts[part])[:3]
            shares = ", ".join(f"{part} {parts[part] / ms:.0%}" for part in largest)
            shown = f"{real:.1f}" if real else ""
            print(f"| {threads} | {ms:.2f} | {one / (ms * threads):.0%} | {shown} | {shares} |")
            results.append({"net": name, "batch": given.batch, "train": given.train, "threads": threads,
                            "predicted_ms": ms, "measured_ms": real, "parts_ms": parts})  # fmt: skip
    if given.json:
        given.json.write_text(
            json.dumps({**about_machine(), "launch_us": cost * 1e6, "results": results}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
