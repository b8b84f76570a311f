"""What every engine is given: one definition, weights made by a formula, one input."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from caffelike.schema import text


@dataclass(frozen=True)
class Job:
    """A net to run.

    definition: deploy prototxt. weights: .npz with "layer/index" -> array. caffemodel: the same weights in Caffe's
    form. batch: images. train: time forward, backward and update instead of forward alone.
    """

    definition: Path
    weights: Path
    caffemodel: Path
    batch: int
    train: bool
    threads: int

    def net(self) -> Any:
        """The NetParameter with the job's batch size."""
        message = text.read_net(self.definition).message
        for layer in message.layer:
            if layer.type == "Input":
                layer.input_param.shape[0].dim[0] = self.batch
        return message

    def arrays(self) -> dict[str, list[np.ndarray]]:
        """Weights by layer name."""
        found: dict[str, list[np.ndarray]] = {}
        with np.load(self.weights) as stored:
            for key in stored.files:
                found.setdefault(key.rpartition("/")[0], []).append(stored[key])
        return found

    def input(self) -> np.ndarray:
        """(batch, C, H, W) float32, the same in every process."""
        (shape,) = (layer.input_param.shape[0].dim for layer in self.net().layer if layer.type == "Input")
        return _made("input", tuple(shape))

    def labels(self) -> np.ndarray:
        """(batch,) class numbers for training; there are as many classes as the last layer with weights has outputs."""
        *_, last = self.arrays().values()
        return np.arange(self.batch) * 37 % len(last[0])


def _made(name: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = zlib.crc32(name.encode())
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def make_weights(net: Any) -> None:
    """Give every parameter of a caffelike net He-scaled numbers that depend on its name alone."""
    types = {name: layer.type for name, layer in net.layer_dict.items()}
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            values = _made(f"{name}/{i}", blob.shape)
            match types[name], i:
                case "BatchNorm", 1:
                    values = 1 + 0.1 * np.abs(values)
                case "BatchNorm", 2:
                    values = np.ones_like(values)
                case "Scale", 0:
                    values = 1 + 0.1 * values
                case _, 0 if len(blob.shape) > 1:
                    values *= np.sqrt(2 / np.prod(blob.shape[1:]))
                case _:
                    values *= 0.1
            blob.data[...] = values


def write_weights(definition: Path, folder: Path) -> tuple[Path, Path]:
    """Build the net once, write its made weights as .npz and .caffemodel; their paths."""
    import caffelike

    net = caffelike.Net(definition, caffelike.TEST)
    make_weights(net)
    npz, model = folder / "weights.npz", folder / "weights.caffemodel"
    np.savez(npz, **{f"{n}/{i}": b.data for n, blobs in net.params.items() for i, b in enumerate(blobs)})
    net.save(model)
    return npz, model
