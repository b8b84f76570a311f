"""VGG's configuration A-LRN: configuration A with normalisation behind the first convolution."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import vgg
import writing

if __name__ == "__main__":
    writing.main(__file__, "VGG11-LRN", vgg.body(((3,), (3,), (3,) * 2, (3,) * 2, (3,) * 2), lrn=True), 224, (64, 25))
