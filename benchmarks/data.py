"""Whether the input keeps up: JPEG and raw records beside what the machine can do, and training on either.

usage: python benchmarks/data.py [--images FOLDER] [--batch 32] [--rounds 15] [--processes 5] [--train 0] [--json OUT]

Three ratios, each of two things that take turns in one process:
  jpeg   images a second of processor time, one core, of 256x256 JPEG records decoded, cropped to 227, mirrored, into
         batches less a mean; beside Pillow opening and decoding the same files and nothing else
  raw    the same for raw 3x256x256 records; beside NumPy turning as many bytes in memory into floats of that size
  train  milliseconds of AlexNet's forward and backward pass from JPEG records, all cores; beside the same net fed
         from arrays in memory (--train: how many passes of each in each of five turns, 0 for none)
What is printed is the median, and in brackets the least and the greatest: of the processes for jpeg and raw, of the
turns for train. Both sides work on one core, each in a thread of its own, as a data layer does. It takes several
processes because where malloc puts libjpeg-turbo's row of pixels is luck, for either side: at a multiple of 32 bytes it
is written past the caches, and to copy it from there takes Pillow a sixth of the time of a picture.
Rounds do not count in which a loop of Python, run before and after, took a quarter longer than it can: on a machine
shared with others (a virtual one whose cores are half a core each) they halve a core's speed for seconds, but not that
of its memory, and what is compared would not be slowed down alike. (Turns of train count all: it takes every core.)
"""

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import caffelike
from caffelike.data import write_lmdb
from caffelike.data.lmdb import LMDB
from caffelike.data.prefetch import Slot
from caffelike.data.records import RecordProducer
from caffelike.data.transformer import Transformer
from caffelike.schema import TRAIN, TransformationParameter

SIDE, CROP = 256, 227
AHEAD = 5  # one more than are made ahead
TURNS = 5
QUIET = 1.25
BESIDE = {"jpeg": "Pillow's decoding", "raw": "copies in memory"}
ALEXNET = Path(__file__).resolve().parent.parent / "models" / "alexnet" / "deploy.prototxt"
TRANSFORM = {"crop_size": CROP, "mirror": True, "mean_value": [104, 117, 123]}


def pictures(folder: str | None, count: int) -> list[Image.Image]:
    """256x256 pictures: of a folder, or made up with about as much detail as photographs have."""
    if folder:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        return [Image.open(files[i % len(files)]).convert("RGB").resize((SIDE, SIDE)) for i in range(count)]
    generator = np.random.default_rng(1)
    found = []
    for _ in range(count):
        layers = [
            np.asarray(Image.fromarray(generator.integers(0, 256, (n, n, 3), np.uint8)).resize((SIDE, SIDE)), float)
            for n in (8, 32, 128)
        ]
        found.append(Image.fromarray((0.6 * layers[0] + 0.3 * layers[1] + 0.1 * layers[2]).astype(np.uint8)))
    return found


def jpeg(picture: Image.Image) -> bytes:
    """The picture as a file of quality 90."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


class Round(NamedTuple):
    """Seconds of processor time: of our work, of theirs, and of a loop of Python, the slower one of before and after.

    Of training: wall time.
    """

    ours: float
    theirs: float
    loop: float


def loop() -> float:
    """Processor time of some work that needs no memory."""
    start, total = time.thread_time(), 0
    for i in range(20000):
        total += i & 3
    return time.thread_time() - start


def turns(rounds: int, ours: Callable[[], None], theirs: Callable[[], None]) -> list[Round]:
    """Both kinds of work take turns on one core, each in its own thread."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {random.choice(cores)})  # for this thread and those that it starts

    def timed(function: Callable[[], None]) -> float:
        start = time.thread_time()
        function()
        return time.thread_time() - start

    found = []
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for _ in range(rounds + 1):
            before = loop()
            seconds = one.submit(timed, ours).result(), other.submit(timed, theirs).result()
            found.append(Round(*seconds, max(before, loop())))
    os.sched_setaffinity(0, cores)
    return found[1:]


