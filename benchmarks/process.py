"""Whole processes: from the start of Python to its end, cold and warm, with their peak memory.

usage: python benchmarks/process.py classify --net alexnet [--engines ...] [--runs 3] [--threads 2] [--json OUT]
       python benchmarks/process.py time --net alexnet --batch 64 [--iterations 3] ...

classify: each engine reads its model file, classifies one photo and ends. caffelike and OpenCV read the caffemodel; the
others read what was converted from it, and the conversion (once a model, in a process of its own) has its own column.
time: `caffelike time`, forward and backward, beside the same passes in PyTorch.
cold: caffelike's kernel cache is empty, so it compiles; other engines have no such state. Files are in the page cache,
and Python's bytecode is there, as after an installation.
"""

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
ENGINES = ("caffelike", "opencv", "onnxruntime", "openvino", "pytorch")
PLACES = {"definition": "net.prototxt", "weights": "weights.npz", "caffemodel": "weights.caffemodel",
          "onnx": "net.onnx", "state": "net.pt", "photo": "photo.png", "timed": "timed.prototxt"}  # fmt: skip


# What the measured processes do: imports are part of the time, so each has its own -------------------------------


def pixels(path: str, size: int) -> np.ndarray:
    """The photo as (1, 3, size, size) float32 BGR less a mean, by Pillow for every engine."""
    from PIL import Image

    photo = np.asarray(Image.open(path).convert("RGB").resize((size, size)), np.float32)
    return np.ascontiguousarray(photo[:, :, ::-1].transpose(2, 0, 1)[None] - np.float32(117))


def classify(engine: str, at: dict[str, str], size: int, threads: int) -> np.ndarray:
    """Load the model, classify the photo: the classes' probabilities."""
    if engine == "caffelike":
        import caffelike

        net = caffelike.Net(at["definition"], caffelike.TEST, weights=at["caffemodel"])
        return net.forward(data=pixels(at["photo"], size))[net.outputs[0]]
    if engine == "opencv":
        import cv2

        cv2.setNumThreads(threads)
        read = cv2.dnn.readNetFromCaffe(at["definition"], at["caffemodel"])
        read.setInput(pixels(at["photo"], size))
        return read.forward()
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(at["onnx"], options, providers=["CPUExecutionProvider"])
        return session.run(None, {"data": pixels(at["photo"], size)})[0]
    if engine == "openvino":
        import openvino

        hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        compiled = openvino.Core().compile_model(at["onnx"], "CPU", hints)
        return compiled(pixels(at["photo"], size))[0]
    import torch
    from engines.pytorch import CaffeNet

    from caffelike.schema import text

    torch.set_num_threads(threads)
    stored = torch.load(at["state"], mmap=True)
    arrays: dict[str, list] = {}
    for key, value in stored.items():
        arrays.setdefault(key.rpartition("/")[0], []).append(value.numpy())
    net = CaffeNet(text.read_net(at["definition"]).message, arrays).eval()
    with torch.inference_mode():
        return net(torch.from_numpy(pixels(at["photo"], size))).numpy()


def convert(engine: str, at: dict[str, str], job: Any) -> None:
    """Write the file that the engine reads from the caffemodel's weights."""
    if engine in ("onnxruntime", "openvino"):
        from engines import onnx_model

        Path(at["onnx"]).write_bytes(onnx_model.build(job).SerializeToString())
    elif engine == "pytorch":
        import torch

        torch.save({f"{n}/{i}": torch.from_numpy(a) for n, many in job.arrays().items() for i, a in enumerate(many)},
                   at["state"])  # fmt: skip


def torch_passes(job: Any, iterations: int) -> None:
    """As many forward and backward passes in PyTorch as `caffelike time` does: one more than asked for."""
    import torch
    import torch.nn.functional as F
    from engines.pytorch import CaffeNet

    torch.set_num_threads(job.threads)
    net = CaffeNet(job.net(), job.arrays()).train()
    x, labels = torch.from_numpy(job.input()), torch.from_numpy(job.labels())
    for _ in range(iterations + 1):
        F.cross_entropy(net(x, logits=True), labels).backward()


def child(order: dict[str, Any]) -> None:
    """Do what the parent asked for; classes go to standard output."""
    from job import Job

    at, threads = order["at"], order["threads"]
    job = Job(Path(at["definition"]), Path(at["weights"]), Path(at["caffemodel"]), order["batch"], False, threads)
    if order["do"] == "convert":
        convert(order["engine"], at, job)
    elif order["do"] == "passes":
        torch_passes(job, order["iterations"])
    else:
        found = np.asarray(classify(order["engine"], at, order["size"], threads)).reshape(-1)
        print(json.dumps([int(found.argmax()), float(found.max())]))


# The parent -------------------------------------------------------------------------------------------------------


