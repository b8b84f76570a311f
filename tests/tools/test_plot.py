import sys

import pytest
from recorded import GOLDEN

from caffelike.errors import CaffelikeError
from caffelike.tools.plot import CHARTS, _curves, plot
from caffelike.tools.training_log import parse_log

LOG = GOLDEN / "logs" / "train.log"


def test_chart_types_are_caffes():
    assert [chart.title for chart in CHARTS] == [
        f"{y} vs. {x}"
        for y in ("Test accuracy", "Test loss", "Train learning rate", "Train loss")
        for x in ("Iters", "Seconds")
    ]


def test_curves():
    log = parse_log(LOG)
    found = [list(_curves(log, chart)) for chart in CHARTS]
    assert found[0] == [("accuracy", [(0, 0.089), (100, 0.885), (200, 0.911)])]
    assert found[2] == [("loss", [(0, 2.37139), (100, 0.381367), (200, 0.28579)])]
    assert found[4][0][1] == [(0, 0.01), (50, 0.01), (100, 0.01), (150, 0.001)]
    assert found[7][0][1][0] == (0.176633, 2.34889)


@pytest.mark.parametrize("name", ["all.png", "all.svg"])
def test_pictures(tmp_path, name):
    pytest.importorskip("matplotlib")
    logs = [parse_log(LOG), parse_log(LOG.with_name("resume.log"))]
    path = plot(logs, tmp_path / name)
    head = path.read_bytes()[:300]
    assert head.startswith(b"\x89PNG") or b"<svg" in head or b"<?xml" in head
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_wrong_arguments(tmp_path, monkeypatch):
    log = parse_log(LOG)
    with pytest.raises(CaffelikeError, match=r"should end with \.png, \.svg or \.pdf"):
        plot([log], tmp_path / "a.txt")
    with pytest.raises(CaffelikeError, match=r"8 is not a valid chart type\. Charts are 0: Test accuracy vs\. Iters"):
        plot([log], tmp_path / "a.png", [0, 8])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(CaffelikeError, match=r"pip install 'caffelike\[plot\]'"):
        plot([log], tmp_path / "a.png")
