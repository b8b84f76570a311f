"""A character LSTM: it reads a text character by character and says which one comes next."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L

STEPS, STREAMS = 50, 16  # of a training batch: characters, and places of the text that are read side by side
CHARACTERS = 128  # ASCII
UNIFORM = {"type": "uniform", "min": -0.08, "max": 0.08}


def body(n: NetSpec, size: int) -> Any:
    """Characters as vectors, an LSTM of `size` cells, a score for each character that could be next."""
    n.embed = L.Embed(n.char, input_dim=CHARACTERS, num_output=64, bias_term=False, weight_filler=UNIFORM)
    n.lstm = L.LSTM(n.embed, n.cont, recurrent_param={"num_output": size, "weight_filler": UNIFORM})
    n.score = L.InnerProduct(n.lstm, num_output=CHARACTERS, axis=2, weight_filler=UNIFORM)
    return n.score


def train(size: int = 256) -> Any:
    """Batches of STEPS x STREAMS characters; cont is 0 where the text begins, next is the character that follows."""
    n = NetSpec()
    n.char, n.cont, n.next = L.HDF5Data(ntop=3, source="text.txt", batch_size=STEPS)
    score = body(n, size)
    n.loss = L.SoftmaxWithLoss(score, n.next, softmax_param={"axis": 2})
    n.accuracy = L.Accuracy(score, n.next, axis=2)
    message = n.to_proto()
    message.name = "CharLSTM"
    return message


def deploy(size: int = 256) -> Any:
    """One character in, the probabilities of the next one out; the LSTM remembers what came before."""
    n = NetSpec()
    n.char = L.Input(shape={"dim": [1, 1]})
    n.cont = L.Input(shape={"dim": [1, 1]})
    n.prob = L.Softmax(body(n, size), axis=2)
    message = n.to_proto()
    message.name = "CharLSTM"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": train(), "deploy.prototxt": deploy()})
