"""Runs one net in every engine that is installed, one after the other in turns, and prints the ratios.

usage: python benchmarks/compare.py --net alexnet [--batch 10] [--train] [--threads 1 2] [--engines ...] [--json OUT]

Every engine lives in a process of its own and gets the same weights and input; before anything is timed its output
must agree with caffelike's to 1e-3. Machines drift, so engines take turns and the ratios of one run are what counts.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from job import Job, write_weights

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
ENGINES = {
    "caffelike": "caffelike_",
    "pytorch": "pytorch",
    "onnxruntime": "onnxruntime_",
    "openvino": "openvino_",
    "ncnn": "ncnn_",
    "opencv": "opencv",
}
TRAINS = ("caffelike", "pytorch")
REST = 0.25  # seconds before an engine's turn: the others' worker threads go to sleep


def serve(module: str, job: Job, pipe: Any) -> None:
    """The engine's process: load, then answer "run" (one output) and numbers (that many timed passes)."""
    os.environ["OMP_NUM_THREADS"] = str(job.threads)
    sys.path.insert(0, str(HERE))
    try:
        engine = importlib.import_module(f"engines.{module}")
        run, about = engine.load(job)
        pipe.send((engine.version(), about))
        while (order := pipe.recv()) is not None:
            if order == "run":
                result = run()
                pipe.send(None if result is None else np.asarray(result).reshape(job.batch, -1).copy())
                continue
            times = []
            for _ in range(order):
                start = time.perf_counter()
                run()
                times.append((time.perf_counter() - start) * 1000)
            pipe.send(times)
    except EOFError:
        return
    except Exception as error:  # told in the table, whatever a rival raises
        pipe.send(f"{type(error).__name__}: {error}")


class Runner:
    """The parent's end of an engine's process."""

    def __init__(self, name: str, job: Job):
        self.name, self.times = name, []
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(ENGINES[name], job, other), daemon=True)
        self.process.start()
        other.close()
        self.version, self.about = self.ask(None, first=True)

    def ask(self, order: Any, first: bool = False) -> Any:
        if not first:
            self.pipe.send(order)
        try:
            answer = self.pipe.recv()
        except EOFError:
            raise RuntimeError("its process died") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    def close(self) -> None:
        if self.process.is_alive():
            self.pipe.send(None)
        self.process.join(10)


def race(job: Job, names: list[str], rounds: int, seconds: float) -> list[dict]:
    """Times of all engines on one job, fastest first; engines that fail or disagree are told and left out."""
    runners: list[Runner] = []
    reference = None
    for name in names:
        try:
            runner = Runner(name, job)
        except RuntimeError as error:
            print(f"  {name} left out: {error}", file=sys.stderr)
            continue
        try:
            output = runner.ask("run")
            if reference is None:
                reference = output
            elif output is not None and np.abs(output - reference).max() > 1e-3 * np.abs(reference).max():
                raise RuntimeError(f"its output is off by {np.abs(output - reference).max():.2g}")
            runner.ask(3)
            runners.append(runner)
        except RuntimeError as error:
            print(f"  {name} left out: {error}", file=sys.stderr)
            runner.close()
    for _ in range(rounds):
        for runner in runners:
            time.sleep(REST)
            once = min(runner.ask(2))
            runner.times += runner.ask(max(3, min(50, int(seconds * 1000 / once))))
    rows = []
    for runner in runners:
        low, middle, high = np.percentile(runner.times, [10, 50, 90])
        rows.append({"engine": runner.name, "version": runner.version, "settings": runner.about, "threads": job.threads,
                     "median_ms": middle, "p10_ms": low, "p90_ms": high, "passes": len(runner.times)})  # fmt: skip
        runner.close()
    return sorted(rows, key=lambda row: row["median_ms"])


def show(rows: list[dict], title: str) -> None:
    """The table; the ratio says how many times longer than caffelike an engine takes."""
    own = next((row["median_ms"] for row in rows if row["engine"] == "caffelike"), None)
    print(f"\n{title}")
    print(f"  {'engine':<22}{'median ms':>10}{'p10':>9}{'p90':>9}{'ratio':>8}  settings")
    for row in rows:
        ratio = f"{row['median_ms'] / own:.2f}x" if own else ""
        print(
            f"  {row['engine'] + ' ' + row['version']:<22}{row['median_ms']:>10.2f}{row['p10_ms']:>9.2f}"
            f"{row['p90_ms']:>9.2f}{ratio:>8}  {row['settings']}"
        )


def main() -> None:
    """Parse the flags, race, print, write JSON."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--net", nargs="+", default=["alexnet"], help="names in models/")
    flags.add_argument("--batch", nargs="+", type=int, default=[10])
    flags.add_argument("--train", action="store_true", help="forward, backward and update")
    flags.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    flags.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--seconds", type=float, default=1.0, help="of passes per engine and round")
    flags.add_argument("--json", type=Path, help="write all rows here too")
    given = flags.parse_args()
    names = [n for n in given.engines if not given.train or n in TRAINS]
    results = []
    for net in given.net:
        definition = MODELS / net / "deploy.prototxt"
        with tempfile.TemporaryDirectory() as folder:
            npz, model = write_weights(definition, Path(folder))
            for batch in given.batch:
                for threads in given.threads:
                    job = Job(definition, npz, model, batch, given.train, threads)
                    rows = race(job, names, given.rounds, given.seconds)
                    what = "training step" if given.train else "forward"
                    show(rows, f"{net} {what}, batch {batch}, {threads} thread(s), fp32")
                    results += [{"net": net, "batch": batch, "train": given.train, **row} for row in rows]
    if given.json:
        given.json.write_text(json.dumps({**about_machine(), "results": results}, indent=1) + "\n")


def about_machine() -> dict[str, str]:
    """Date, processor and Python."""
    return {"date": date.today().isoformat(), "cpu": _cpu(), "python": platform.python_version()}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0]} x {os.cpu_count()}" if named else platform.processor()


if __name__ == "__main__":
    main()
