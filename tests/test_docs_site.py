"""What the documentation's site is made of (tools/docs_site.py); `make test` builds it with --strict."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from caffelike.layer_catalog import catalog

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site():
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "tools" / "docs_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_layer_type_has_a_page(site):
    pages = site.pages()
    assert {f"layer-types/{one.type}.md" for one in catalog()} <= set(pages)
    page = pages["layer-types/ReLU.md"]
    assert page.startswith("# ReLU\n")
    assert "| `relu_param.negative_slope` | float | `0.0` | Caffe |" in page
    assert "def forward(x: np.ndarray, y: np.ndarray" in page
    assert "def backward(" in page
    assert "- BVLC Caffe 1.0: " in page
    assert "## The definition" not in pages["layer-types/Data.md"]
    assert "[ReLU](ReLU.md)" in pages["layer-types/index.md"]


def test_no_page_is_missing(site):
    config = SimpleNamespace(nav=[{"Home": "index.md"}, {"Guides": [{"Data": "data.md"}]}])
    (added,) = site.on_config(config).nav[2:]
    assert set(added["More"]) == {path.name for path in (ROOT / "docs").glob("*.md")} - {"data.md"}


def test_docstrings_become_entries(site):
    doc = """y = x * scale^-beta, for |x| <= 1.

    It goes
    on.
    bottoms: x (N, C),
        any of them. tops: y.
    slope 0: of `x`.
    """
    assert list(site.docstring(doc)) == [
        "y = x \\* scale^-beta, for \\|x\\| \\<= 1.",
        "",
        "- It goes on.",
        "- **bottoms:** x (N, C), any of them. tops: y.",
        "- **slope 0:** of `x`.",
    ]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("[data](data.md)", "[data](data.md)"),
        ("[the rng](../caffelike/rng.py)", "the rng (`caffelike/rng.py`)"),
        ("[caffelike/rng.py](../caffelike/rng.py)", "caffelike/rng.py"),
        ("[news](../CHANGELOG.md#top)", "[news](changelog.md#top)"),
        ("[out](https://example.org/a.md)", "[out](https://example.org/a.md)"),
    ],
)
def test_links_lead_to_pages(site, text, made):
    assert site.relink(text, "docs", {"data.md", "changelog.md"}) == made


def test_links_of_the_home_page(site):
    text = site.relink(
        "![digits](docs/digits.png) [data](docs/data.md) [LICENSE](LICENSE)", "", {"data.md", "digits.png"}
    )
    assert text == "![digits](digits.png) [data](data.md) LICENSE"
