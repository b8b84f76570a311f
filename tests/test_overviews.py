"""models/README.md and examples/README.md: nothing is missing, and what they repeat is what is said elsewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODELS = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
EXAMPLES = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
ROWS = {
    folder: (name, parameters, macs)
    for name, folder, parameters, macs in re.findall(
        r"^\| \[(.+?)\]\((\w+)/README\.md\) \|.*\| (.*?) \| (.*?) \|$", MODELS, re.MULTILINE
    )
}
FOLDERS = sorted(readme.parent.name for readme in (ROOT / "models").glob("*/README.md"))


def number(text: str) -> float:
    """61.0 M -> 61e6; half a unit of the last digit may be missing."""
    value, unit = text.split()
    return float(value) * {"K": 1e3, "M": 1e6, "G": 1e9}[unit]


def test_every_model_has_one_row():
    assert sorted(ROWS) == FOLDERS
    assert MODELS.count("/README.md) |") == len(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_row_says_what_the_models_readme_says(folder):
    readme = (ROOT / "models" / folder / "README.md").read_text(encoding="utf-8")
    name, parameters, macs = ROWS[folder]
    assert f"\n# {name}\n" in f"\n{readme}"
    if found := re.search(r"([\d,]+) parameters, ([\d,]+) multiply-accumulates", readme):
        for shown, counted in zip((parameters, macs), found.groups(), strict=True):
            assert number(shown) == pytest.approx(int(counted.replace(",", "")), rel=0.01, abs=0.05e6)


def test_every_example_is_listed():
    for script in (ROOT / "examples").glob("*.py"):
        assert script.name in EXAMPLES


@pytest.mark.parametrize("page", [ROOT / "models" / "README.md", ROOT / "examples" / "README.md"])
def test_links(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
