"""ResNet-34: sixteen blocks of two 3x3 convolutions in four stages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import residual
import writing

if __name__ == "__main__":
    writing.main(__file__, "ResNet-34", residual.body((3, 4, 6, 3), deep=False), 224, (64, 25))
