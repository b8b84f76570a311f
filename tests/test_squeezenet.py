"""SqueezeNet's published weights recognise photos as well as BVLC Caffe did with them: 28 of 40, 34 within five."""

from pathlib import Path

import numpy as np
import pytest

import caffelike

SHARED = Path(__file__).resolve().parents[2] / "shared"


def test_forty_photos():
    weights, photos = SHARED / "weights" / "squeezenet", SHARED / "data" / "photos"
    if not (weights.is_dir() and photos.is_dir()):
        pytest.skip("needs ../shared/weights/squeezenet and ../shared/data/photos")
    net = caffelike.Net(weights / "deploy.prototxt", weights / "squeezenet_v1.0.caffemodel", caffelike.TEST)
    net.blobs["data"].reshape(1, 3, 227, 227)
    transformer = caffelike.io.Transformer({"data": (1, 3, 227, 227)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", np.array([104, 117, 123]))
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))
    ranks = []
    for line in (photos / "labels.txt").read_text().splitlines():
        name, label = line.rsplit(None, 1)
        net.blobs["data"].data[0] = transformer.preprocess("data", caffelike.io.load_image(photos / name))
        net.forward()
        scores = net.blobs[net.outputs[0]].data[0].ravel()
        ranks.append(int((scores > scores[int(label)]).sum()))
    first, five = sum(rank == 0 for rank in ranks), sum(rank < 5 for rank in ranks)
    assert len(ranks) == 40
    assert abs(first - 28) <= 1, ranks
    assert abs(five - 34) <= 1, ranks