def batches(path: str, batch: int, count: int) -> Callable[[], None]:
    """Prepares `count` records in this thread."""
    transformer = Transformer(TransformationParameter(**TRANSFORM), TRAIN, 1, "data")
    producer, slot = RecordProducer(LMDB(path), transformer, batch, 1, threads=1), Slot()

    def run() -> None:
        for _ in range(count // batch):
            producer.produce(slot)

    return run


def race_jpeg(files: list[bytes], folder: str, batch: int, rounds: int) -> list[Round]:
    """Our way from JPEG records to batches, and Pillow's decoding."""
    path = f"{folder}/jpeg"
    write_lmdb(path, [(file, i % 1000) for i, file in enumerate(files)])

    def bare() -> None:
        for file in files:
            Image.open(io.BytesIO(file)).load()

    return turns(rounds, batches(path, batch, len(files)), bare)


def race_raw(pixels: list[np.ndarray], folder: str, batch: int, rounds: int) -> list[Round]:
    """Our way from raw records to batches, and a conversion in memory."""
    path = f"{folder}/raw"
    write_lmdb(path, [(one, i % 1000) for i, one in enumerate(pixels)])
    memory = np.array(pixels)
    out = np.empty((batch, 3, CROP, CROP), np.float32)

    def convert() -> None:
        for low in range(0, len(memory), batch):
            np.copyto(out, memory[low : low + batch, :, :CROP, :CROP])

    return turns(rounds, batches(path, batch, len(pixels)), convert)


def alexnet(data: str, folder: str, name: str) -> caffelike.Net:
    """AlexNet with this data layer in front and a loss behind."""
    body = ALEXNET.read_text(encoding="utf-8")
    layers = body[body.index("layer {", body.index("input_param")) :]
    loss = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss" }'
    prob = layers.rindex("layer {")
    path = f"{folder}/{name}.prototxt"
    Path(path).write_text(data + layers[:prob] + loss, encoding="utf-8")
    return caffelike.Net(path, TRAIN)


def race_training(folder: str, batch: int, passes: int) -> list[Round]:
    """Passes from JPEG records (made by race_jpeg) and from memory, the median of each turn."""
    tops = 'top: "data" top: "label"'
    transform = f"transform_param {{ crop_size: {CROP} mirror: true mean_value: 104 mean_value: 117 mean_value: 123 }}"
    records = (
        f'layer {{ name: "data" type: "Data" {tops} {transform}'
        f' data_param {{ source: "{folder}/jpeg" batch_size: {batch} backend: LMDB }} }}\n'
    )
    arrays = (
        f'layer {{ name: "data" type: "MemoryData" {tops} memory_data_param {{ batch_size: {batch} channels: 3'
        f" height: {CROP} width: {CROP} }} }}\n"
    )
    read, memory = alexnet(records, folder, "records"), alexnet(arrays, folder, "arrays")
    memory.set_input_arrays(np.zeros((batch, 3, CROP, CROP), np.float32), np.arange(batch))

    def turn(net: caffelike.Net, before: int) -> float:
        times = []
        for _ in range(before + passes):
            start = time.perf_counter()
            net.forward_backward()
            times.append(time.perf_counter() - start)
        return statistics.median(times[before:])

    found = []
    for _ in range(TURNS):
        before = loop()
        ours = turn(read, AHEAD)  # the batches that were made while nobody worked are used up
        time.sleep(0.2)  # until as many are ready again
        found.append(Round(ours, turn(memory, 1), max(before, loop())))
    read.close()
    return found


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Run the races in this process."""
    found = pictures(given.images, given.count)
    files = [jpeg(picture) for picture in found]
    results: dict[str, Any] = {"bytes": sum(map(len, files)) // len(files)}
    with tempfile.TemporaryDirectory() as folder:
        results["jpeg"] = race_jpeg(files, folder, given.batch, given.rounds)
        pixels = [np.ascontiguousarray(np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1)) for picture in found]
        results["raw"] = race_raw(pixels, folder, given.batch, given.rounds)
        if given.train:
            results["train"] = race_training(folder, given.batch, given.train)
    return results


def summary(values: list[float]) -> str:
    """The median, and the least and the greatest."""
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def report(name: str, runs: list[list[Round]], records: int, fastest: float) -> str:
    """A line of one race: medians of each run's rounds that nobody disturbed, and how many these were."""
    kept = [[one for one in run if one.loop < QUIET * fastest] for run in runs]
    count = f"   {sum(map(len, kept))} of {sum(map(len, runs))} undisturbed"
    if name == "train" or not any(kept):
        kept, count = runs, "" if name == "train" else f"{count}: all counted"
    medians = [(*np.median(run, axis=0)[:2], np.median([one.theirs / one.ours for one in run])) for run in kept if run]
    ours, theirs, ratio = zip(*medians, strict=True)
    if name == "train":
        slower = summary([100 * (1 / r - 1) for r in ratio])
        values = [f"ms {summary([1000 * t for t in ours])}", f"from memory {summary([1000 * t for t in theirs])}"]
        return f"{name:6} {'   '.join(values)}   slower by % {slower}{count}"
    values = [
        f"images/s {summary([records / t for t in ours])}",
        f"{BESIDE[name]} {summary([records / t for t in theirs])}",
    ]
    return f"{name:6} {'   '.join(values)}   ratio {summary(list(ratio))}{count}"


def main() -> None:
    """Run the races and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", help="folder of pictures; without it they are made up")
    parser.add_argument("--count", type=int, default=64, help="records, a multiple of the batch")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15, help="of jpeg and raw, in each process")
    parser.add_argument("--processes", type=int, default=5, help="one after the other; the first one trains, too")
    parser.add_argument("--train", type=int, default=0)
    parser.add_argument("--json", help="a file for all numbers")
    parser.add_argument("--one", action="store_true", help="measure in this process and print JSON")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given)))
        return
    results: dict[str, list[list[Round]]] = {}
    for number in range(given.processes):
        command = [sys.executable, __file__, *sys.argv[1:], "--one", *(["--train", "0"] if number else [])]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        size = found.pop("bytes")
        for name, rounds in found.items():
            runs = [[Round(*one) for one in rounds]]
            results.setdefault(name, []).extend([[one] for one in runs[0]] if name == "train" else runs)
    fastest = min(one.loop for runs in results.values() for run in runs for one in run)
    print(f"{given.count} records, {size} bytes a JPEG, batch {given.batch}")
    for name, runs in results.items():
        print(report(name, runs, given.count, fastest))
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
