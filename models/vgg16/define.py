"""VGG's configuration D: five groups of 3x3 convolutions, three fully connected layers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import vgg
import writing

if __name__ == "__main__":
    writing.main(__file__, "VGG16", vgg.body(vgg.KERNELS), 224, (64, 25))
