"""VGG's configuration C: configuration D with 1x1 for the last convolution of the deeper groups."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import vgg
import writing

if __name__ == "__main__":
    writing.main(__file__, "VGG16-C", vgg.body(((3,) * 2, (3,) * 2, (3, 3, 1), (3, 3, 1), (3, 3, 1))), 224, (64, 25))
