"""Teaches a character LSTM a text, which it then writes from memory, given the first letters: a minute on two cores.

usage: python examples/char_lstm.py [--text FILE] [--iterations 600] [--folder FOLDER]

Without FILE the text is the one below. Writes text.h5 and text.txt into FOLDER (a temporary one), trains
models/char_lstm there, prints what the trained net writes, and how much of the text that is.

Source: A. Graves, "Generating Sequences With Recurrent Neural Networks", 2013.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
from learning import command, trained

from caffelike import Net

STREAMS = 16  # places of the text that the net reads side by side, see models/char_lstm/define.py
GIVEN = 5  # characters of the text that it is given
TEXT = """\
The keeper of the lighthouse wrote down every ship. On Monday there was one, a trawler, with gulls behind it.
On Tuesday there was fog, and he wrote: fog. On Wednesday a boat with a red sail came so near that he could read
its name, and the child at the rudder waved; he wrote the name, the hour, the wind, and then, because there was
room left on the line, that somebody had waved. On Thursday it rained. On Friday he read what he had written,
from the first page on, and found that in eleven years nobody else had.
"""


def prepare(folder: Path, text: str = TEXT) -> None:
    """text.h5 and text.txt for the training net: char, cont and next, a row for each character, a column a stream.

    Every stream is the whole text, over and over, from another place on.
    """
    code = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.float32)
    start = np.arange(STREAMS) * len(code) // STREAMS
    place = (np.arange(len(code))[:, None] + start) % len(code)
    with h5py.File(folder / "text.h5", "w") as file:
        file["char"] = code[place]
        file["cont"] = (place != 0).astype(np.float32)
        file["next"] = code[(place + 1) % len(code)]
    (folder / "text.txt").write_text("text.h5\n")


def recite(net: Net, given: str, length: int) -> str:
    """What the net writes, `length` characters with those given: after each the likeliest."""
    text = given
    for i in range(length - 1):
        prob = net.forward(char=[[ord(text[i])]], cont=[[float(i > 0)]])["prob"]
        if i + 1 == len(text):
            text += chr(int(prob.argmax()))
    return text


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train, write, compare."""
    text = args.text.read_text(encoding="ascii") if args.text else TEXT
    prepare(folder, text)
    net = trained("char_lstm", folder, args.iterations)
    written = recite(net, text[:GIVEN], len(text))
    print(written)
    same = sum(a == b for a, b in zip(written[GIVEN:], text[GIVEN:], strict=True))
    print(f"{same} of {len(text) - GIVEN} characters as in the text")


if __name__ == "__main__":
    command(__doc__, main, ("--text", {"type": Path}))
