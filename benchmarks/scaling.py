"""What more ranks give: measured with 1 and 2 on this machine, simulated for up to 1,024 on a link.

usage: python benchmarks/scaling.py [--net NAME --batch N]... [--iterations N] [--rounds N] [--json OUT]

Measured: training steps of models/NAME with made data, one thread a rank, and what they are made of: forward, backward,
waiting for messages and the other rank, update (in shared memory: adding up gradients and handing out weights, too).

    1 rank                 by itself, on either core
    beside another         while another that it knows nothing of does the same: what sharing memory bandwidth costs
    2 ranks, messages      as between machines: gradients travel through MPI while backward runs
    2 ranks                as `caffelike train --ranks 2`: through memory that both see

The same two processes do all four in turn, --iterations steps of each, --rounds times: machines drift. Of two ranks the
slower one counts, step by step: the other must wait for it. Efficiency: the time of 1 rank over that of 2, which do
twice the work. Bandwidth of memory: that of NumPy's copies (bytes read and written), in one process and in two.

Simulated: the measured backward times of the layers, buckets as caffelike/parallel cuts them, and a ring all-reduce
on a link of so many Gb/s whose every message takes a latency. A bucket goes out when its layers are done and the link
is free. Printed: the efficiency, and the share of the exchange that backward hides.
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


def worker(name: str, batch: int, iterations: int, rounds: int) -> None:
    """One of two ranks: print seconds of a step and its parts, for each line of the table, as JSON (rank 0)."""
    from caffelike.parallel import mpi
    from caffelike.parallel.shared import SharedMemory

    with mpi.world() as world:
        alone, messages, shared = (Watched(build(name, batch)) for _ in range(3))
        opened, SharedMemory.open = SharedMemory.open, lambda *_: None
        world.join(messages.solver)
        SharedMemory.open = opened
        world.join(shared.solver)
        lines = {"beside another": alone, "2 ranks, messages": messages, "2 ranks": shared}
        found: dict[str, list[dict[str, float]]] = {title: [] for title in ("1 rank", *lines)}
        for _ in range(rounds):
            for rank in range(2):
                if rank == world.rank:
                    found["1 rank"] += alone.steps(iterations)
                meet(world)
            for title, watched in lines.items():
                found[title] += watched.steps(iterations)
                meet(world)
        both = world._comm.gather(found)
        if world.rank == 0:
            steps = {title: [max(pair, key=busy) for pair in zip(*(one[title] for one in both), strict=True)]
                     for title in lines}  # fmt: skip
            steps = {"1 rank": both[0]["1 rank"] + both[1]["1 rank"], **steps}
            medians = {title: {part: float(np.median([step[part] for step in line])) for part in line[0]}
                       for title, line in steps.items()}  # fmt: skip
            net = alone.solver.net
            print(json.dumps({"bytes": net.arena_diff.nbytes, "lines": medians, **by_layer(net, iterations)}))
        meet(world)


def busy(step: dict[str, float]) -> float:
    """The seconds in which a rank did not wait for another: who has most of them holds up both."""
    return step["step"] - step["waiting"]


def meet(world: Any) -> None:
    """Wait for the other rank without using the processor."""
    request = world._comm.Ibarrier()
    while not request.Test():
        time.sleep(0.01)


class Watched:
    """A solver whose steps are timed, and what they are made of."""

    def __init__(self, solver: Any):
        self.solver = solver
        self._now: dict[str, float] = {}

    def steps(self, count: int) -> list[dict[str, float]]:
        """Seconds of `count` steps and their parts."""
        solver, done = self.solver, []
        began = 0.0

        def next_step() -> None:
            nonlocal began
            now = time.perf_counter()
            done.append({"step": now - began, **self._now})
            self._now = dict.fromkeys(PARTS, 0.0)
            began = now

        for part, (owner, names) in PARTS.items():
            for method in names:
                self._time(getattr(solver, owner) if owner else solver, method, part)
        solver.action = next_step
        solver.step(count + 2)  # the first begins nowhere; the last is different: somebody may look at its gradients
        return done[1:-1]

    def _time(self, owner: Any, method: str, part: str) -> None:
        inner = getattr(type(owner), method)

        def timed(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            answer = inner(owner, *given, **named)
            self._now[part] = self._now.get(part, 0.0) + time.perf_counter() - began
            return answer

        setattr(owner, method, timed)


PARTS = {
    "forward": ("net", ["run_forward"]),
    "backward": ("net", ["run_backward"]),
    "waiting": ("ranks", ["gradients", "mean", "agree"]),
    "update": ("", ["_apply"]),
}


def copies(seconds: float) -> None:
    """Print the bytes a second that copying arrays far larger than the caches reads and writes."""
    source = np.ones(1 << 26, np.float32)
    target = source.copy()
    rates = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        np.copyto(target, source)
        rates.append(2 * source.nbytes / (time.perf_counter() - began))
    print(json.dumps(float(np.median(rates))))


def by_layer(net: Any, iterations: int) -> dict[str, Any]:
    """Seconds of each layer's backward, and the buckets."""
    from caffelike.parallel.buckets import cut

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
    one, layers = measured["lines"]["1 rank"], np.array(measured["backward"])
    backward, done, link, busy = layers * (one["backward"] / layers.sum()), 0.0, 0.0, 0.0
    buckets = list(measured["buckets"])
    for i in range(len(backward) - 1, -1, -1):
        done += backward[i]
        while buckets and buckets[0][0] >= i:
            _, start, end = buckets.pop(0)
            cost = 2 * (ranks - 1) / ranks * 4 * (end - start) / speed + 2 * (ranks - 1) * latency
            link = max(link, done) + cost
            busy += cost
    late = max(0.0, link - done)
    step = one["step"] + late
    return {"step": step, "efficiency": one["step"] / step, "hidden": 1 - late / busy if busy else 1.0}


