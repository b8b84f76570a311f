"""LRCN, an image captioner: a convolutional net looks at the picture, two LSTMs write a sentence about it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import text

STEPS, BATCH = 20, 100  # words of a sentence, with its end; pictures
WORDS, SIZE = 8801, 1000  # words of COCO's captions and the end of a sentence; cells of an LSTM
TRANSFORM = {"crop_size": 227, "mirror": True, "mean_value": [104, 117, 123]}
UNIFORM = {"weight_filler": {"type": "uniform", "min": -0.08, "max": 0.08}}


def caffenet() -> list[Any]:
    """CaffeNet's layers from conv1 on data to fc8, by their published names; only fc8 learns, as in the publication."""
    layers = list(text.read_net(Path(__file__).resolve().parents[1] / "caffenet" / "deploy.prototxt").message.layer)
    names = [layer.name for layer in layers]
    found = layers[names.index("conv1") : names.index("fc8") + 1]
    for layer in found:
        if layer.name != "fc8" and layer.type in ("Convolution", "InnerProduct"):
            del layer.param[:]
            layer.param.add(lr_mult=0)
            layer.param.add(lr_mult=0)
    return found


def sentences(n: NetSpec, features: Any, words: int, size: int) -> Any:
    """The words up to now and the picture's features -> scores of the next word.

    Both LSTMs read words; only the second sees the picture, at each step.
    """
    cells = {"recurrent_param": {"num_output": size, **UNIFORM}}
    n.embedding = L.Embed(n.input_sentence, input_dim=words, num_output=size, bias_term=False, **UNIFORM)
    n.lstm1 = L.LSTM(n.embedding, n.cont_sentence, **cells)
    n.lstm2 = L.LSTM(n.lstm1, n.cont_sentence, features, **cells)
    n.predict = L.InnerProduct(n.lstm2, num_output=words, axis=2, **UNIFORM)
    return n.predict


Looking = Callable[[], list[Any]]


def train(
    looking: Looking = caffenet,
    steps: int = STEPS,
    batch: int = BATCH,
    words: int = WORDS,
    size: int = SIZE,
    transform: Any = TRANSFORM,
) -> Any:
    """Pictures from an LMDB, sentences from HDF5; a word -1 in target_sentence, after the end, does not count."""
    layers = looking()
    n = NetSpec()
    n.data = L.Data(
        source="captions_lmdb",
        backend=P.Data.LMDB,
        batch_size=batch,
        transform_param=transform,
    )
    n.cont_sentence, n.input_sentence, n.target_sentence = L.HDF5Data(ntop=3, source="captions.txt", batch_size=steps)
    n[layers[-1].top[0]] = features = L.Input()  # stands for the net that looks, which takes its place below
    score = sentences(n, features, words, size)
    options = {"softmax_param": {"axis": 2}, "loss_param": {"ignore_label": -1}}
    n.loss = L.SoftmaxWithLoss(score, n.target_sentence, loss_weight=20, **options)
    n.accuracy = L.Accuracy(score, n.target_sentence, axis=2, ignore_label=-1)
    return writing.joined("LRCN", n, layers)


def deploy(looking: Looking = caffenet, side: int = 227, words: int = WORDS, size: int = SIZE) -> Any:
    """One picture, one word in; the probabilities of the next word out. A sentence starts with word 0, and ends so."""
    layers = looking()
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, side, side]})
    n.cont_sentence = L.Input(shape={"dim": [1, 1]})
    n.input_sentence = L.Input(shape={"dim": [1, 1]})
    n[layers[-1].top[0]] = features = L.Input()
    n.probs = L.Softmax(sentences(n, features, words, size), axis=2)
    return writing.joined("LRCN", n, layers)


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": train(), "deploy.prototxt": deploy()})
