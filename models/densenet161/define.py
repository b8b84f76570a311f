"""DenseNet-161: four blocks of 6, 12, 36 and 24 layers, each of which adds 48 channels."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dense
import writing

if __name__ == "__main__":
    writing.main(__file__, "DenseNet-161", dense.body((6, 12, 36, 24), 48, 96), 224, (16, 25))
