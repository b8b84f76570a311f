import pytest

import caffelike


@pytest.fixture
def build(tmp_path):
    """A function that builds a net from prototxt text."""

    def make(text, phase=caffelike.TEST, **options):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return caffelike.Net(path, phase, **options)

    return make
