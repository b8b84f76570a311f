"""Selective Search, by OpenCV's contrib module."""

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.proposals import COUNT, Proposals
from caffelike.proposals._contrib import boxes, ximgproc

MODES = {
    "fast": "switchToSelectiveSearchFast",
    "quality": "switchToSelectiveSearchQuality",
    "single": "switchToSingleStrategy",
}


class SelectiveSearch(Proposals):
    """Segments that belong together grow into regions; the windows around them are the proposals.

    mode: "fast", "quality" (several colour spaces and more windows) or "single". Scores fall evenly from 1:
    OpenCV gives an order only. Raises CaffelikeError without OpenCV's contrib modules.
    Source: J. Uijlings, K. van de Sande, T. Gevers, A. Smeulders, "Selective Search for Object Recognition", IJCV 2013.
    """

    def __init__(self, mode: str = "fast"):
        if mode not in MODES:
            raise CaffelikeError(f"Selective Search has the modes {', '.join(MODES)}, but not '{mode}'.")
        self.mode = mode
        self._segmentation = ximgproc("Selective Search").segmentation

    def propose(self, image: np.ndarray, count: int = COUNT) -> np.ndarray:
        """See Proposals."""
        search = self._segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(np.ascontiguousarray(image[:, :, ::-1]))
        getattr(search, MODES[self.mode])()
        found = search.process()
        return boxes(found, 1 - np.arange(len(found)) / max(1, len(found)), count)


METHOD = SelectiveSearch
