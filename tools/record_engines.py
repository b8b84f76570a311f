"""Writes tests/golden/engines/<stem>.h5: what other engines (OpenCV, PyTorch, ...) compute for a layer type.

usage: python tools/record_engines.py STEM...        (tools/engines/<stem>.py; needs the extras dev and bench)

For types that BVLC Caffe does not have, and could not record. The files have the form of tests/golden/layers.h5 and are
checked by tests/test_golden_layers.py; run this again only to change the cases.
"""

import importlib
import sys
from pathlib import Path

import h5py
import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "engines"


def record(stem: str) -> None:
    """Run the cases of one file."""
    from caffelike.files import atomic_path

    cases = list(importlib.import_module(f"engines.{stem}").cases())
    with atomic_path(FOLDER / f"{stem}.h5") as path, h5py.File(path, "w") as file:
        for case in cases:
            group = file.create_group(case.name)
            group.attrs.update(prototxt=case.prototxt, phase=case.phase, times=1, engine=case.engine)
            parts = {
                "in": case.inputs,
                "out": case.outputs,
                "param": {f"l/{i}": a for i, a in enumerate(case.params)},
                "topdiff": case.top_diffs,
                "indiff": case.bottom_diffs,
                "paramdiff": {f"l/{i}": a for i, a in enumerate(case.param_diffs)},
            }
            for part, arrays in parts.items():
                for key, values in arrays.items():
                    group.create_dataset(f"{part}/{key}", data=np.asarray(values), compression=None)


if __name__ == "__main__":
    for stem in sys.argv[1:] or sys.exit(__doc__):
        record(stem)
