"""What more ranks give: measured with 1 and 2 on this machine, simulated for up to 1,024 on a link.

usage: python benchmarks/scaling.py [--net NAME --batch N]... [--iterations N] [--json OUT]

Measured: one training step (forward, backward, all-reduce, update) of models/NAME with made data, one thread a rank:
1 rank, 2 ranks, and 1 rank beside another that trains by itself (two processes share this machine's memory bandwidth,
whether they talk or not). Efficiency: the time of 1 rank over that of 2, which do twice the work. Bytes: what a rank
gave to be summed, and what a ring of N ranks sends: 2 (N - 1) / N of it.

Simulated: the measured backward times of the layers, buckets as caffelike/parallel cuts them, and a ring all-reduce
on a link of so many Gb/s whose every message takes a latency. A bucket goes out when its layers are done and the link
is free. `hidden`: the share of the exchange that backward hides.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RANKS = (8, 16, 64, 256, 1024)
LINKS = {"10 Gb/s": (10e9 / 8, 20e-6), "100 Gb/s": (100e9 / 8, 5e-6)}  # bytes a second, seconds a message
DEFAULT = [("lenet", 64), ("alexnet", 32), ("googlenet", 16), ("resnet50", 8)]


def build(name: str, batch: int) -> Any:
    """A solver of models/NAME with made data: pixels of 0.5, labels 0."""
    from caffelike.schema import SolverParameter, text
    from caffelike.solvers import get_solver
    from caffelike.summary import replace_inputs

    net = text.read_net(ROOT / "models" / name / "train_val.prototxt").message
    kept = [
        layer for layer in net.layer if not any(rule.phase == 1 for rule in layer.include if rule.HasField("phase"))
    ]
    size = 28 if name == "lenet" else 227 if name in ("alexnet", "caffenet") else 224
    replace_inputs(kept, {"data": (batch, 1 if name == "lenet" else 3, size, size)})
    for layer in kept:
        if layer.type == "Input":
            shapes = list(layer.input_param.shape)
            layer.ClearField("input_param")
            layer.type = "DummyData"
            for shape, value in zip(shapes, (0.5, 0), strict=True):  # constants are made once, and cost no time
                layer.dummy_data_param.shape.add().CopyFrom(shape)
                layer.dummy_data_param.data_filler.add(type="constant", value=value)
    param = SolverParameter(base_lr=1e-4, lr_policy="fixed", momentum=0.9, type="SGD", max_iter=1 << 30, random_seed=1)
    param.net_param.name = net.name
    param.net_param.layer.extend(kept)
    return get_solver(param)


def worker(name: str, batch: int, iterations: int, layers: bool) -> None:
    """One rank: print the seconds of a step as JSON (rank 0)."""
    from caffelike.parallel import mpi

    with mpi.world() as world:
        solver = build(name, batch)
        if world.size > 1:
            world.join(solver)
        solver.step(2)
        times = []
        for _ in range(iterations):
            began = time.perf_counter()
            solver.step(1)
            times.append(time.perf_counter() - began)
        found: dict[str, Any] = {"step": float(np.median(times)), "bytes": solver.net.arena_diff.nbytes}
        if layers:
            found |= by_layer(solver, iterations)
        if world.rank == 0:
            print(json.dumps(found))


def by_layer(solver: Any, iterations: int) -> dict[str, Any]:
    """Seconds of forward with update, of each layer's backward, and the buckets."""
    from caffelike.parallel.buckets import cut

    net = solver.net
    marks: list[tuple[int, float]] = []
    net.on_layer_done(lambda i: marks.append((i, time.perf_counter())))
    backward = np.zeros((iterations, len(net.layers)))
    whole = []
    for k in range(iterations):
        net.run_forward()
        marks.clear()
        began = last = time.perf_counter()
        net.run_backward(beta=0)
        for i, now in marks:
            backward[k, i] = now - last
            last = now
        whole.append(last - began)
    net.on_layer_done(None)
    return {"backward": np.median(backward, axis=0).tolist(), "buckets": [list(bucket) for bucket in cut(net)]}


def simulate(measured: dict[str, Any], ranks: int, speed: float, latency: float) -> dict[str, float]:
    """A step's seconds on `ranks` ranks, its efficiency, and the share of the exchange that backward hides."""
    backward, done, link, busy = measured["backward"], 0.0, 0.0, 0.0
    buckets = list(measured["buckets"])
    for i in range(len(backward) - 1, -1, -1):
        done += backward[i]
        while buckets and buckets[0][0] >= i:
            _, start, end = buckets.pop(0)
            cost = 2 * (ranks - 1) / ranks * 4 * (end - start) / speed + 2 * (ranks - 1) * latency
            link = max(link, done) + cost
            busy += cost
    late = max(0.0, link - done)
    step = measured["step"] + late
    return {"step": step, "efficiency": measured["step"] / step, "hidden": 1 - late / busy if busy else 1.0}


def run(name: str, batch: int, iterations: int, ranks: int, layers: bool = False) -> subprocess.Popen:
    """Start `ranks` ranks of one thread each."""
    from caffelike.parallel.launch import _flags, _mpiexec

    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOG_minloglevel": "3"}
    words = [sys.executable, __file__, "--worker", name, str(batch), str(iterations), str(int(layers))]
    start = [*_mpiexec(), "-n", str(ranks), *_flags(environment)] if ranks > 1 else []
    return subprocess.Popen([*start, *words], stdout=subprocess.PIPE, text=True, env=environment)


def answer(process: subprocess.Popen) -> dict[str, Any]:
    """What a run printed."""
    out, _ = process.communicate()
    if process.returncode:
        sys.exit("a run failed")
    return json.loads(next(line for line in out.splitlines() if line.startswith("{")))


def main() -> None:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", action="append", help="a model (default: four of them)")
    parser.add_argument("--batch", action="append", type=int, help="images a rank, for each --net")
    parser.add_argument("--iterations", type=int, default=7)
    parser.add_argument("--json", default="")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        name, batch, iterations, layers = given.worker
        worker(name, int(batch), int(iterations), layers == "1")
        return
    jobs = list(zip(given.net, given.batch, strict=True)) if given.net else DEFAULT
    results = []
    for name, batch in jobs:
        one = answer(run(name, batch, given.iterations, 1, layers=True))
        pair = [run(name, batch, given.iterations, 1) for _ in range(2)]
        beside = max(answer(process)["step"] for process in pair)
        two = answer(run(name, batch, given.iterations, 2))
        print(f"{name}, batch {batch} a rank, {one['bytes'] / 1e6:.1f} MB of gradients, {len(one['buckets'])} buckets")
        times = [f"{seconds * 1e3:.1f} ms" for seconds in (one["step"], beside, two["step"])]
        print("  1 rank {}; beside another {}; 2 ranks {}".format(*times))
        efficiency, exchange = one["step"] / two["step"], beside / two["step"]
        print(f"  efficiency of 2 ranks {efficiency:.2f}, of the exchange alone {exchange:.2f}")
        simulated = {}
        for link, (speed, latency) in LINKS.items():
            for ranks in RANKS:
                simulated[f"{link}, {ranks}"] = found = simulate(one, ranks, speed, latency)
                print(f"  {link:>9}, {ranks:5} ranks (simulated): efficiency {found['efficiency']:.2f},"
                      f" exchange hidden {found['hidden']:.0%}")  # fmt: skip
        results.append({"net": name, "batch": batch, "one": one, "beside": beside, "two": two, "simulated": simulated})
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
