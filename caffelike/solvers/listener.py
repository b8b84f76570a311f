"""What can be told how a training run goes, step by step; the opt-in extras and live displays are such listeners."""

from typing import Any, ClassVar

import numpy as np


class Listener:
    """Told what a solver does: subclass it, override what you need, and append it to `solver.listeners`.

    What is raised in a method ends the training.
    looks_at_gradients: whether `before_update` or `after_update` looks at what parameters' diffs hold. If nobody does,
    ranks of one machine need not show each other all of them.
    """

    looks_at_gradients: ClassVar[bool] = True

    def before_update(self, solver: Any) -> None:
        """The gradients are ready; `solver.current_step` may still be changed."""

    def after_update(self, solver: Any) -> None:
        """The weights have changed; `solver.iter` has not moved on yet."""

    def on_display(self, solver: Any, outputs: dict[str, np.ndarray]) -> None:
        """The loss was shown, with these outputs of the training net."""

    def on_test(self, solver: Any, index: int, scores: dict[str, np.ndarray]) -> None:
        """Test net `index` was run to its end, with these mean outputs."""

    def before_snapshot(self, solver: Any, stem: str) -> None:
        """A snapshot `<stem>.solverstate` is about to be written. Raises FileError to say that it cannot be."""

    def after_snapshot(self, solver: Any, stem: str) -> None:
        """The snapshot is complete on disk."""

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as numbers, strings, lists, dicts and arrays; kept in the snapshot's side file."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; an empty one if the snapshot has none."""
