"""A net counted as its paper's table counts it: `caffelike summary FILE --style NAME`.

Everything comes from the built net. Operations are multiply-accumulates, as the papers count them; weights are
counted without biases where the paper's are. What a publication rounds or errs in is said in its style's notes.
"""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net
from caffelike.summary import summarize


class Table(NamedTuple):
    """columns: their titles. rows: numbers and words. notes: lines below, the totals first."""

    columns: list[str]
    rows: list[list[Any]]
    notes: list[str]


class Unit(NamedTuple):
    """A convolution, inner product or pooling of a net.

    kernel: side of its window (0: all of its input). output: channels, height, width. weights: without biases.
    """

    name: str
    kind: str
    kernel: int
    stride: int
    group: int
    output: tuple[int, int, int]
    weights: int
    parameters: int
    macs: int
    field: int


def units(net: Net) -> list[Unit]:
    """The units of a net in order, for one image."""
    found = []
    for row in summarize(net).layers:
        if row.type not in ("Convolution", "InnerProduct", "Pooling"):
            continue
        layer = net.layer_dict[row.name]
        shape = next(iter(row.tops.values()))
        batch, *sizes = shape
        channels, height, width = (*sizes, 1, 1)[:3]
        output = channels, height, width
        own = net.params.get(row.name)
        p = layer.message.convolution_param if row.type == "Convolution" else layer.message.pooling_param
        spatial = layer.options.get("kernel", (0,)) if row.type != "InnerProduct" else (0,)
        whole = row.type == "Pooling" and p.global_pooling
        field = max((max(f.size) for f in row.receptive_field.values() if f.size), default=0)
        stride = layer.options.get("stride", (1,))[0] if row.type != "InnerProduct" else 1
        found.append(
            Unit(
                row.name, row.type, 0 if whole else int(spatial[0]), int(stride),
                int(p.group) if row.type == "Convolution" else 1, output, own[0].count if own else 0, row.parameters,
                row.macs // max(1, batch), field,
            )
        )  # fmt: skip
    if not found:
        raise CaffelikeError(f"Net '{net.name}' has no convolution, pooling or inner product to tabulate.")
    return found


def table(net: Net, style: str) -> Table:
    """The table of a style, see STYLES. Raises CaffelikeError for unknown ones, and nets that it does not fit."""
    if style not in STYLES:
        raise CaffelikeError(f"There is no style '{style}'; there are {', '.join(STYLES)}.")
    return STYLES[style](net)


def _size(output: Sequence[int]) -> str:
    return f"{output[1]}x{output[2]}x{output[0]}"


def _totals(found: Sequence[Unit]) -> str:
    weights, macs = sum(u.parameters for u in found), sum(u.macs for u in found)
    return f"{weights / 1e6:.1f} million parameters, {macs / 1e9:.2f} x 10^9 multiply-accumulates"


def krizhevsky(net: Net) -> Table:
    """AlexNet's layers by their neurons (Krizhevsky, Sutskever and Hinton, 2012)."""
    found = units(net)
    rows: list[list[Any]] = []
    for u in found:
        if u.kind != "Pooling":
            window = f"{u.kernel}x{u.kernel}/{u.stride}" if u.kind == "Convolution" else "all"
            count = u.output[0] * u.output[1] * u.output[2]
            rows.append([u.name, window, u.group, _size(u.output), count, u.parameters, u.field])
    neurons = [row[4] for row in rows]
    notes = [
        _totals(found),
        "Neurons: " + "-".join(f"{n:,}" if n > 9999 else str(n) for n in neurons),
        "The paper prints 253,440 neurons for its first layer, but 55x55x96 are 290,400; its other numbers agree.",
    ]
    return Table(["layer", "window/stride", "groups", "output", "neurons", "parameters", "field"], rows, notes)


def simonyan(net: Net) -> Table:
    """A column of VGG's configurations, and what stacked 3x3 windows see (Simonyan and Zisserman, 2014)."""
    found = units(net)
    rows = []
    for u in found:
        if u.kind == "Convolution":
            word = f"conv{u.kernel}-{u.output[0]}"
        elif u.kind == "Pooling":
            word = "maxpool"
        else:
            word = f"FC-{u.output[0]}"
        rows.append([word, _size(u.output), u.parameters, u.field])
    layers = sum(u.kind != "Pooling" for u in found)
    notes = [
        _totals(found),
        f"{layers} weight layers. Three 3x3 windows see 7x7 pixels with 27 weights for each pair of channels, where one"
        " of 7x7 has 49.",
    ]
    return Table(["configuration", "output", "parameters", "field"], rows, notes)


