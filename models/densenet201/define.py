"""DenseNet-201: four blocks of 6, 12, 48 and 32 layers, each of which adds 32 channels."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dense
import writing

if __name__ == "__main__":
    writing.main(__file__, "DenseNet-201", dense.body((6, 12, 48, 32), 32, 64), 224, (16, 25))
