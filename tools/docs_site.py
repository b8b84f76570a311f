"""MkDocs hook: the pages of the documentation that are made of something else.

The home page is README.md, the changes are CHANGELOG.md, and every layer type has a page made of its docstring, its
options and the definition's source (caffelike/layer_catalog.py). Links to files of the repository that are no pages
become the files' names. Build with `make docs`.
"""

import inspect
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffelike import registry
from caffelike.layer_catalog import Entry, catalog

ROOT = Path(__file__).resolve().parents[1]
COPIES = {"index.md": "README.md", "changelog.md": "CHANGELOG.md"}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
_LABEL = re.compile(r"^([A-Za-z_][\w, ?*]*?(?: [\w.()-]+)?):\s", re.ASCII)


def on_config(config: Any) -> Any:
    """Add the pages in docs/ that mkdocs.yml does not place, so that none is missing."""
    placed = set(_names(config.nav))
    if others := [path.name for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in placed]:
        config.nav.append({"More": others})
    return config


def _names(nav: Any) -> Iterator[str]:
    """The files that a part of the navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _names(part)


def on_files(files: Any, config: Any) -> Any:
    """Add what is generated to the site's files."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let the page's links lead to pages."""
    name = page.file.src_uri
    folder = "" if name in COPIES else "docs"
    there = {file.src_uri for file in files}
    return relink(markdown, folder, there) if "/" not in name else markdown


def pages() -> dict[str, str]:
    """The generated pages' Markdown, by name."""
    found = {name: (ROOT / source).read_text(encoding="utf-8") for name, source in COPIES.items()}
    entries = catalog()
    found["layer-types/index.md"] = index(entries)
    found |= {f"layer-types/{one.type}.md": layer_page(one) for one in entries}
    return found


def relink(markdown: str, folder: str, there: set[str]) -> str:
    """`markdown`, which lies in `folder` of the repository, with links to pages of the site; others become names.

    there: the names of the pages.
    """

    def link(found: re.Match) -> str:
        picture, text, target = found.groups()
        path, hash_, anchor = target.partition("#")
        if "://" in target or not path:
            return found[0]
        inside = posixpath.normpath(posixpath.join(folder, path))
        copied = {source: name for name, source in COPIES.items()}
        name = copied.get(inside, inside.removeprefix("docs/"))
        if name in there:
            return f"{picture}[{text}]({name}{hash_}{anchor})"
        return text if text.replace("\\", "").rstrip("/") == inside else f"{text} (`{inside}`)"

    return _LINK.sub(link, markdown)


def index(entries: list[Entry]) -> str:
    """The list of all layer types."""
    lines = [
        "# Layer types",
        "",
        f"{len(entries)} types; `caffelike layers TYPE` shows the same on the command line."
        " [A layer of your own](../layers.md) says how to add one.",
        "",
        "| type | what it computes | kernels |",
        "|---|---|---|",
    ]
    for one in entries:
        names = f" ({', '.join(one.names)})" if one.names else ""
        lines.append(f"| [{one.type}]({one.type}.md){names} | {cell(one.summary)} | {', '.join(one.kernels)} |")
    return "\n".join([*lines, ""])


def layer_page(one: Entry) -> str:
    """What is known of a layer type: docstring, options, checks, and the definition in NumPy."""
    parts = [f"# {one.type}", ""]
    if one.names:
        parts += [f"Also called {', '.join(one.names)}.", ""]
    parts += [*docstring(one.doc), ""]
    if one.options:
        parts += ["## Options", "", "| field | type | default | of |", "|---|---|---|---|"]
        for option in one.options:
            default = "" if option.default is None else f"`{option.default}`"
            parts.append(f"| `{option.name}` | {cell(option.type)} | {default} | {cell(option.forks or 'Caffe')} |")
        parts.append("")
    parts += ["## How it runs", "", f"Defined in `{one.module}`. Kernels: {', '.join(one.kernels)}.", ""]
    parts += ["Its numbers were checked against:", ""] if one.checked else []
    for reference, places in one.checked.items():
        parts.append(f"- {escape(reference)}: {len(places)} case{'s' * (len(places) > 1)}")
    if source := definition(one.type):
        parts += ["", "## The definition", "", "```python", source.rstrip(), "```"]
    return "\n".join([*parts, ""])


def docstring(text: str) -> Iterator[str]:
    """A layer's docstring as Markdown: the summary, then an entry a label (`bottoms:`, `Gradient:`)."""
    summary, _, rest = inspect.cleandoc(text).partition("\n\n")
    yield from (escape(" ".join(summary.split())), "")
    entries: list[str] = []
    for line in rest.splitlines():
        last = entries[-1] if entries else ""
        starts = not line.startswith(" ") and (_LABEL.match(line) or not last or last.endswith("."))
        if starts or not entries:
            entries.append(line.strip())
        else:
            entries[-1] = f"{entries[-1]} {line.strip()}".strip()
    for entry in filter(None, entries):
        found = _LABEL.match(entry)
        yield f"- **{escape(found[1])}:** {escape(entry[found.end() :])}" if found else f"- {escape(entry)}"


def definition(name: str) -> str:
    """The source of a type's forward and backward in NumPy; "" for layers that work on blobs themselves."""
    functions = [registry.layers[name].definition(word) for word in ("forward", "backward")]
    return "\n\n".join(inspect.getsource(function) for function in functions if function)


def escape(text: str) -> str:
    """Text that Markdown shows as it is; what is between backquotes stays code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return re.sub(r"([\\*_\[\]<>`|#])", r"\\\1", text)
    quoted = [re.sub(r"([\\*_\[\]<>|#])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts)]
    return "`".join(quoted)


def cell(text: str) -> str:
    """`escape` for a cell of a table, where a bar would end it, in code as well."""
    return escape(text) if "`" not in text else escape(text).replace("|", "\\|").replace("\\\\|", "\\|")
