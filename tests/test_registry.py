"""Looking names up: by the file that is called so, then in all of them."""

import subprocess
import sys

import pytest

from caffelike import registry
from caffelike.errors import ModelError

LOOK = """
import sys
from caffelike import registry
def imported():
    return {name.rpartition(".")[2] for name in sys.modules if name.startswith("caffelike.layers.")}
assert registry.layers["InnerProduct"].__name__ == "InnerProduct"
assert "inner_product" in imported() and "convolution" not in imported()
assert registry.layers.first("ReLU") == "ReLU"
try:
    registry.register("Convolution")(type("Mine", (), {"__module__": "elsewhere"}))
except registry.ModelError as error:
    assert "caffelike.layers.convolution" in str(error)
else:
    raise SystemExit("a type of ours was replaced")
assert "Unheard" not in registry.layers
assert {"convolution", "pooling", "lstm"} <= imported()
"""


def test_a_file_is_imported_when_its_type_is_named():
    result = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_unknown_names_come_with_near_ones():
    with pytest.raises(ModelError, match="Did you mean InnerProduct"):
        registry.layers["InerProduct"]
