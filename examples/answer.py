"""Teaches an LSTM to answer questions about made pictures it has not seen: two minutes on two cores.

usage: python examples/answer.py [--iterations 1500] [--folder FOLDER]

Each picture shows two coloured shapes beside each other. The questions: what colour is the circle, what shape is red,
what is on the left. Writes pictures and questions into FOLDER (a temporary one), trains a narrow form of
models/image_qa there, together with a small net that looks, and prints how many questions about 500 other drawings
it answers right, and how many without seeing them.

Source: M. Malinowski, M. Rohrbach, M. Fritz, "Ask Your Neurons", ICCV 2015.
"""

import argparse
from pathlib import Path

import h5py
import made_pictures as made
import numpy as np
from learning import command, define, trained

from caffelike import Net

BATCH, BATCHES = 50, 100  # questions; batches to learn from, over and over
SIZE, STEPS = 64, 5
WORDS = ("what", "colour", "shape", "is", "the", "on", *made.SIDES, *made.COLOURS, *made.SHAPES)
ANSWERS = (*made.COLOURS, *made.SHAPES)


def ask(picture: made.Picture, rng: np.random.Generator) -> tuple[str, str]:
    """A question of STEPS words about a picture, and the answer."""
    side = int(rng.integers(2))
    colour, shape = picture[side]
    return (
        (f"what colour is the {shape}", colour),
        (f"what shape is the {colour}", shape),
        (f"what shape is on {made.SIDES[side]}", shape),
        (f"what colour is on {made.SIDES[side]}", colour),
    )[int(rng.integers(4))]


def examples(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """data (count, 3, SIDE, SIDE); question (STEPS, count), numbers of words; answer (count,)."""
    chosen = [made.some(1, rng)[0] for _ in range(count)]
    asked = [ask(picture, rng) for picture in chosen]
    data = np.stack([(made.draw(picture, rng).astype(np.float32) - 127) / 64 for picture in chosen])
    question = np.array([[WORDS.index(word) for word in text.split()] for text, _ in asked]).T
    return data, question, np.array([ANSWERS.index(answer) for _, answer in asked])


def prepare(folder: Path, batches: int = BATCHES) -> None:
    """pictures.h5 and questions.h5 with their lists: BATCH columns of questions, STEPS rows for each batch."""
    rng = np.random.default_rng(1)
    made_up = [examples(BATCH, rng) for _ in range(batches)]
    with h5py.File(folder / "pictures.h5", "w") as file:
        file["data"] = np.concatenate([data for data, _, _ in made_up])
    last = (np.arange(STEPS) == STEPS - 1)[:, None]
    with h5py.File(folder / "questions.h5", "w") as file:
        file["question"] = np.concatenate([question for _, question, _ in made_up]).astype(np.float32)
        file["answer"] = np.concatenate([np.where(last, answer, -1) for _, _, answer in made_up]).astype(np.float32)
        file["cont"] = np.tile((np.arange(STEPS) > 0)[:, None], (batches, BATCH)).astype(np.float32)
    for name in ("pictures", "questions"):
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")


def narrow(train: bool) -> object:
    """models/image_qa for these words, with a net that looks in front."""
    options = {"looking": made.looking(), "steps": STEPS, "words": len(WORDS), "answers": len(ANSWERS), "size": SIZE}
    qa = define("image_qa")
    return qa.train(batch=BATCH, **options) if train else qa.deploy(side=made.SIDE, **options)


def score(net: Net, data: np.ndarray, question: np.ndarray, answer: np.ndarray) -> float:
    """The share of right answers."""
    cont = np.broadcast_to((np.arange(STEPS) > 0)[:, None], question.shape)
    prob = net.forward(data=data, question=question, cont=cont)["prob"]
    return float((prob[-1].argmax(axis=1) == answer).mean())


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train, ask."""
    prepare(folder)
    net = trained("image_qa", folder, args.iterations or 1500, deploy=narrow(False), net_param=narrow(True))
    data, question, answer = examples(500, np.random.default_rng(2))
    print(f"{score(net, data * 0, question, answer):.1%} of 500 answers right without seeing the pictures")
    print(f"{score(net, data, question, answer):.1%} of 500 answers about pictures drawn anew right")


if __name__ == "__main__":
    command(__doc__, main)
