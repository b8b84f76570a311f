"""Pictures of nets: pycaffe's draw module, with a DOT writer and a small layout of its own.

`draw_net_to_file(net, "net.svg")` uses Graphviz' program `dot` where it is installed; without it a plain layered
drawing is made here, as SVG, or with Pillow as PNG, JPEG, PDF, BMP, GIF or TIFF. ".dot" and ".raw" are Graphviz' text.
"""

import io
import itertools
import os
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from caffelike.errors import CaffelikeError
from caffelike.files import atomic_path

_SPATIAL = ("Convolution", "Deconvolution", "Pooling")
_LEARNING = ("Convolution", "Deconvolution", "InnerProduct")
_COLORS = {"Convolution": "#FF5050", "Deconvolution": "#FF5050", "Pooling": "#FF9900", "InnerProduct": "#CC33FF"}
_LAYER_COLOR, _IN_PLACE_COLOR, _BLOB_COLOR = "#6495ED", "#90EE90", "#E0E0E0"
_PILLOW = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "pdf": "PDF", "bmp": "BMP", "gif": "GIF", "tiff": "TIFF"}
_DIRECTIONS = ("LR", "RL", "TB", "BT")


@dataclass(frozen=True)
class Node:
    """A layer (a box) or a blob (an octagon) of a drawing."""

    name: str
    label: str
    color: str
    blob: bool = False


@dataclass
class Graph:
    """What is drawn: nodes by name, and edges (from, to, label)."""

    name: str
    rankdir: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str, str]] = field(default_factory=list)


# Labels, as pycaffe writes them ------------------------------------------------------------------


def get_pooling_types_dict() -> dict[int, str]:
    """The names of pooling methods by number."""
    from caffelike.proto import caffe_pb2

    return {number: name for name, number in caffe_pb2.PoolingParameter.PoolMethod.items()}


def get_edge_label(layer: Any) -> str:
    """What stands at a layer's tops: the batch size of data, the num_output of weights, else two quotes (nothing)."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    return str(layer.inner_product_param.num_output) if layer.type == "InnerProduct" else '""'


def get_layer_lr_mult(layer: Any) -> tuple[float, float]:
    """lr_mult of a layer's weights and biases. Raises CaffelikeError for types that have none."""
    if layer.type not in _LEARNING:
        raise CaffelikeError(f"{layer.type} layers do not have a learning rate multiplier")
    if len(layer.param) > 2:
        raise CaffelikeError(f"Layer '{layer.name}' has {len(layer.param)} param blocks; weights and biases are two.")
    rates = [param.lr_mult for param in layer.param] + [1.0, 1.0]
    return rates[0], rates[1]


def _size(options: Any, name: str, default: int) -> str:
    """A kernel's size, stride or pad, as `3` or `3x5`."""
    height, width = ("kernel_h", "kernel_w") if name == "kernel_size" else (f"{name}_h", f"{name}_w")
    if options.HasField(height) or options.HasField(width):
        return f"{getattr(options, height)}x{getattr(options, width)}"
    value = getattr(options, name)
    if hasattr(value, "extend"):
        return "x".join(map(str, value)) or str(default)
    return str(value)


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """The text of a layer in double quotes: name, type, and of spatial layers kernel, stride and pad."""
    lines = [layer.name, f"({layer.type})"]
    if layer.type == "Pooling":
        lines[1] = f"(Pooling {get_pooling_types_dict()[layer.pooling_param.pool]})"
    if layer.type in _SPATIAL:
        options = layer.pooling_param if layer.type == "Pooling" else layer.convolution_param
        for name, title, default in (("kernel_size", "kernel size", 1), ("stride", "stride", 1), ("pad", "pad", 0)):
            lines.append(f"{title}: {_size(options, name, default)}")
    if display_lrm and layer.type in _LEARNING and any(get_layer_lr_mult(layer)):
        weights, biases = get_layer_lr_mult(layer)
        lines.append(f"lr mult: {weights:.1f}, {biases:.1f}")
    # Space is free along the direction of drawing, and a label uses the other one.
    return '"' + (" " if rankdir in ("TB", "BT") else "\\n").join(lines) + '"'


def choose_color_by_layertype(layertype: str) -> str:
    """The colour of a layer type's boxes, `#rrggbb`."""
    return _COLORS.get(layertype, _LAYER_COLOR)


# The graph ---------------------------------------------------------------------------------------


