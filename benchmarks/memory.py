"""Whether memory stays bounded: what a training run holds after 1,000 iterations and after 10,000.

usage: python benchmarks/memory.py [--iterations 10000] [--batch 16] [--jpeg] [--json OUT]

A small convolution net is trained from an LMDB of 1,000 records of 3x32x32 (raw, or JPEG files with --jpeg), with
prefetch, shuffling and random changes; it is tested every 250 iterations; every 1,000 it writes a snapshot (two stay).
Printed in MB for each tenth of the run: anonymous memory (RssAnon: the process's own), and all that is resident (VmRSS:
with pages of the data base and of libraries, which the system takes back when it needs them). Exit code 1 if anonymous
memory grew by more than 2 MB after the first tenth. Linux only.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import caffelike
from caffelike.data import write_lmdb

LIMIT = 2.0
RECORDS = 1000
NET = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 28 mirror: true mean_value: 110 augment_param { rotation: 10 noise: 3 } }
  data_param { source: "db" backend: LMDB batch_size: BATCH shuffle: true } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 28 mean_value: 110 }
  data_param { source: "db" backend: LMDB batch_size: 50 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "scores" type: "InnerProduct" bottom: "pool" top: "scores"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "scores" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 random_seed: 1 test_iter: 4
test_interval: 250 snapshot: 1000 snapshot_prefix: "s" keep_snapshots: 2 max_iter: 1000000 average_loss: 20"""


def resident() -> tuple[float, float]:
    """(anonymous, all) resident memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: float(line.split()[1]) for line in lines if line.startswith(("RssAnon", "VmRSS"))}
    return kilobytes["RssAnon"] / 1024, kilobytes["VmRSS"] / 1024


def record(pixels: np.ndarray, as_jpeg: bool) -> np.ndarray | bytes:
    """The picture (3, 32, 32), or the bytes of a JPEG file of it."""
    if not as_jpeg:
        return pixels
    out = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(out, "JPEG")
    return out.getvalue()


def measure(iterations: int, batch: int, as_jpeg: bool) -> list[dict[str, float]]:
    """Train in the working folder; a row for each tenth."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (RECORDS, 3, 32, 32), np.uint8)
    write_lmdb("db", [(record(picture, as_jpeg), i % 10) for i, picture in enumerate(pictures)])
    Path("net.prototxt").write_text(NET.replace("BATCH", str(batch)))
    Path("solver.prototxt").write_text(SOLVER)
    solver = caffelike.get_solver("solver.prototxt")
    rows = []
    print(f"{'iteration':>9} {'anonymous MB':>13} {'resident MB':>12} {'iterations/s':>13}")
    for _ in range(10):
        began = time.perf_counter()
        solver.step(iterations // 10)
        rate = iterations // 10 / (time.perf_counter() - began)
        own, everything = resident()
        rows.append({"iteration": solver.iter, "anonymous_mb": own, "resident_mb": everything, "rate": rate})
        print(f"{solver.iter:9d} {own:13.2f} {everything:12.2f} {rate:13.0f}", flush=True)
    solver.net.close()
    return rows


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--jpeg", action="store_true")
    parser.add_argument("--json")
    words = parser.parse_args()
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        rows = measure(words.iterations, words.batch, words.jpeg)
        os.chdir(here)
    if words.json:
        Path(words.json).write_text(json.dumps(rows, indent=1))
    grown = rows[-1]["anonymous_mb"] - rows[0]["anonymous_mb"]
    print(f"grown by {grown:.2f} MB since iteration {rows[0]['iteration']} (limit {LIMIT:g})")
    sys.exit(grown > LIMIT)


if __name__ == "__main__":
    main()
