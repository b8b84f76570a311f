"""EntropyLoss by torch.special.entr."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case, pytorch


def cases() -> Iterator[Case]:
    """Probabilities of five classes."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    p = np.exp(normal(6, 5))
    p /= p.sum(axis=1, keepdims=True)
    layer = 'type: "EntropyLoss" bottom: "p" top: "loss"'
    yield pytorch("pytorch", layer, {"p": p}, lambda p: {"loss": torch.special.entr(p).sum() / len(p)})
