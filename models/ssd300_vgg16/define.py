"""SSD300: six maps of 38 to 1 places a side, 8732 boxes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ssd_vgg
import writing
from multibox import Detector, Map

EXTRAS = ((256, 512, 3, 2, 1), (128, 256, 3, 2, 1), (128, 256, 3, 1, 0), (128, 256, 3, 1, 0))
MAPS = (
    Map("conv4_3", 30, 60, (2,), 8, scale=20),
    Map("fc7", 60, 111, (2, 3), 16),
    Map("conv6_2", 111, 162, (2, 3), 32),
    Map("conv7_2", 162, 213, (2, 3), 64),
    Map("conv8_2", 213, 264, (2,), 100),
    Map("conv9_2", 264, 315, (2,), 300),
)


def detector(**narrower: int) -> Detector:
    """The detector; `narrower`: width and classes, see ssd_vgg.detector."""
    return ssd_vgg.detector(300, MAPS, EXTRAS, **narrower)


if __name__ == "__main__":
    writing.save(__file__, detector().files())