# A process's peak memory counts from its fork on, so the one that starts it must be small.
_LAUNCHER = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss, flush=True)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def watch(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Seconds from start to end of a process, its peak memory in MB, and what it printed. RuntimeError if it fails."""
    told = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *command],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if told.returncode:
        raise RuntimeError((told.stderr.strip().splitlines() or ["it failed"])[-1])
    *printed, last = told.stdout.splitlines()
    seconds, kilobytes = map(float, last.split())
    return seconds, kilobytes * (1 if sys.platform == "darwin" else 1024) / 1e6, "\n".join(printed)


def make_files(net: str, batch: int, folder: Path) -> dict[str, str]:
    """Definition, weights and photo; and a net with data of its own for `caffelike time`."""
    from engines.caffelike_ import with_loss
    from job import write_weights
    from PIL import Image

    from caffelike.schema import text

    at = {what: str(folder / name) for what, name in PLACES.items()}
    message = text.read_net(MODELS / net / "deploy.prototxt").message
    (shape,) = (layer.input_param.shape[0].dim for layer in message.layer if layer.type == "Input")
    shape[0] = 1
    Path(at["definition"]).write_text(text.format(message))
    write_weights(Path(at["definition"]), folder)
    shape[0] = batch
    with_loss(message, batch)
    for layer in message.layer:
        if layer.type == "Input":
            layer.type = "DummyData"
            layer.dummy_data_param.shape.add(dim=list(layer.input_param.shape[0].dim))
            layer.dummy_data_param.data_filler.add(type="gaussian" if layer.name != "label" else "constant")
            layer.ClearField("input_param")
    Path(at["timed"]).write_text(text.format(message))
    y, x = np.mgrid[:375, :500].astype(np.float32)
    waves = [np.sin(x / (9 + 7 * c) + np.cos(y / (13 + 5 * c)) * 2) for c in range(3)]
    Image.fromarray(((np.stack(waves, -1) + 1) * 127).astype(np.uint8)).save(at["photo"])
    return at


def rows_of(given: argparse.Namespace, at: dict[str, str], folder: Path) -> list[dict[str, Any]]:
    """One row for each engine, and cold and warm."""
    from caffelike.schema import text

    layers = text.read_net(at["definition"]).message.layer
    size = next(layer.input_param.shape[0].dim[3] for layer in layers if layer.type == "Input")
    order = {"at": at, "size": size, "threads": given.threads, "batch": given.batch, "iterations": given.iterations}
    environment = {"OMP_NUM_THREADS": str(given.threads), "CAFFELIKE_CACHE_DIR": str(folder / "cache")}
    timing = given.job == "time"
    rows, reference = [], None
    for engine in given.engines:
        if timing and engine not in ("caffelike", "pytorch"):
            continue

        def ask(what: str, engine: str = engine) -> list[str]:
            return [sys.executable, __file__, "child", json.dumps({**order, "engine": engine, "do": what})]

        command = ask("passes" if timing else "classify")
        if timing and engine == "caffelike":
            command = [sys.executable, "-m", "caffelike", "time", at["timed"], "-iterations", str(given.iterations)]
        try:
            converting = 0.0
            if not timing and engine in ("onnxruntime", "openvino", "pytorch"):
                converting, _, _ = watch(ask("convert"), environment)
            runs = [watch(command, environment) for _ in range(given.runs + 1)]
        except RuntimeError as error:
            print(f"{engine} left out: {error}", file=sys.stderr)
            continue
        if not timing:
            found = json.loads(runs[-1][2])
            reference = reference or found
            if found[0] != reference[0] or abs(found[1] - reference[1]) > 1e-3:
                print(f"{engine} left out: it says {found}, not {reference}", file=sys.stderr)
                continue
        warm = {"s": float(np.median([s for s, _, _ in runs[1:]])), "mb": max(mb for _, mb, _ in runs[1:])}
        if engine == "caffelike":
            rows.append({"engine": engine, "state": "cold", "s": runs[0][0], "mb": runs[0][1], "conversion_s": 0.0})
        rows.append({"engine": engine, "state": "warm", **warm, "conversion_s": converting})
    return rows


def main() -> None:
    """Parse the flags, make the files, run, print, write JSON."""
    if sys.argv[1:2] == ["child"]:
        child(json.loads(sys.argv[2]))
        return
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("job", choices=["classify", "time"])
    flags.add_argument("--net", default="alexnet", help="a name in models/")
    flags.add_argument("--batch", type=int, default=1, help="of the job `time`")
    flags.add_argument("--iterations", type=int, default=3, help="of the job `time`")
    flags.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--runs", type=int, default=3, help="warm ones; their median counts")
    flags.add_argument("--json", type=Path)
    given = flags.parse_args()
    compileall.compile_dir(HERE.parent / "caffelike", quiet=2)  # as pip does when it installs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = rows_of(given, make_files(given.net, given.batch, folder), folder)
    print("| engine | state | seconds | peak MB | conversion, s |")
    print("|---|---|---|---|---|")
    for row in rows:
        other = f"{row['conversion_s']:.2f}" if row["conversion_s"] else ""
        print(f"| {row['engine']} | {row['state']} | {row['s']:.2f} | {row['mb']:.0f} | {other} |")
    if given.json:
        from compare import about_machine

        about = {**about_machine(), "job": given.job, "net": given.net, "batch": given.batch, "threads": given.threads}
        given.json.write_text(json.dumps({**about, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
