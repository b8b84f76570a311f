"""Split layers for blobs that several layers read, with Caffe's names.

Each reader then has a gradient of its own, which Split's backward sums.
"""

import difflib
from collections import Counter

from caffelike.errors import ModelError
from caffelike.graph.definition import Definition, at

Source = tuple[int, int]  # (layer index, top index) that produced a blob


def insert_splits(definitions: list[Definition]) -> list[Definition]:
    """`definitions` with a Split layer behind every top that is read more than once.

    A top with an explicit loss weight counts as one reader more: its split's first top carries the weight.
    Raises ModelError for a bottom that no earlier layer produces, naming near blob names.
    """
    sources, readers, weights = uses(definitions)
    taken: Counter[Source] = Counter()
    result = []
    for i, definition in enumerate(definitions):
        copy = definition.with_copy()
        layer = copy.message
        result.append(copy)
        for j, blob in enumerate(layer.bottom):
            source = sources[i, j]
            if readers[source] > 1:
                producer = definitions[source[0]].message.name
                layer.bottom[j] = _split_blob(blob, producer, source[1], taken[source])
                taken[source] += 1
        for j, blob in enumerate(layer.top):
            if readers[i, j] > 1:
                weight = weights.get((i, j), 0.0)
                result.append(_split(definition, blob, j, readers[i, j], weight))
                if weight:
                    # The weight moved to the split: 0 here, lest a loss layer adds its default 1 again.
                    layer.loss_weight[j] = 0
                    taken[i, j] += 1
    return result


def uses(
    definitions: list[Definition],
) -> tuple[dict[tuple[int, int], Source], Counter[Source], dict[Source, float]]:
    """Who produced each bottom, how often each top is read, and the explicit loss weights."""
    last: dict[str, Source] = {}
    sources: dict[tuple[int, int], Source] = {}
    readers: Counter[Source] = Counter()
    weights: dict[Source, float] = {}
    for i, definition in enumerate(definitions):
        layer = definition.message
        for j, blob in enumerate(layer.bottom):
            if blob not in last:
                raise at(definition.place, unknown_bottom(blob, layer.name, j, list(last)))
            sources[i, j] = last[blob]
            readers[last[blob]] += 1
        for j, blob in enumerate(layer.top):
            last[blob] = (i, j)
        for j, weight in enumerate(layer.loss_weight[: len(layer.top)]):
            if weight:
                weights[i, j] = weight
                readers[i, j] += 1
    return sources, readers, weights


def unknown_bottom(blob: str, layer: str, index: int, known: list[str]) -> ModelError:
    """The error for a bottom that nobody produces."""
    near = [name for name in known if name.lower() == blob.lower()] or difflib.get_close_matches(blob, known, n=3)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return ModelError(
        f"Unknown bottom blob '{blob}' (layer '{layer}', bottom index {index}): no layer before it has this top"
        f" in this phase.{hint}",
        layer=layer,
    )


def made_twice(blob: str, layer: str) -> ModelError:
    """The error for a top that another layer makes already."""
    return ModelError(
        f"Top blob '{blob}' produced by multiple sources: layer '{layer}' makes it again. Give it another name,"
        " or make it the bottom of the same position too (in place) while nobody else reads that.",
        layer=layer,
    )


def _split_blob(blob: str, layer: str, top: int, index: int) -> str:
    return f"{blob}_{layer}_{top}_split_{index}"


def _split(definition: Definition, blob: str, top: int, count: int, weight: float) -> Definition:
    producer = definition.message.name
    layer = type(definition.message)(name=f"{blob}_{producer}_{top}_split", type="Split", bottom=[blob])
    layer.top.extend(_split_blob(blob, producer, top, k) for k in range(count))
    if weight:
        layer.loss_weight.extend([weight] + [0.0] * (count - 1))
    return Definition(layer, definition.place)
