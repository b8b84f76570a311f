"""FCN-8s: scores of pool4 and pool3 added to those of the last pooling."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fcn

if __name__ == "__main__":
    fcn.define(__file__)
