"""How near products come to the processor's peak: SGEMM, and all convolutions of a net, on 1 thread and on all.

    python benchmarks/products.py [--size 2048] [--net alexnet] [--batch 10] [--threads 1 2] [--json OUT]

Each row is the rate of the whole, operations over seconds (2 for each multiply-accumulate), beside the peak: what the
register tile reaches on data in the first-level cache, times the threads, in the same run. The convolutions are those
of a forward pass of the net, layer by layer, once as direct products only and once with Winograd where that is chosen;
the ReLU behind them is not part of it. Above 100 %: Winograd takes fewer operations than are counted.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from job import make_weights
from layers import measure, peak

import caffelike
from caffelike.kernels.cpu.choice import set_direct
from caffelike.kernels.cpu.gemm import gemm
from caffelike.kernels.launch import aligned, get_num_threads, set_num_threads
from caffelike.schema import text

MODELS = Path(__file__).parent.parent / "models"


def sgemm(size: int, repeats: int) -> float:
    """GFLOP/s of c = a @ b, all size x size: the median of the repeats."""
    a, b, c = (aligned(size * size).reshape(size, size) for _ in range(3))
    a[...], b[...] = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        gemm(a, b, c, False, False, 0)
        seconds.append(time.perf_counter() - start)
    return 2e-9 * size**3 / float(np.median(seconds[1:]))


def convolutions(net: Any, direct: bool, repeats: int) -> float:
    """GFLOP/s of all Convolution layers of a forward pass together."""
    set_direct(direct)
    try:
        net.reshape()
        rows = [row for row in measure(net, False, repeats) if row["type"] == "Convolution"]
    finally:
        set_direct(False)
    return 1000 * sum(row["gflop"] for row in rows) / float(sum(row["forward_ms"] for row in rows))


def build(name: str, batch: int) -> Any:
    """A TEST net of models/ with made weights and input."""
    message = text.read_net(MODELS / name / "deploy.prototxt").message
    for layer in message.layer:
        if layer.type == "Input":
            layer.input_param.shape[0].dim[0] = batch
    net = caffelike.Net.build(message, caffelike.TEST)
    make_weights(net)
    for input_name in net.inputs:
        blob = net.blobs[input_name]
        blob.data[...] = np.random.default_rng(0).standard_normal(blob.shape)
    return net


def main() -> None:
    """Parse the flags, measure, print the table."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--size", type=int, default=2048, help="of the matrices")
    flags.add_argument("--net", nargs="+", default=["alexnet"], help="names in models/")
    flags.add_argument("--batch", type=int, default=10)
    flags.add_argument("--threads", type=int, nargs="+", default=[1, get_num_threads()])
    flags.add_argument("--repeats", type=int, default=9)
    flags.add_argument("--json", type=Path)
    given = flags.parse_args()
    works: dict[str, Any] = {f"SGEMM {given.size}^3": lambda: sgemm(given.size, given.repeats)}
    for name in given.net:
        net = build(name, given.batch)
        for direct, how in ((True, "direct"), (False, "with Winograd")):
            title = f"convolutions of {name}, batch {given.batch}, {how}"
            works[title] = lambda net=net, direct=direct: convolutions(net, direct, given.repeats)
    results: dict[str, dict[int, tuple[float, float]]] = {title: {} for title in works}
    for title, work in works.items():
        for threads in dict.fromkeys(given.threads):
            set_num_threads(threads)
            before = peak()
            rate = work()
            results[title][threads] = rate, threads * (before + peak()) / 2
    print("| work | threads | GFLOP/s | of the peak | beside the first |\n|---|---|---|---|---|")
    for title, by_threads in results.items():
        first = next(iter(by_threads.values()))[0]
        for threads, (rate, limit) in by_threads.items():
            print(f"| {title} | {threads} | {rate:.0f} | {rate / limit:.0%} | {rate / first:.2f}x |")
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
