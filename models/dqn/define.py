"""Deep Q-network: four frames of a game in, the worth of each action out."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import NetSpec
from caffelike import layers as L
from caffelike import params as P

ACTIONS, BATCH = 18, 32  # of an Atari; moments of the past in a batch
WIDTHS, HIDDEN = (32, 64, 64), 512
FILLER = {"weight_filler": {"type": "xavier"}}


def body(n: NetSpec, actions: int, widths: tuple[int, ...], hidden: int, dueling: bool) -> Any:
    """Three convolutions and a full layer -> q_values (N, actions)."""
    top = n.frames
    for i, (width, kernel, stride) in enumerate(zip(widths, (8, 4, 3), (4, 2, 1), strict=True), 1):
        top = n[f"conv{i}"] = L.Convolution(top, num_output=width, kernel_size=kernel, stride=stride, **FILLER)
        n[f"relu{i}"] = L.ReLU(top, in_place=True)
    if not dueling:
        n.q_values = L.InnerProduct(_hidden(n, top, hidden, "4"), num_output=actions, **FILLER)
        return n.q_values
    # The worth of the moment, and what each action adds to it, less the mean of that over the actions
    n.value = L.InnerProduct(_hidden(n, top, hidden, "_value"), num_output=1, **FILLER)
    n.values = L.Tile(n.value, axis=1, tiles=actions)
    n.advantage = L.InnerProduct(_hidden(n, top, hidden, "_advantage"), num_output=actions, **FILLER)
    n.centred = L.MVN(n.advantage, across_channels=True, normalize_variance=False)
    n.q_values = L.Eltwise(n.values, n.centred, operation=P.Eltwise.SUM)
    return n.q_values


def _hidden(n: NetSpec, top: Any, size: int, suffix: str) -> Any:
    top = n[f"fc{suffix}"] = L.InnerProduct(top, num_output=size, **FILLER)
    n[f"relu{suffix}"] = L.ReLU(top, in_place=True)
    return top


def net(
    train: bool,
    actions: int = ACTIONS,
    widths: tuple[int, ...] = WIDTHS,
    hidden: int = HIDDEN,
    dueling: bool = False,
) -> Any:
    """frames (N, 4, 84, 84) -> q_values; when training also the loss.

    The loss is the square of Bellman's error, cut to a slope of 1 where it is above 1: q_values of the action that was
    taken (1 in `taken`, 0 at the others) less `target`: reward + discount * the best q_value of what came next.
    """
    n = NetSpec()
    batch = BATCH if train else 1
    n.frames = L.Input(shape={"dim": [batch, 4, 84, 84]})
    if train:
        n.target = L.Input(shape={"dim": [batch, actions]})
        n.taken = L.Input(shape={"dim": [batch, actions]})
    worth = body(n, actions, widths, hidden, dueling)
    if train:
        n.loss = L.SmoothL1Loss(worth, n.target, n.taken)
    message = n.to_proto()
    message.name = "DuelingDQN" if dueling else "DQN"
    return message


if __name__ == "__main__":
    files = {
        "train.prototxt": net(train=True),
        "deploy.prototxt": net(train=False),
        "dueling_train.prototxt": net(train=True, dueling=True),
        "dueling_deploy.prototxt": net(train=False, dueling=True),
    }
    writing.save(__file__, files)