def _shown(layer: Any, phase: int | None) -> bool:
    """Whether a layer is in the net of a phase (None: any), by the phases of its rules alone, as pycaffe judges."""
    if phase is None:
        return True
    if layer.include and layer.exclude:
        raise CaffelikeError(f"layer {layer.name} has both include and exclude specified.")
    if layer.include:
        return any(rule.phase == phase for rule in layer.include)
    return not any(rule.phase == phase for rule in layer.exclude)


def make_graph(
    caffe_net: Any, rankdir: str = "LR", label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Graph:
    """The drawing of a NetParameter of any generation; arguments as for `get_pydot_graph`."""
    from caffelike.schema.upgrade import upgrade_net

    if rankdir not in _DIRECTIONS:
        raise CaffelikeError(f"rankdir is one of {', '.join(_DIRECTIONS)}, not {rankdir!r}.")
    net = type(caffe_net)()
    net.CopyFrom(caffe_net)
    upgrade_net(net, net.name)
    graph = Graph(net.name or "Net", rankdir)
    for layer in net.layer:
        if not _shown(layer, phase):
            continue
        name = f"{layer.name}_{layer.type}"
        in_place = len(layer.bottom) == len(layer.top) == 1 and layer.bottom[0] == layer.top[0]
        color = _IN_PLACE_COLOR if in_place else choose_color_by_layertype(layer.type)
        graph.nodes[name] = Node(name, get_layer_label(layer, rankdir, display_lrm).strip('"'), color)
        label = get_edge_label(layer).strip('"') if label_edges else ""
        for blob in (*layer.bottom, *layer.top):
            graph.nodes.setdefault(f"{blob}_blob", Node(f"{blob}_blob", blob, _BLOB_COLOR, blob=True))
        graph.edges += [(f"{blob}_blob", name, "") for blob in layer.bottom]
        graph.edges += [(name, f"{blob}_blob", label) for blob in layer.top]
    return graph


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def dot_text(graph: Graph) -> str:
    """A graph in Graphviz' language."""
    lines = [f"digraph {_quoted(graph.name)} {{", f"rankdir={graph.rankdir};"]
    for node in graph.nodes.values():
        style = f'shape={"octagon" if node.blob else "box"}, style=filled, fillcolor="{node.color}"'
        lines.append(f"{_quoted(node.name)} [label={_quoted(node.label)}, {style}];")
    lines += [f"{_quoted(a)} -> {_quoted(b)} [label={_quoted(label)}];" for a, b, label in graph.edges]
    return "\n".join([*lines, "}", ""])


def get_pydot_graph(
    caffe_net: Any, rankdir: str, label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Any:
    """The net as a pydot.Dot, for those who want to change it before drawing. Needs pydot (`pip install pydot`).

    caffe_net: a NetParameter. rankdir: "LR", "TB" or "BT". label_edges: write num_output at the tops. phase: leave out
    layers of the other phase. display_lrm: show learning rate multipliers.
    """
    try:
        import pydot
    except ImportError as error:
        raise CaffelikeError("get_pydot_graph needs pydot: pip install pydot. draw_net works without it.") from error
    graph = make_graph(caffe_net, rankdir, label_edges, phase, display_lrm)
    dot = pydot.Dot(_quoted(graph.name), graph_type="digraph", rankdir=rankdir)
    for node in graph.nodes.values():
        style: dict[str, Any] = {
            "shape": "octagon" if node.blob else "box",
            "style": "filled",
            "fillcolor": f'"{node.color}"',
        }
        dot.add_node(pydot.Node(_quoted(node.name), label=_quoted(node.label), **style))
    for source, target, label in graph.edges:
        dot.add_edge(pydot.Edge(_quoted(source), _quoted(target), label=_quoted(label)))
    return dot


# Drawing -----------------------------------------------------------------------------------------


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """The picture of a net (a NetParameter) as the bytes of a file of the type `ext`; see `get_pydot_graph`.

    Raises CaffelikeError for a type that can only be made by Graphviz, when that is not installed.
    """
    graph = make_graph(caffe_net, rankdir, True, phase, display_lrm)
    ext = ext.lower().lstrip(".")
    text = dot_text(graph)
    if ext in ("dot", "gv", "raw"):
        return text.encode()
    if program := shutil.which("dot"):
        done = subprocess.run([program, f"-T{ext}"], input=text.encode(), capture_output=True, check=False)
        if done.returncode:
            raise CaffelikeError(f"Graphviz cannot draw this as {ext}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout
    if ext == "svg":
        return _svg(_Layout(graph)).encode()
    if ext in _PILLOW:
        return _raster(_Layout(graph), _PILLOW[ext])
    raise CaffelikeError(
        f"Without Graphviz' program `dot` nets are drawn as svg, {', '.join(_PILLOW)}, dot and raw, not as '{ext}'."
        " Install Graphviz (apt install graphviz, brew install graphviz), or choose one of these."
    )


def draw_net_to_file(
    caffe_net: Any,
    filename: str | os.PathLike,
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Write `draw_net`'s picture; the file's ending says its type. Raises CaffelikeError and FileError."""
    path = os.fspath(filename)
    picture = draw_net(caffe_net, rankdir, path[path.rfind(".") + 1 :], phase, display_lrm)
    with atomic_path(path) as temporary:
        temporary.write_bytes(picture)


# A layout of our own -------------------------------------------------------------------------------

_LINE, _LETTER, _PAD, _GAP_ALONG, _GAP_ACROSS = 15, 7, 8, 34, 16  # pixels
_SWEEPS = 8


class _Layout:
    """Places of nodes and edges: a node's rank is the longest way to it; in a rank, neighbours pull (Sugiyama).

    boxes: (node, left, top, width, height); lines: (points, label); width, height: of the picture.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.vertical = graph.rankdir in ("TB", "BT")
        edges = self._forward_edges()
        rank = self._ranks(edges)
        self.ways = self._ways(edges, rank)
        self._order(rank)
        self._place(rank)

    def _forward_edges(self) -> list[tuple[str, str, str]]:
        """Edges without those that lead from an in-place layer back to its blob."""
        seen: set[tuple[str, str]] = set()
        kept = []
        for source, target, label in self.graph.edges:
            if (target, source) not in seen:
                seen.add((source, target))
                kept.append((source, target, label))
        return kept

    def _ranks(self, edges: list[tuple[str, str, str]]) -> dict[str, int]:
        # Layers stand in order of execution, so one pass over the edges as they were written is enough.
        rank = dict.fromkeys(self.graph.nodes, 0)
        for source, target, _ in edges:
            rank[target] = max(rank[target], rank[source] + 1)
        return rank

    def _ways(self, edges: list[tuple[str, str, str]], rank: dict[str, int]) -> list[tuple[list[str], str]]:
        """Each edge as the names it passes, one a rank: long ones get points between, so they go around boxes."""
        ways = []
        for i, (source, target, label) in enumerate(edges):
            between = [f"\0{i}:{r}" for r in range(rank[source] + 1, rank[target])]
            rank |= {name: rank[source] + 1 + k for k, name in enumerate(between)}
            ways.append(([source, *between, target], label))
        return ways

    def _order(self, rank: dict[str, int]) -> None:
        """Sort every rank by the mean place of its neighbours, down and up in turn."""
        self.ranks: list[list[str]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
        for name, r in rank.items():
            self.ranks[r].append(name)
        above, below = defaultdict(list), defaultdict(list)
        for way, _ in self.ways:
            for a, b in itertools.pairwise(way):
                above[b].append(a)
                below[a].append(b)
        for sweep in range(_SWEEPS):
            neighbours, order = (below, reversed(self.ranks)) if sweep % 2 else (above, iter(self.ranks))
            place = {name: i for names in self.ranks for i, name in enumerate(names)}
            for names in order:
                pull = {n: sum(place[m] for m in neighbours[n]) / len(neighbours[n]) for n in names if neighbours[n]}
                names.sort(key=lambda n, pull=pull, place=place: pull.get(n, place[n]))  # type: ignore[misc]
                place.update({name: i for i, name in enumerate(names)})
        self.above, self.below = above, below

    def _box(self, name: str) -> tuple[int, int]:
        """(width, height) of a name; of a point that an edge passes a pixel."""
        node = self.graph.nodes.get(name)
        if node is None:
            return 1, 1
        lines = node.label.split("\\n")
        return max(map(len, lines)) * _LETTER + 2 * _PAD, len(lines) * _LINE + 2 * _PAD

    def _place(self, rank: dict[str, int]) -> None:
        sizes = {name: self._box(name) for name in rank}
        along, across = (1, 0) if self.vertical else (0, 1)
        centre: dict[str, float] = {}
        start: dict[str, float] = {}
        position = float(_GAP_ACROSS)
        for names in self.ranks:
            thick = max(sizes[name][along] for name in names)
            edge = float("-inf")
            wish = {n: sum(centre[m] for m in self.above[n]) / len(self.above[n]) for n in names if self.above[n]}
            for name in names:  # as near to what it comes from as its left neighbour lets it
                half = sizes[name][across] / 2
                centre[name] = max(edge + half, wish.get(name, 0.0))
                edge = centre[name] + half + _GAP_ACROSS
                start[name] = position + (thick - sizes[name][along]) / 2
            # Then the row is moved so that what goes on from here (in-place layers do not) stands straight.
            going = [n for n in names if n in wish and self.below[n]] or list(wish)
            move = sum(wish[n] - centre[n] for n in going) / max(1, len(going))
            for name in names:
                centre[name] += move
            position += thick + _GAP_ALONG
        total_along = position - _GAP_ALONG + _GAP_ACROSS
        first = min((centre[n] - sizes[n][across] / 2 for n in rank), default=0.0) - _GAP_ACROSS
        centre = {name: at - first for name, at in centre.items()}
        total_across = max((centre[n] + sizes[n][across] / 2 for n in rank), default=0) + _GAP_ACROSS
        turned = self.graph.rankdir in ("BT", "RL")

        def point(name: str, at: float) -> tuple[float, float]:
            """The picture's (x, y) of a point in the middle of `name`, `at` pixels after its start."""
            a = start[name] + at
            a = total_along - a if turned else a
            return (centre[name], a) if self.vertical else (a, centre[name])

        self.boxes = []
        for name, node in self.graph.nodes.items():
            x, y = point(name, sizes[name][along] / 2)
            width, height = sizes[name]
            self.boxes.append((node, x - width / 2, y - height / 2, width, height))
        self.lines = []
        for way, label in self.ways:
            inner = [point(name, 0.5) for name in way[1:-1]]
            points = [point(way[0], sizes[way[0]][along]), *inner, point(way[-1], 0)]
            both = (way[1], way[0]) in {(a, b) for a, b, _ in self.graph.edges} and len(way) == 2
            self.lines.append((points, label, both))
        size = (total_across, total_along) if self.vertical else (total_along, total_across)
        self.width, self.height = (int(v) + 1 for v in size)


def _svg(layout: _Layout) -> str:
    arrow = '<marker id="a" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="7" markerHeight="7"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width}" height="{layout.height}"'
        ' font-family="monospace" font-size="11.5">',
        f"<title>{escape(layout.graph.name)}</title>",
        f'<defs>{arrow} orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for points, label, both in layout.lines:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        back = ' marker-start="url(#a)"' if both else ""
        out.append(f'<polyline points="{path}" fill="none" stroke="black" marker-end="url(#a)"{back}/>')
        if label:
            (x0, y0), (x1, y1) = points[:2]
            out.append(f'<text x="{(x0 + x1) / 2:.1f}" y="{(y0 + y1) / 2 - 3:.1f}">{escape(label)}</text>')
    for node, x, y, width, height in layout.boxes:
        style = f'rx="{9 if node.blob else 0}" fill="{node.color}" stroke="black"'
        out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{height}" {style}/>')
        for i, line in enumerate(node.label.split("\\n")):
            baseline = y + _PAD + (i + 0.75) * _LINE
            out.append(f'<text x="{x + width / 2:.1f}" y="{baseline:.1f}" text-anchor="middle">{escape(line)}</text>')
    return "\n".join([*out, "</svg>", ""])


_LARGEST = 30_000  # pixels on a side; JPEG ends at 65,535


def _raster(layout: _Layout, kind: str) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    scale = min(1.0, _LARGEST / max(layout.width, layout.height))  # smaller, as Graphviz' own bitmaps are then
    image = Image.new("RGB", (int(layout.width * scale) + 1, int(layout.height * scale) + 1), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(1, 10 * scale))
    for line, label, both in layout.lines:
        points = [(x * scale, y * scale) for x, y in line]
        draw.line(points, fill="black")
        for (x0, y0), (x1, y1) in [(points[-2], points[-1])] + ([(points[1], points[0])] if both else []):
            length = max(1.0, ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)
            dx, dy = (x1 - x0) / length * 7 * scale, (y1 - y0) / length * 7 * scale
            draw.polygon(
                [(x1, y1), (x1 - dx - dy / 2, y1 - dy + dx / 2), (x1 - dx + dy / 2, y1 - dy - dx / 2)], "black"
            )
        if label:
            (x0, y0), (x1, y1) = points[:2]
            draw.text(((x0 + x1) / 2, (y0 + y1) / 2 - 10 * scale), label, fill="black", font=font)
    for node, *box in layout.boxes:
        x, y, width, height = (value * scale for value in box)
        corners = (x, y, x + width, y + height)
        draw.rounded_rectangle(corners, 9 * scale if node.blob else 0, fill=node.color, outline="black")
        for i, text in enumerate(node.label.split("\\n")):
            middle = (x + width / 2, y + (_PAD + (i + 0.5) * _LINE) * scale)
            draw.text(middle, text, fill="black", font=font, anchor="mm")
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()