def szegedy(net: Net) -> Table:
    """GoogLeNet's table, an inception module a row (Szegedy and others, 2015)."""
    parts = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
    heads = [
        "type",
        "patch/stride",
        "output",
        "depth",
        *(f"#{p.replace('_', ' ')}" for p in parts),
        "params",
        "ops",
        "field",
    ]
    rows = []
    for name, group in groupby(units(net), key=lambda u: u.name.partition("/")[0]):
        of = [u for u in group if not u.name.startswith("loss") or u.kind == "InnerProduct"]
        weighted = [u for u in of if u.kind != "Pooling"]
        if not of:
            continue
        wide = {u.name.partition("/")[2]: u.output[0] for u in weighted}
        inception = {"1x1", "3x3", "5x5"} <= set(wide)
        last = of[-1]
        channels = (
            sum(wide[p] for p in ("1x1", "3x3", "5x5", "pool_proj") if p in wide) if inception else last.output[0]
        )
        kind = (
            "inception"
            if inception
            else {"Convolution": "convolution", "InnerProduct": "linear"}.get(last.kind, "pool")
        )
        patch = (
            ""
            if inception or last.kind == "InnerProduct"
            else f"{last.kernel or last.output[1]}x{last.kernel or 1}/{last.stride}"
        )
        if kind == "pool" and not last.kernel:
            patch = "global"
        rows.append(
            [f"{kind} ({name.removeprefix('inception_')})" if inception else kind, patch,
             _size((channels, *last.output[1:])), 2 if inception or len(weighted) == 2 else len(weighted),
             *(wide.get(p, "") if inception or p == "3x3_reduce" else "" for p in parts),
             _short(sum(u.weights for u in weighted), 1024), _short(sum(u.macs for u in weighted), 1000),
             max(u.field for u in of)]
        )  # fmt: skip
    notes = [
        _totals(units(net)),
        "params: weights, K = 1024, M = 1024^2; ops: multiply-accumulates. The paper rounds differently, and prints"
        " other numbers than its own widths give for the first convolution (2.7K/34M), 4c (463K) and 5a (1072K/54M).",
    ]
    return Table(heads, rows, notes)


def he(net: Net) -> Table:
    """ResNet's table, a stage a row (He and others, 2016)."""
    found = units(net)
    rows: list[list[Any]] = []
    for stage, group in groupby(found, key=lambda u: _match(r"(res\d+)[a-z]", u.name) or u.name):
        of = list(group)
        blocks = sorted({_match(r"(res\d+[a-z]\d*)_", u.name) for u in of})
        first = [u for u in of if u.name.startswith(f"{blocks[0]}_branch2")] if blocks[0] else of[:1]
        words = "; ".join(_window(u) for u in first)
        text = f"[{words}] x {len(blocks)}" if blocks[0] else words
        rows.append([stage.replace("res", "conv") + ("_x" if blocks[0] else ""), _size(of[-1].output), text,
                     sum(u.parameters for u in of), sum(u.macs for u in of), max(u.field for u in of)])  # fmt: skip
    notes = [
        _totals(found),
        "The paper counts multiply-accumulates as FLOPs: 1.8, 3.6, 3.8, 7.6 and 11.3 x 10^9 for 18 to 152 layers.",
    ]
    return Table(["layer", "output", "blocks", "parameters", "MACs", "field"], rows, notes)


def huang(net: Net) -> Table:
    """DenseNet's table, a dense block or a transition a row (Huang and others, 2017)."""
    found = units(net)
    rows: list[list[Any]] = []

    def part(u: Unit) -> str:
        block = _match(r"conv(\d+)_\d+/x", u.name)
        return f"dense block ({int(block) - 1})" if block else f"transition {u.name}" if "_blk" in u.name else u.name

    for name, group in groupby(found, key=part):
        of = list(group)
        if name.startswith("dense"):
            pairs = [u for u in of if u.name.endswith("/x1")]
            text = f"[{_window(of[0])}; {_window(of[1])}] x {len(pairs)}"
        else:
            text = "; ".join(_window(u) for u in of)
        rows.append([name, _size(of[-1].output), text, sum(u.parameters for u in of), sum(u.macs for u in of),
                     max(u.field for u in of)])  # fmt: skip
    growth = next((u.output[0] for u in found if u.name.endswith("/x2")), 0)
    return Table(
        ["layer", "output of the last", "layers", "parameters", "MACs", "field"],
        rows,
        [_totals(found), f"growth rate {growth}"],
    )


def _window(u: Unit) -> str:
    if u.kind == "InnerProduct":
        return f"{u.output[0]}-d fc"
    if u.kind == "Pooling":
        return f"{u.kernel}x{u.kernel} pool, stride {u.stride}" if u.kernel else "global average pool"
    return f"{u.kernel}x{u.kernel}, {u.output[0]}" + (f", stride {u.stride}" if u.stride > 1 else "")


def _match(pattern: str, name: str) -> str:
    found = re.match(pattern, name)
    return found.group(1) if found else ""


def _short(count: int, thousand: int) -> str:
    if count < thousand:
        return str(count) if count else ""
    for letter, unit in (("M", thousand**2), ("K", thousand)):
        if count >= 10 * unit or letter == "K":
            return f"{count / unit:.0f}{letter}" if count >= 10 * unit else f"{count / unit:.1f}{letter}"
    return str(count)


STYLES: dict[str, Callable[[Net], Table]] = {
    "krizhevsky": krizhevsky,
    "simonyan": simonyan,
    "szegedy": szegedy,
    "he": he,
    "huang": huang,
}
