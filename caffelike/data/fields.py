"""Fields of data layers that only forks of Caffe know."""

from collections.abc import Iterable
from typing import Any

from caffelike import log
from caffelike.errors import ModelError
from caffelike.schema.dialects import forks_of

# They change how fast data arrive, or what is printed or shown, but no number.
_HINTS = {
    "threads", "parser_threads", "cache", "precache", "disk_reader_threads", "use_gpu_transform", "display",
    "debug_params", "debug_display", "visualize",
}  # fmt: skip


def refuse_forks(message: Any, known: Iterable[str], layer: str) -> None:
    """Refuse what a fork would do to the data and this package does not.

    A field outside `known` that is set to other than its default raises ModelError; speed hints are noted instead.
    """
    names = set(known)
    for field, value in message.ListFields():
        if field.name in names or field.is_extension:
            continue
        if not field.is_repeated and field.message_type is None and value == field.default_value:
            continue
        owner = message.DESCRIPTOR.name
        if field.name in _HINTS:
            log.info("fields.py:32", f"Layer '{layer}': {field.name} of {owner} is ignored: it changes no number.")
            continue
        raise ModelError(
            f"{owner} field {field.name} is known (from: {forks_of(owner, field.name) or 'a fork of Caffe'}), but not"
            " supported yet. Remove it if the data may stay as BVLC Caffe delivers them.",
            layer=layer,
        )
