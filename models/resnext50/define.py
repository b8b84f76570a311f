"""ResNeXt-50 (32x4d): ResNet-50 with 3x3 convolutions of 32 groups."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import residual
import writing

if __name__ == "__main__":
    writing.main(__file__, "ResNeXt-50", residual.body((3, 4, 6, 3), group=32, width=128), 224, (32, 25))
