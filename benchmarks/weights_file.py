"""Reading and writing a 244 MB .caffemodel (AlexNet's shapes): caffelike beside protobuf's own parser.

usage: python benchmarks/weights_file.py [--json]
Each measurement runs in a process of its own that first makes and touches the net's own arrays; `memory` is what
the process took beyond them. The file is read once before, so that it lies in the page cache (warm).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),
    "conv5": (256, 192, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}


def peak_megabytes() -> float:
    """The most memory this process held so far (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def with_caffelike(path: str, arrays: dict[str, list[np.ndarray]]) -> None:
    """Walk the file; copy slices into the arrays."""
    from caffelike.schema.weights import read_weights

    for layer in read_weights(path).layers:
        for blob, array in zip(layer.blobs, arrays[layer.name], strict=True):
            blob.copy_into(array)


def with_protobuf(path: str, arrays: dict[str, list[np.ndarray]]) -> None:
    """Parse the whole message; make arrays of its fields; copy."""
    from caffelike.schema import NetParameter

    for layer in NetParameter.FromString(Path(path).read_bytes()).layer:
        for blob, array in zip(layer.blobs, arrays[layer.name], strict=True):
            array[...] = np.array(blob.data, np.float32).reshape(array.shape)


def write(path: str, arrays: dict[str, list[np.ndarray]]) -> None:
    """Headers, and the arrays as they lie in memory; flushed to disk."""
    from caffelike.schema import LayerParameter
    from caffelike.schema.weights import LayerArrays, write_weights

    layers = [
        LayerArrays(LayerParameter(name=name, type="InnerProduct"), [(blob, None) for blob in blobs])
        for name, blobs in arrays.items()
    ]
    write_weights(path, "AlexNet", layers)


def write_bare(path: str, arrays: dict[str, list[np.ndarray]]) -> None:
    """The arrays' bytes alone, flushed to disk: what the disk takes."""
    with open(f"{path}.bare", "wb") as file:
        for blobs in arrays.values():
            for blob in blobs:
                file.write(memoryview(blob).cast("B"))
        file.flush()
        os.fsync(file.fileno())


WAYS = {
    "write, caffelike": write,
    "write, bare": write_bare,
    "read, caffelike": with_caffelike,
    "read, protobuf": with_protobuf,
}


def measure(way: str, path: str) -> dict[str, float]:
    """Seconds and megabytes of one way."""
    import caffelike.schema.weights  # noqa: F401 - imports are not part of what is measured

    arrays = {name: [np.zeros(shape, np.float32), np.zeros(shape[0], np.float32)] for name, shape in SHAPES.items()}
    for blobs in arrays.values():
        for blob in blobs:
            blob[...] = 1
    before, start = peak_megabytes(), time.perf_counter()
    WAYS[way](path, arrays)
    return {"seconds": time.perf_counter() - start, "memory_mb": peak_megabytes() - before}


def main() -> None:
    """Measure every way in a process of its own; print a table or JSON."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], sys.argv[3])))
        return
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/alexnet.caffemodel"
        for way in WAYS:
            done = subprocess.run([sys.executable, __file__, "--one", way, path], check=True, capture_output=True)
            results[way] = json.loads(done.stdout)
        size = Path(path).stat().st_size / 1e6
    if "--json" in sys.argv:
        print(json.dumps({"file_mb": size, **results}))
        return
    print(f"{size:.0f} MB\n{'':20}{'seconds':>10}{'memory, MB':>14}")
    for way, result in results.items():
        print(f"{way:20}{result['seconds']:10.3f}{result['memory_mb']:14.1f}")


if __name__ == "__main__":
    main()
