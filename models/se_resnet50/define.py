"""SE-ResNet-50: ResNet-50 whose blocks weigh their channels."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import residual
import writing

if __name__ == "__main__":
    writing.main(__file__, "SE-ResNet-50", residual.body((3, 4, 6, 3), excite=True), 224, (32, 25))
