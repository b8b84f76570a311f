"""Neural image question answering: an LSTM reads a question about a picture and answers it with a word."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L

STEPS, BATCH = 30, 100  # words of a question; questions
FEATURES = 1024  # of GoogLeNet's pool5/7x7_s1
WORDS, ANSWERS, SIZE = 1600, 900, 500  # about those of DAQUAR; cells of the LSTM
UNIFORM = {"weight_filler": {"type": "uniform", "min": -0.08, "max": 0.08}}


def body(n: NetSpec, words: int, answers: int, size: int) -> Any:
    """Words and the picture's features -> scores of the answers after each word.

    The features are the LSTM's static input: its weights times them are added at each step, which is what the
    publication's joining of word and features does.
    """
    n.embedding = L.Embed(n.question, input_dim=words, num_output=size, bias_term=False, **UNIFORM)
    n.lstm = L.LSTM(n.embedding, n.cont, n.features, recurrent_param={"num_output": size, **UNIFORM})
    n.score = L.InnerProduct(n.lstm, num_output=answers, axis=2, **UNIFORM)
    return n.score


def train(
    looking: list[Any] | None = None,
    steps: int = STEPS,
    batch: int = BATCH,
    words: int = WORDS,
    answers: int = ANSWERS,
    size: int = SIZE,
) -> Any:
    """Features, questions and answers from HDF5; the answer stands at the question's last word, -1 at the others.

    looking: layers from data to features, to be trained with the rest; the HDF5 files then hold data.
    """
    n = NetSpec()
    n["data" if looking else "features"] = L.HDF5Data(source="pictures.txt", batch_size=batch)
    if looking:
        n.features = L.Input()  # stands for the layers that look
    n.question, n.cont, n.answer = L.HDF5Data(ntop=3, source="questions.txt", batch_size=steps)
    score = body(n, words, answers, size)
    n.loss = L.SoftmaxWithLoss(score, n.answer, softmax_param={"axis": 2}, loss_param={"ignore_label": -1})
    n.accuracy = L.Accuracy(score, n.answer, axis=2, ignore_label=-1)
    return writing.joined("ImageQA", n, looking) if looking else _named(n)


def deploy(
    looking: list[Any] | None = None,
    side: int = 0,
    steps: int = STEPS,
    features: int = FEATURES,
    words: int = WORDS,
    answers: int = ANSWERS,
    size: int = SIZE,
) -> Any:
    """One question about one picture; the answer's probabilities after each word."""
    n = NetSpec()
    if looking:
        n.data = L.Input(shape={"dim": [1, 3, side, side]})
    n.features = L.Input(shape={"dim": [1, features]})
    n.question = L.Input(shape={"dim": [steps, 1]})
    n.cont = L.Input(shape={"dim": [steps, 1]})
    n.prob = L.Softmax(body(n, words, answers, size), axis=2)
    return writing.joined("ImageQA", n, looking) if looking else _named(n)


def _named(n: NetSpec) -> Any:
    message = n.to_proto()
    message.name = "ImageQA"
    return message


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": train(), "deploy.prototxt": deploy()})
