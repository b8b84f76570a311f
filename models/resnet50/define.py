"""ResNet-50: sixteen bottleneck blocks in four stages, the stride in a block's first 1x1 convolution as published."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import residual
import writing

if __name__ == "__main__":
    writing.main(__file__, "ResNet-50", residual.body((3, 4, 6, 3), bias=True), 224, (32, 25))
