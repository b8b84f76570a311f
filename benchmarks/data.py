"""Whether the input keeps up: JPEG and raw records beside what the machine can do, and training on either.

usage: python benchmarks/data.py [--images FOLDER] [--batch 32] [--rounds 25] [--train 0] [--json OUT]

Three ratios, each of two things that take turns in one process:
  jpeg   images a second of processor time, one core, of 256x256 JPEG records decoded, cropped to 227, mirrored, into
         batches less a mean; beside Pillow decoding the same files and nothing else
  raw    the same for raw 3x256x256 records; beside NumPy turning as many bytes in memory into floats of that size
  train  milliseconds of AlexNet's forward and backward pass from JPEG records, all cores; beside the same net fed
         from arrays in memory (--train: how many passes of each in each of three turns, 0 for none)
"""

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def turns(rounds: int, ours: Callable[[], None], theirs: Callable[[], None]) -> tuple[float, float, float]:
    """Processor time of both kinds of work, which take turns (medians of so many rounds), and theirs / ours.

    The ratio is the median of the rounds' own: what slows the machine down meanwhile slows both.
    """
    times = np.empty((rounds + 1, 2))
    for one in times:
        for i, function in enumerate((ours, theirs)):
            start = time.thread_time()
            function()
            one[i] = time.thread_time() - start
    times = times[1:]
    return *np.median(times, axis=0), float(np.median(times[:, 1] / times[:, 0]))


def batches(path: str, batch: int, count: int) -> Callable[[], None]:
    """Prepares `count` records in this thread."""
    transformer = Transformer(TransformationParameter(**TRANSFORM), TRAIN, 1, "data")
    producer, slot = RecordProducer(LMDB(path), transformer, batch, 1, threads=1), Slot()

    def run() -> None:
        for _ in range(count // batch):
            producer.produce(slot)

    return run


def race_jpeg(files: list[bytes], folder: str, batch: int, rounds: int) -> dict[str, float]:
    """Our images a second and Pillow's."""
    path = f"{folder}/jpeg"
    write_lmdb(path, [(file, i % 1000) for i, file in enumerate(files)])

    def bare() -> None:
        for file in files:
            Image.open(io.BytesIO(file)).load()

    ours, theirs, ratio = turns(rounds, batches(path, batch, len(files)), bare)
    return {"images/s": len(files) / ours, "Pillow's decoding": len(files) / theirs, "ratio": ratio}


def race_raw(pixels: list[np.ndarray], folder: str, batch: int, rounds: int) -> dict[str, float]:
    """Our images a second, and those of a conversion in memory."""
    path = f"{folder}/raw"
    write_lmdb(path, [(one, i % 1000) for i, one in enumerate(pixels)])
    memory = np.array(pixels)
    out = np.empty((batch, 3, CROP, CROP), np.float32)

    def convert() -> None:
        for low in range(0, len(memory), batch):
            np.copyto(out, memory[low : low + batch, :, :CROP, :CROP])

    ours, theirs, ratio = turns(rounds, batches(path, batch, len(pixels)), convert)
    return {"images/s": len(pixels) / ours, "copies in memory": len(pixels) / theirs, "ratio": ratio}


def alexnet(data: str, folder: str, name: str) -> caffelike.Net:
    """AlexNet with this data layer in front and a loss behind."""
    body = ALEXNET.read_text(encoding="utf-8")
    layers = body[body.index("layer {", body.index("input_param")) :]
    loss = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss" }'
    prob = layers.rindex("layer {")
    path = f"{folder}/{name}.prototxt"
    Path(path).write_text(data + layers[:prob] + loss, encoding="utf-8")
    return caffelike.Net(path, TRAIN)


def race_training(folder: str, batch: int, passes: int) -> dict[str, float]:
    """Milliseconds of a pass from JPEG records (made by race_jpeg) and from memory."""
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
    times: dict[str, list[float]] = {"records": [], "arrays": []}
    for name, net in (("records", read), ("arrays", memory)) * 3:
        for turn in range(passes + AHEAD):
            start = time.perf_counter()
            net.forward_backward()
            if turn >= AHEAD:  # the batches made ahead in the other net's turn are used up
                times[name].append(1000 * (time.perf_counter() - start))
    read.close()
    ours, theirs = statistics.median(times["records"]), statistics.median(times["arrays"])
    return {"ms from records": ours, "ms from memory": theirs, "slower by %": 100 * (ours / theirs - 1)}


def main() -> None:
    """Run the races and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", help="folder of pictures; without it they are made up")
    parser.add_argument("--count", type=int, default=64, help="records, a multiple of the batch")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--train", type=int, default=0)
    parser.add_argument("--json")
    given = parser.parse_args()
    found = pictures(given.images, given.count)
    files = [jpeg(picture) for picture in found]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        results["jpeg"] = race_jpeg(files, folder, given.batch, given.rounds)
        pixels = [np.ascontiguousarray(np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1)) for picture in found]
        results["raw"] = race_raw(pixels, folder, given.batch, given.rounds)
        if given.train:
            results["train"] = race_training(folder, given.batch, given.train)
    print(f"{len(files)} records, {sum(map(len, files)) // len(files)} bytes a JPEG, batch {given.batch}")
    for name, values in results.items():
        print(f"{name:6}", "   ".join(f"{what} {value:.4g}" for what, value in values.items()))
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
