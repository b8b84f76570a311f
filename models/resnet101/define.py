"""ResNet-101: 33 bottleneck blocks in four stages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import residual
import writing

if __name__ == "__main__":
    writing.main(__file__, "ResNet-101", residual.body((3, 4, 23, 3), letters=False), 224, (16, 25))
