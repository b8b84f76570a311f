"""Builds what caffelike/schema loads from proto/: the descriptor set and the table of the forks' fields.

usage: python tools/build_schema.py           write caffelike/schema/caffelike.desc and forks.json
       python tools/build_schema.py --check   exit 1 when the checked-in files are not what proto/ gives
"""

import json
import re
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
TARGET = ROOT / "caffelike" / "schema"


def compile_sources() -> descriptor_pb2.FileDescriptorSet:
    """All of proto/ as one descriptor set, with the comments (source info) still in it."""
    names = sorted(path.name for path in SOURCES.glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.desc"
        include = resources.files("grpc_tools") / "_proto"
        arguments = ["protoc", f"-I{SOURCES}", f"-I{include}", "--include_source_info"]
        if protoc.main([*arguments, "--include_imports", f"--descriptor_set_out={out}", *names]):
            raise SystemExit("protoc refused proto/*.proto; its message is above")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


def describe(message, path: tuple[int, ...], name: str, comments: dict, table: dict) -> None:
    """Put into `table` who has which field and enum word of `message`, recursively."""
    whole = comments.get(path, "")
    for index, field in enumerate(message.field):
        if forks := comments.get((*path, 2, index), "") or whole:
            table[f"{name}.{field.name}"] = forks
    for index, nested in enumerate(message.nested_type):
        describe(nested, (*path, 3, index), f"{name}.{nested.name}", comments, table)
    for index, enum in enumerate(message.enum_type):
        for position, value in enumerate(enum.value):
            if forks := comments.get((*path, 4, index, 2, position), "") or whole:
                table[f"{name}.{enum.name}.{value.name}"] = forks


def fork_table(files: descriptor_pb2.FileDescriptorSet, forks: set[str]) -> dict[str, str]:
    """{"LayerParameter.permute_param": "ssd, yolo, happynear 224"} from the comments in proto/."""
    table: dict[str, str] = {}
    for file in files.file:
        comments = {}
        for location in file.source_code_info.location:
            text = (location.trailing_comments or location.leading_comments).strip()
            words = re.split(r", ", text.partition(";")[0])
            if text and all(word.split(" ")[0] in forks for word in words):
                comments[tuple(location.path)] = text
        for index, message in enumerate(file.message_type):
            describe(message, (4, index), message.name, comments, table)
    return dict(sorted(table.items()))


def fork_names() -> set[str]:
    """The names proto/README.md lists, and our own."""
    rows = (SOURCES / "README.md").read_text(encoding="utf-8").partition("| fork |")[2].splitlines()
    cells = [row.split("|")[1] for row in rows[2:] if row.startswith("|")]
    return {name.strip() for cell in cells for name in cell.split(",")} | {"caffelike"}


def build() -> dict[Path, bytes]:
    """The generated files' contents; independent of the protoc version."""
    files = compile_sources()
    table = fork_table(files, fork_names())
    for file in files.file:
        file.ClearField("source_code_info")
        messages = list(file.message_type)
        while messages:
            message = messages.pop()
            messages.extend(message.nested_type)
            for field in message.field:
                field.ClearField("json_name")
    return {
        TARGET / "caffelike.desc": files.SerializeToString(deterministic=True),
        TARGET / "forks.json": (json.dumps(table, indent=0) + "\n").encode(),
    }


def main() -> None:
    built = build()
    if sys.argv[1:] == ["--check"]:
        stale = [p.name for p, data in built.items() if not p.exists() or p.read_bytes() != data]
        if stale:
            raise SystemExit(f"{', '.join(stale)}: not current; run python tools/build_schema.py")
        return
    for path, data in built.items():
        path.write_bytes(data)


if __name__ == "__main__":
    main()
