"""The side file of a snapshot, `.caffelike-state`: what Caffe's .solverstate leaves out.

The position in the data, the random keys, the states of recurrent layers, the losses of the display window: with them
a run that was stopped, or killed, goes on to the same bits. It is a NumPy .npz of JSON and arrays, without pickles.
"""

import json
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from caffelike import log

_VERSION = 1
_META = "meta"


def path_of(state: str) -> str:
    """The side file's path for a .solverstate's."""
    return re.sub(r"\.solverstate(\.h5)?$", "", state) + ".caffelike-state"


def write(solver: Any, path: str | os.PathLike) -> None:
    """Write the side file for the solver's present state."""
    meta = {
        "version": _VERSION,
        "iter": solver.iter,
        "fingerprint": _fingerprint(solver),
        "losses": solver.recent_losses(),
        "nets": [_net_state(net) for net in (solver.net, *solver.test_nets)],
        "listeners": {type(one).__name__: one.state() for one in solver.listeners},
    }
    arrays: list[np.ndarray] = []
    packed = json.dumps(_pack(meta, arrays)).encode()
    members = {_META: np.frombuffer(packed, np.uint8)} | {f"a{i}": array for i, array in enumerate(arrays)}
    with open(path, "wb") as file:
        np.savez(file, **members)


def read(solver: Any, path: str) -> bool:
    """Go on exactly where the side file says, if it is there and belongs to the weights just restored.

    Otherwise that is logged, and the data start at their first record, as in Caffe. Whether it was used.
    """
    for listener in solver.listeners:
        listener.restore({})
    if not Path(path).is_file():
        log.info("sgd_solver.cpp:336", f"No {path}: the data start at their first record.")
        return False
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            meta = _unpack(json.loads(file[_META].tobytes()), file)
        nets = [solver.net, *solver.test_nets]
        problem = _mismatch(solver, meta, nets)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        problem = f"it cannot be read ({error})"
    if problem:
        log.warning("sgd_solver.cpp:336", f"{path} is not used: {problem}. The data start at their first record.")
        return False
    for net, saved in zip(nets, meta["nets"], strict=True):
        _restore_net(net, saved)
    states = meta.get("listeners", {})
    for listener in solver.listeners:
        listener.restore(states.get(type(listener).__name__, {}))
    solver.continue_losses(meta["losses"])
    return True


def _mismatch(solver: Any, meta: dict[str, Any], nets: list[Any]) -> str:
    if meta["version"] != _VERSION:
        return f"its version is {meta['version']}, this caffelike knows {_VERSION}"
    if meta["iter"] != solver.iter or meta["fingerprint"] != _fingerprint(solver):
        return "it belongs to other weights than the solver state"
    ours = [[(node.name, node.layer.type) for node in net._nodes] for net in nets]
    theirs = [[(layer["name"], layer["type"]) for layer in net["layers"]] for net in meta["nets"]]
    return "" if ours == theirs else "the net's layers are others than when it was written"


def _fingerprint(solver: Any) -> int:
    """A checksum of weights and histories: says whether a side file belongs to them."""
    crc = 0
    for array in (solver.net.arena_data, *solver.history):
        crc = zlib.crc32(array, crc)
    return crc


def _net_state(net: Any) -> dict[str, Any]:
    """The random keys of a net's layers, the positions of its data layers, the states of its recurrent ones."""
    layers = []
    for node in net._nodes:
        entry = {"name": node.name, "type": node.layer.type}
        if node.key is not None:
            entry["key"] = node.key
        if hasattr(node.layer, "state"):
            entry["state"] = node.layer.state()
        if carried := {name: node.arrays[name] for name in _carried(node) if name in node.arrays}:
            entry["carried"] = carried
        layers.append(entry)
    return {"layers": layers}


def _restore_net(net: Any, saved: dict[str, Any]) -> None:
    for node, entry in zip(net._nodes, saved["layers"], strict=True):
        if "key" in entry and node.key is not None:
            node.key[...] = entry["key"]
        if "state" in entry and hasattr(node.layer, "restore"):
            node.layer.restore(entry["state"])
        # A net that has not run yet has no arrays: its plan then takes these.
        for name in _carried(node):
            there, array = node.arrays.get(name), entry.get("carried", {}).get(name)
            if there is not None and array is not None and there.shape == array.shape:
                there[...] = array
            elif there is not None:
                there[...] = 0
            elif array is not None:
                node.arrays[name] = array


def _carried(node: Any) -> list[str]:
    """The arrays that a recurrent layer takes from one pass to the next: its states, where they are not exposed."""
    names = [f"{state}_state" for state in getattr(node.layer, "states", ())]
    return [name for name in names if name in node.layer.saved]


def _pack(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` as JSON holds it; arrays are moved to `arrays` and leave their number."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"items": {str(k): _pack(v, arrays) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_pack(v, arrays) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return file[f"a{value['array']}"]
        return {k: _unpack(v, file) for k, v in value["items"].items()}
    if isinstance(value, list):
        return [_unpack(v, file) for v in value]
    return value
