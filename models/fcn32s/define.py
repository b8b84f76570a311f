"""FCN-32s: the scores of the last pooling, 32 pixels apart, enlarged."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fcn

if __name__ == "__main__":
    fcn.define(__file__)
