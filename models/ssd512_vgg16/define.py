"""SSD512: seven maps of 64 to 1 places a side, 24564 boxes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ssd_vgg
import writing
from multibox import Detector, Map

EXTRAS = ((256, 512, 3, 2, 1), *((128, 256, 3, 2, 1),) * 3, (128, 256, 4, 1, 1))
MAPS = (
    Map("conv4_3", 35.84, 76.8, (2,), 8, scale=20),
    Map("fc7", 76.8, 153.6, (2, 3), 16),
    Map("conv6_2", 153.6, 230.4, (2, 3), 32),
    Map("conv7_2", 230.4, 307.2, (2, 3), 64),
    Map("conv8_2", 307.2, 384, (2, 3), 128),
    Map("conv9_2", 384, 460.8, (2,), 256),
    Map("conv10_2", 460.8, 537.6, (2,), 512),
)


def detector(**narrower: int) -> Detector:
    """The detector; `narrower`: width and classes, see ssd_vgg.detector."""
    return ssd_vgg.detector(512, MAPS, EXTRAS, **narrower)


if __name__ == "__main__":
    writing.save(__file__, detector().files())
