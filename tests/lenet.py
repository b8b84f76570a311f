"""LeNet as Caffe printed it into its own log, and digits in LMDB for it to read."""

import re
from pathlib import Path

import lmdb
import numpy as np
from recorded import GOLDEN

from caffelike.schema import Datum


def definition() -> str:
    """The train and test net in one prototxt, reading examples/mnist/mnist_train_lmdb and mnist_test_lmdb."""
    train, test = (GOLDEN / "logs" / "train.log").read_text().split("Creating test net")
    both = _layers(train) | {key: block for key, block in _layers(test).items() if key[1]}
    order = [("mnist", False), ("mnist", True), *(k for k in both if k[0] not in ("mnist", "accuracy", "loss"))]
    order += [("accuracy", True), ("loss", False)]
    return 'name: "LeNet"\n' + "".join(both[key] for key in order)


def _layers(text: str) -> dict[tuple[str, bool], str]:
    """Text of the layers that a net prints into a log, by (name, in TEST only)."""
    blocks = re.findall(r"^layer \{\n.*?^\}\n", text, re.M | re.S)
    return {(re.findall(r'name: "(.*)"', b)[0], "phase: TEST" in b): b for b in blocks}


def write_lmdb(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write (n, 28, 28) uint8 images with their labels as records 00000000, 00000001, ..."""
    path.mkdir(parents=True)
    size = 4096 * 16 + 4 * images.nbytes
    with lmdb.open(str(path), map_size=size, sync=False) as environment, environment.begin(write=True) as writer:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            datum = Datum(channels=1, height=28, width=28, data=image.tobytes(), label=int(label))
            writer.put(f"{i:08d}".encode(), datum.SerializeToString(), append=True)