def measure(name: str, batch: int, iterations: int, rounds: int) -> dict[str, Any]:
    """What two ranks of one thread each print."""
    from caffelike.parallel.launch import _flags, _mpiexec

    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOG_minloglevel": "3"}
    start = [*_mpiexec(), "-n", "2", *_flags(environment)]
    words = [sys.executable, __file__, "--worker", name, *map(str, (batch, iterations, rounds))]
    out = subprocess.run([*start, *words], stdout=subprocess.PIPE, text=True, env=environment, check=True).stdout
    return json.loads(next(line for line in out.splitlines() if line.startswith("{")))


def bandwidth(processes: int) -> float:
    """What so many processes copy together, in bytes a second."""
    words = [sys.executable, __file__, "--copies", "2"]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(process.communicate()[0]) for process in running)


def main() -> None:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", action="append", help="a model (default: four of them)")
    parser.add_argument("--batch", action="append", type=int, help="images a rank, for each --net")
    parser.add_argument("--iterations", type=int, default=4, help="steps of each kind in a round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", default="")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--copies", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.copies:
        copies(given.copies)
        return
    if given.worker:
        name, *numbers = given.worker
        worker(name, *map(int, numbers))
        return
    jobs = list(zip(given.net, given.batch, strict=True)) if given.net else DEFAULT
    print(f"Memory: {bandwidth(1) / 1e9:.0f} GB/s copied by one process, {bandwidth(2) / 1e9:.0f} by two")
    results = []
    for name, batch in jobs:
        found = measure(name, batch, given.iterations, given.rounds)
        buckets, lines = len(found["buckets"]), found["lines"]
        print(f"\n{name}, batch {batch} a rank, {found['bytes'] / 1e6:.1f} MB of gradients, {buckets} buckets:\n")
        print(f"| | step ms | {' | '.join(PARTS)} | efficiency |")
        print("|---|" + "---|" * (len(PARTS) + 2))
        for title, line in lines.items():
            times = [f"{1e3 * line[part]:.1f}" for part in ("step", *PARTS)]
            print(f"| {title} | {' | '.join(times)} | {lines['1 rank']['step'] / line['step']:.2f} |")
        print()
        print(f"| simulated | {' | '.join(f'{ranks} ranks' for ranks in RANKS)} |")
        print("|---|" + "---|" * len(RANKS))
        simulated: dict[str, list[dict[str, float]]] = {}
        for link, (speed, latency) in LINKS.items():
            simulated[link] = [simulate(found, ranks, speed, latency) for ranks in RANKS]
            guesses = [f"{guess['efficiency']:.2f} ({guess['hidden']:.0%})" for guess in simulated[link]]
            print(f"| {link} | {' | '.join(guesses)} |")
        results.append({"net": name, "batch": batch, **found, "simulated": simulated})
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
