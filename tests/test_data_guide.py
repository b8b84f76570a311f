"""docs/data.md is true: its code runs, in order, and prints what it shows; it names every option of ours."""

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_guide_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    printed = ""
    for kind, text in BLOCKS:
        language, _, name = kind.partition(" ")
        if language == "python":
            assert not printed, f"what is printed is not shown: {printed}"
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(text, "data.md", "exec"), names)
            printed = output.getvalue()
        elif name:
            Path(name).write_text(text)
        else:
            assert printed == text
            printed = ""
    assert not printed


def test_the_guide_names_every_option_of_ours():
    proto = (ROOT / "proto" / "layers.proto").read_text(encoding="utf-8")
    own = re.findall(r"(\w+) = 50\d{3}\b.*// caffelike", proto)
    (augment,) = re.findall(r"message AugmentParameter \{(.*?)^\}", proto, re.DOTALL | re.MULTILINE)
    fields = own + re.findall(r"(\w+) = \d+", augment)
    assert len(fields) > 15
    for field in fields:
        assert re.search(rf"`[^`\n]*\b{field}\b[^`\n]*`", GUIDE), field


def test_links_lead_somewhere():
    titles = re.findall(r"^#+ (.*)$", GUIDE, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for link in re.findall(r"\]\(#([^)]*)\)", GUIDE):
        assert link in headings
