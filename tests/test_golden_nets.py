"""Whole published nets, with weights and inputs made by a formula, give BVLC Caffe 1.0's numbers."""

import zlib

import h5py
import numpy as np
import pytest
from recorded import GOLDEN, arrays, assert_close, names, param

import caffelike

LOSS = """
layer {{ name: "golden_label" type: "Input" top: "golden_label" input_param {{ shape {{ dim: {batch} }} }} }}
layer {{ name: "golden_loss" type: "SoftmaxWithLoss" bottom: "{logits}" bottom: "golden_label" top: "golden_loss" }}
"""


def made(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Normal numbers that depend on a name alone."""
    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)


def made_weights(key: str, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) < 2:
        return 0.01 * made(key, shape)
    return made(key, shape) * np.float32(np.sqrt(2.0 / np.prod(shape[1:])))


def assert_digest(got: np.ndarray, want: np.ndarray, what: str, tolerance: float) -> None:
    """want: [size, sum, L2 norm, up to 64 evenly spaced values]; tolerance relative to the values' rms."""
    got = np.asarray(got, np.float64).ravel()
    assert got.size == want[0], what
    assert np.linalg.norm(got) == pytest.approx(want[2], rel=1e-3), what
    sample = got[:: max(1, got.size // 64)][:64]
    rms = want[2] / np.sqrt(want[0])
    assert np.abs(sample - want[3:]).max() < tolerance * rms, what


@pytest.mark.parametrize("name", names("nets.h5"))
def test_net(name, tmp_path):
    with h5py.File(GOLDEN / "nets.h5") as cases:
        case = cases[name]
        definition = tmp_path / "net.prototxt"
        loss = LOSS.format(batch=len(case["label"]), logits=case.attrs["logits"])
        definition.write_text("force_backward: true\n" + case.attrs["prototxt"] + loss)
        net = caffelike.Net(definition, caffelike.TEST)
        for layer, blobs in net.params.items():
            for i, blob in enumerate(blobs):
                blob.data[...] = made_weights(f"{layer}/{i}", blob.shape)
        for blob in net.inputs:
            net.blobs[blob].data[...] = (
                case["label"][()] if blob == "golden_label" else made(blob, net.blobs[blob].shape)
            )
        net.forward()
        for key, values in arrays(case, "out"):
            assert_digest(net.blobs[key].data, values, f"blob {key}", 2e-3)
        for key, values in arrays(case, "full"):
            assert_close(net.blobs[key].data, values, f"output {key}")
        net.backward()
        for key, values in arrays(case, "paramdiff"):
            # A tie in a max pooling may fall either way.
            assert_digest(param(net, key).diff, values, f"gradient of {key}", 5e-2)
        for key, values in arrays(case, "indiff"):
            assert_digest(net.blobs[key].diff, values, f"gradient of {key}", 5e-2)
