"""Where the time of a net goes: algorithm, milliseconds, GFLOP/s and share of the processor's peak, layer by layer.

usage: python benchmarks/layers.py models/alexnet/deploy.prototxt [--batch N] [--threads N] [--train] [--kinds]
           [--json OUT]

The passes are whole ones over memory that blobs share, as `caffelike time` and `train` run them: a layer that is done
inside of another's kernel shows 0 ms. The peak is what the register tile reaches on data in the first-level cache,
times the threads, in the same run. Only products with weight matrices count as operations, 2 for each
multiply-accumulate of a plain product; backward has twice as many. "done" is the share of the peak that the products
really done make up, fewer than those with Winograd. GB/s: bottoms, tops and weights, each once, over forward's time.
--kinds: one line for each algorithm and type instead.
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
from caffelike import device
from caffelike.binding import bind
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
    """Median milliseconds of each layer in whole passes, and what it does."""
    count, marks = len(net.layers), []
    net.share_memory()
    net.on_layer_done(lambda _: marks.append(time.perf_counter()), forward=True)
    net.on_layer_done(lambda _: marks.append(time.perf_counter()))
    taken = []
    for _ in range(repeats + 2):
        marks[:] = [time.perf_counter()]
        net.run_forward()
        if backward:
            net.run_backward(beta=0)
        taken.append(np.diff(marks) * 1000)
    ms = np.median(taken[2:], axis=0)
    rows = []
    for i, layer in enumerate(net.layers):
        bottom, top = ([net.blobs[n] for n in names[layer.name]] for names in (net.bottom_names, net.top_names))
        macs = layer.macs([b.shape for b in bottom], [t.shape for t in top])
        blobs = {id(b): b for b in (*bottom, *top, *layer.blobs)}.values()
        back = float(ms[2 * count - 1 - i]) if backward else 0.0
        algorithm, done = how(layer, bottom, top, macs)
        rows.append({
            "layer": layer.name, "type": layer.type, "algorithm": algorithm, "gflop": 2e-9 * macs,
            "done_gflop": 2e-9 * done, "gigabytes": 4e-9 * sum(b.count for b in blobs), "forward_ms": float(ms[i]),
            "backward_ms": back,
        })  # fmt: skip
    return rows


def how(layer: Any, bottom: list, top: list, macs: int) -> tuple[str, int]:
    """The algorithm of a layer's forward kernel, and the multiply-accumulates that it has."""
    function = device.kernel(layer.stem(), "algorithm")
    if function is None:
        return "", macs
    arrays = {"x": bottom[0].data, "y": top[0].data, "weight": layer.blobs[0].data}
    name, done = function(*bind(function, layer, arrays))
    return name, done * len(top)


def by_kind(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each type and algorithm: the sums."""
    sums: dict[str, dict[str, Any]] = {}
    for row in rows:
        kind = f"{row['type']} {row['algorithm']}".strip()
        total = sums.setdefault(kind, {"layer": kind, "algorithm": 0})
        total["algorithm"] += 1
        for name, value in row.items():
            if isinstance(value, float | int):
                total[name] = total.get(name, 0) + value
    found = sorted(sums.values(), key=lambda row: -row["forward_ms"] - row["backward_ms"])
    return [row | {"algorithm": f"x{row['algorithm']}"} for row in found]


def show(rows: list[dict[str, Any]], limit: float, backward: bool) -> None:
    """The table; shares are of `limit` GFLOP/s."""
    total = sum(row["forward_ms"] + row["backward_ms"] for row in rows)
    rate = f"{'GFLOP/s':>9}{'peak':>6}{'done':>6}"
    print(f"{'layer':<29}{'algorithm':<16}{'forward ms':>11}{rate}{'GB/s':>7}", end="")
    print((f"{'backward ms':>13}{rate}" if backward else "") + f"{'time':>7}")
    for row in rows:
        line = f"{row['layer'][:28]:<29}{row['algorithm']:<16}" + _rate(row, "forward_ms", 1, limit, 11)
        line += f"{row['gigabytes'] / row['forward_ms'] * 1000:>7.0f}" if row["forward_ms"] > 0.01 else " " * 7
        if backward:
            line += _rate(row, "backward_ms", 2, limit, 13)
        print(line + f"{(row['forward_ms'] + row['backward_ms']) / total:>7.1%}")
    print(f"sum {total:.2f} ms; peak of {get_num_threads()} thread(s) {limit:.0f} GFLOP/s")


def _rate(row: dict[str, Any], name: str, times: int, limit: float, width: int) -> str:
    ms = row[name]
    if not row["gflop"] or ms < 0.001:
        return f"{ms:>{width}.3f}{'':>21}"
    rate, done = (times * row[key] / ms * 1000 for key in ("gflop", "done_gflop"))
    return f"{ms:>{width}.3f}{rate:>9.0f}{rate / limit:>6.0%}{done / limit:>6.0%}"


def main() -> None:
    """Parse the flags, build the net with made weights, measure, print."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("prototxt", type=Path, help="a deploy definition")
    flags.add_argument("--batch", type=int, help="images; default as in the file")
    flags.add_argument("--threads", type=int, default=get_num_threads())
    flags.add_argument("--train", action="store_true", help="forward and backward, with a loss behind the net")
    flags.add_argument("--kinds", action="store_true", help="one line for each algorithm and type")
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
    show(by_kind(rows) if given.kinds else rows, limit, given.train)
    if given.json:
        given.json.write_text(json.dumps({"peak_gflops": limit, "threads": given.threads, "layers": rows}, indent=1))


if __name__ == "__main__":
    main()
