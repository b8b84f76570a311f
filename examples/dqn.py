"""Teaches a deep Q-network to catch a ball by playing: three minutes on two cores.

usage: python examples/dqn.py [--dueling] [--iterations 6000]

The game: a ball falls and drifts from side to side; a paddle at the bottom moves left, right or stays. All that the net
sees are the last four frames of 84 x 84 pixels, all that it is told is 1 for a ball caught and -1 for one missed. It is
a narrow form of models/dqn. Prints how many of 100 balls it catches, and how many random moves do.

Source: V. Mnih et al., "Human-level control through deep reinforcement learning", Nature 518, 2015; --dueling: Z. Wang
et al., "Dueling Network Architectures for Deep Reinforcement Learning", ICML 2016.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from learning import command, define, solver

import caffelike
from caffelike import Net

SIDE, CELL, FRAMES = 84, 7, 4  # pixels of a frame and of a step of ball and paddle; frames that the net sees
CELLS = SIDE // CELL
MOVES = (-1, 0, 1)
DISCOUNT, BATCH, MEMORY = 0.95, 32, 4000  # MEMORY: moments that are remembered
FIRST = 200  # moments that are played at random before the learning starts
REFRESH = 100  # iterations between two copies of the net into the one that says what the next moment is worth
CHANGES = {"type": "Adam", "base_lr": 0.0005, "momentum": 0.9, "delta": 1e-8, "display": 250}


class Catch:
    """The game; a ball is in the air for CELLS - 1 moves, and the next one falls when it is down."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.paddle = CELLS // 2
        self.frames = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
        self._throw()

    def _throw(self) -> None:
        self.x, self.y, self.drift = int(self.rng.integers(CELLS)), 0, int(self.rng.choice([-1, 1]))
        self.frames[...] = 0
        self._show()

    def _show(self) -> None:
        self.frames[:-1] = self.frames[1:]
        self.frames[-1] = 0
        for x, y in ((self.x, self.y), (self.paddle, CELLS - 1)):
            self.frames[-1, y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL] = 255

    def move(self, action: int) -> tuple[float, bool]:
        """Do MOVES[action]; returns the reward and whether the ball is down."""
        self.paddle = int(np.clip(self.paddle + MOVES[action], 0, CELLS - 1))
        if not 0 <= self.x + self.drift < CELLS:
            self.drift = -self.drift
        self.x, self.y = self.x + self.drift, self.y + 1
        if self.y < CELLS - 1:
            self._show()
            return 0.0, False
        caught = self.x == self.paddle
        self._throw()
        return (1.0 if caught else -1.0), True


class Memory:
    """The last moments: what was seen, what was done, what came of it."""

    def __init__(self, size: int = MEMORY):
        self.before = np.zeros((size, FRAMES, SIDE, SIDE), np.uint8)
        self.after = np.zeros_like(self.before)
        self.action = np.zeros(size, np.intp)
        self.reward, self.down = np.zeros(size, np.float32), np.zeros(size, bool)
        self.count = 0

    def add(self, before: np.ndarray, action: int, reward: float, down: bool, after: np.ndarray) -> None:
        """Put a moment in the place of the oldest."""
        i = self.count % len(self.reward)
        self.before[i], self.after[i] = before, after
        self.action[i], self.reward[i], self.down[i] = action, reward, down
        self.count += 1

    def some(self, rng: np.random.Generator) -> np.ndarray:
        """Numbers of BATCH moments."""
        return rng.integers(min(self.count, len(self.reward)), size=BATCH)


def targets(reward: np.ndarray, down: np.ndarray, next_worth: np.ndarray) -> np.ndarray:
    """Bellman's equation: what the action was worth. next_worth (N, actions): of the moment after; 0 counts if down."""
    return reward + np.where(down, 0, DISCOUNT * next_worth.max(axis=1))


def best(net: Net, frames: np.ndarray) -> np.ndarray:
    """The best actions for (N, FRAMES, SIDE, SIDE)."""
    return net.forward(frames=frames.astype(np.float32) / 255)["q_values"].argmax(axis=1)


def learn(iterations: int, dueling: bool, folder: Path) -> Net:
    """Play and learn; each move is followed by an iteration of the solver."""
    dqn = define("dqn")
    shape = {"actions": len(MOVES), "widths": (16, 32, 32), "hidden": 128, "dueling": dueling}
    run = solver("dqn", folder, net_param=dqn.net(train=True, **shape), **CHANGES)
    caffelike.init_log()
    player, judge = (Net.build(dqn.net(train=False, **shape), caffelike.TEST) for _ in range(2))
    player.share_with(run.net)
    game, memory, rng = Catch(1), Memory(), np.random.default_rng(0)
    blobs = run.net.blobs
    for i in range(-FIRST, iterations):
        chance = 1 - 0.95 * max(i, 0) / (iterations / 3)
        if rng.random() < max(chance, 0.05):
            action = int(rng.integers(len(MOVES)))
        else:
            action = int(best(player, game.frames[None])[0])
        before = game.frames.copy()
        memory.add(before, action, *game.move(action), game.frames)
        if i < 0:
            continue
        if i % REFRESH == 0:
            for name, params in run.net.params.items():
                for mine, theirs in zip(judge.params[name], params, strict=True):
                    mine.data[...] = theirs.data
        chosen = memory.some(rng)
        worth = judge.forward(frames=memory.after[chosen].astype(np.float32) / 255)["q_values"]
        blobs["frames"].data[...] = memory.before[chosen].astype(np.float32) / 255
        blobs["taken"].data[...] = np.eye(len(MOVES))[memory.action[chosen]]
        blobs["target"].data[...] = targets(memory.reward[chosen], memory.down[chosen], worth)[:, None]
        run.step(1)
    caffelike.log.detach()
    return player


def caught(choose: Callable[[np.ndarray], int], balls: int = 100) -> int:
    """How many balls of a game that nobody has played before are caught by a player."""
    game, rewards = Catch(2), []
    while len(rewards) < balls:
        reward, down = game.move(choose(game.frames))
        if down:
            rewards.append(reward)
    return rewards.count(1.0)


def main(args: argparse.Namespace, folder: Path) -> None:
    """Learn, play."""
    net = learn(args.iterations or 6000, args.dueling, folder)
    rng = np.random.default_rng(3)
    at_random = caught(lambda frames: int(rng.integers(len(MOVES))))
    played = caught(lambda frames: int(best(net, frames[None])[0]))
    print(f"{played} of 100 balls caught; by random moves {at_random}")


if __name__ == "__main__":
    command(__doc__, main, ("--dueling", {"action": "store_true"}))
