"""Where the time of a net goes: milliseconds, GFLOP/s and share of the processor's peak, layer by layer.

usage: python benchmarks/layers.py models/alexnet/deploy.prototxt [--batch N] [--threads N] [--train] [--json OUT]

The peak is what the register tile reaches on data in the first-level cache, times the threads, in the same run.
Only products with weight matrices count as operations, 2 for each multiply-accumulate; backward has twice as many.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from engines.caffelike_ import with_loss
from job import make_weights

import caffelike
from caffelike.kernels.cpu.tile import COLUMNS, DEPTH, ROWS, multiply
from caffelike.kernels.jit import kernel
from caffelike.kernels.launch import aligned, get_num_threads, set_num_threads
from caffelike.schema import text


@kernel
def _tiles(a, b, c, bias, times):
    for _ in range(times):
        multiply(a, 0, b, 0, c, 0, bias, 0, ROWS, COLUMNS, DEPTH, COLUMNS, 0)


def peak() -> float:
    """GFLOP/s of one thread on cached data: the best of some tries."""
    arrays = [aligned(size) for size in (ROWS * DEPTH + 4096, DEPTH * COLUMNS, ROWS * COLUMNS, ROWS)]
    for array in arrays:
        array[:] = 0
    times, best = 2000, 0.0
    for _ in range(10):
        start = time.perf_counter()
        _tiles(*arrays, times)
        best = max(best, 2e-9 * ROWS * COLUMNS * DEPTH * times / (time.perf_counter() - start))
    return best


def measure(net: Any, backward: bool, repeats: int) -> list[dict[str, Any]]:
    """Median milliseconds of each layer, over whole passes so that caches are as in real runs."""
    count = len(net.layers)
    forward_ms, backward_ms = np.zeros((2, repeats + 2, count))
    for r in range(repeats + 2):
        for i in range(count):
            start = time.perf_counter()
            net.run_forward(i, i)
            forward_ms[r, i] = (time.perf_counter() - start) * 1000
        for i in reversed(range(count if backward else 0)):
            start = time.perf_counter()
            net.run_backward(i, i)
            backward_ms[r, i] = (time.perf_counter() - start) * 1000
    rows = []
    for i, layer in enumerate(net.layers):
        bottom = [net.blobs[name].shape for name in net.bottom_names[layer.name]]
        top = [net.blobs[name].shape for name in net.top_names[layer.name]]
        gflop = 2e-9 * layer.macs(bottom, top)
        ms = {"forward_ms": np.median(forward_ms[2:, i]), "backward_ms": np.median(backward_ms[2:, i])}
        rows.append({"layer": layer.name, "type": layer.type, "gflop": gflop, **ms})
    return rows


def show(rows: list[dict[str, Any]], limit: float, backward: bool) -> None:
    """The table; shares are of `limit` GFLOP/s."""
    total = sum(row["forward_ms"] + row["backward_ms"] for row in rows)
    head = f"{'layer':<24}{'type':<18}{'forward ms':>11}{'GFLOP/s':>9}{'peak':>6}"
    print(head + (f"{'backward ms':>13}{'GFLOP/s':>9}{'peak':>6}" if backward else "") + f"{'time':>7}")
    for row in rows:
        line = f"{row['layer'][:23]:<24}{row['type']:<18}" + _rate(row["forward_ms"], row["gflop"], limit, 11)
        if backward:
            line += _rate(row["backward_ms"], 2 * row["gflop"], limit, 13)
        print(line + f"{(row['forward_ms'] + row['backward_ms']) / total:>7.1%}")
    print(f"sum {total:.2f} ms; peak of {get_num_threads()} thread(s) {limit:.0f} GFLOP/s")


def _rate(ms: float, gflop: float, limit: float, width: int) -> str:
    if not gflop or not ms:
        return f"{ms:>{width}.3f}{'':>15}"
    rate = gflop / ms * 1000
    return f"{ms:>{width}.3f}{rate:>9.0f}{rate / limit:>6.0%}"


def main() -> None:
    """Parse the flags, build the net with made weights, measure, print."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("prototxt", type=Path, help="a deploy definition")
    flags.add_argument("--batch", type=int, help="images; default as in the file")
    flags.add_argument("--threads", type=int, default=get_num_threads())
    flags.add_argument("--train", action="store_true", help="forward and backward, with a loss behind the net")
    flags.add_argument("--repeats", type=int, default=10)
    flags.add_argument("--json", type=Path)
    given = flags.parse_args()
    set_num_threads(given.threads)
    message = text.read_net(given.prototxt).message
    for layer in message.layer:
        if layer.type == "Input" and given.batch:
            layer.input_param.shape[0].dim[0] = given.batch
    if given.train:
        with_loss(message, next(la.input_param.shape[0].dim[0] for la in message.layer if la.type == "Input"))
    net = caffelike.Net.build(message, caffelike.TRAIN if given.train else caffelike.TEST)
    make_weights(net)
    for name in net.inputs:
        if name != "label":
            net.blobs[name].data[...] = np.random.default_rng(0).standard_normal(net.blobs[name].shape)
    rows = measure(net, given.train, given.repeats)
    limit = peak() * given.threads
    show(rows, limit, given.train)
    if given.json:
        given.json.write_text(json.dumps({"peak_gflops": limit, "threads": given.threads, "layers": rows}, indent=1))


if __name__ == "__main__":
    main()
