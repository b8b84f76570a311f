"""param_str as Faster R-CNN's layers write it: YAML of one line or several, which here is read without YAML."""

import ast
from typing import Any

import numpy as np

from caffelike.blob import Blob
from caffelike.errors import ModelError


def read(layer: Any, **defaults: Any) -> dict[str, Any]:
    """The options of `layer.param_str`: "'feat_stride': 16\\n'scales': [4, 8]", or the same in braces.

    defaults: the known names; a value of None stands for one that has to be given. Raises ModelError for others, and
    for text that cannot be read.
    """
    text = layer.param_str.replace("!!python/tuple", "").replace("\\n", "\n").replace("\\'", "'").strip()
    if not text.startswith("{"):
        text = "{" + ",".join(line.strip().rstrip(",") for line in text.splitlines() if line.strip()) + "}"
    try:
        given = ast.literal_eval(text)
        if not isinstance(given, dict):
            raise ValueError("it is no mapping")
    except (ValueError, SyntaxError) as error:
        raise ModelError(
            f"Layer '{layer.name}' (Python): param_str {layer.param_str!r} cannot be read: {error}."
            " It takes \"'name': value\" lines.",
            layer=layer.name,
        ) from None
    unknown = [name for name in given if name not in defaults]
    missing = [name for name, value in defaults.items() if value is None and name not in given]
    if unknown or missing:
        what = f"has no option {unknown[0]!r}" if unknown else f"needs the option {missing[0]!r}"
        raise ModelError(
            f"Layer '{layer.name}' (Python): {type(layer).__name__} {what} in param_str; it knows"
            f" {', '.join(defaults)}.",
            layer=layer.name,
        )
    return defaults | given


def numbers(layer: Any, *words: tuple[str, Any]) -> dict[str, Any]:
    """The options of a param_str like "640, 640, 16, 0.6": numbers between commas.

    words: (name, int or float), or (name, what it is when left out). Raises ModelError for text that is none.
    """
    given = [part.strip() for part in layer.param_str.split(",")] if layer.param_str.strip() else []
    found = {}
    try:
        if len(given) > len(words):
            raise ValueError(f"there are {len(given)} numbers for {len(words)}")
        for i, (name, kind) in enumerate(words):
            if i >= len(given) and isinstance(kind, type):
                raise ValueError(f"'{name}' is missing")
            found[name] = (kind if isinstance(kind, type) else type(kind))(given[i]) if i < len(given) else kind
    except ValueError as error:
        raise fail(
            layer,
            f"cannot read param_str {layer.param_str!r}: {error}. It takes, between commas:"
            f" {', '.join(name for name, _ in words)}.",
        ) from None
    return found


def fail(layer: Any, text: str) -> ModelError:
    """An error that names the layer, to be raised by the caller."""
    return ModelError(f"Layer '{layer.name}' (Python): {type(layer).__name__} {text}", layer=layer.name)


def rows(blob: Blob) -> np.ndarray:
    """The blob's data (N, ...) as (N, n), with no rows too."""
    return blob.raw_data.reshape(blob.shape[0], int(np.prod(blob.shape[1:])))
