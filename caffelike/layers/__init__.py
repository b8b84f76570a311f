"""One file a layer type: its options, its shapes and its definition in plain NumPy.

As in pycaffe, `from caffelike import layers as L` also makes layers for a NetSpec: `L.Convolution(n.data, ...)`.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if not name[:1].isupper():
        raise AttributeError(f"module 'caffelike.layers' has no attribute {name!r}")
    from caffelike import net_spec

    return getattr(net_spec.layers, name)
