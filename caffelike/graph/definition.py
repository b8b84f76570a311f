"""A net definition on its way to a net: the layers with the place they were written at."""

from dataclasses import dataclass, replace
from typing import Any

from caffelike.errors import CaffelikeError


@dataclass(frozen=True)
class Definition:
    """One layer's message and its "file:line" (empty when it was made in Python)."""

    message: Any
    place: str = ""

    def with_copy(self) -> "Definition":
        """The same layer with a message of its own, to be changed without touching the caller's."""
        message = type(self.message)()
        message.CopyFrom(self.message)
        return replace(self, message=message)


def at(place: str, error: CaffelikeError) -> CaffelikeError:
    """`error` with the place it belongs to in front of its text."""
    if place and not str(error).startswith(place):
        error.args = (f"{place}: {error}", *error.args[1:])
    return error
