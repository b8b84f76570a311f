"""Edge Boxes, by OpenCV's contrib module, over edges from the gradient."""

from typing import Any

import numpy as np

from caffelike.proposals import COUNT, Proposals
from caffelike.proposals._contrib import boxes, ximgproc


class EdgeBoxes(Proposals):
    """Windows score by the edges that lie wholly inside them.

    The publication finds edges by a learned forest, whose model OpenCV does not bring along; here they are the
    smoothed image's gradient, thinned across their direction: more edges of textures, and worse proposals on photos.
    options: of cv2.ximgproc.createEdgeBoxes (alpha, beta, minScore, ...). alpha, how much windows beside each other
    share, is 0.75 by default (the publication's value for boxes that fit well); minBoxArea is the 200th part of the
    image, at most 1000 pixels: that is OpenCV's default, for photographs, and small images have smaller objects.
    Raises CaffelikeError without OpenCV's contrib modules.
    Source: C. L. Zitnick, P. Dollár, "Edge Boxes: Locating Object Proposals from Edges", ECCV 2014.
    """

    def __init__(self, **options: Any):
        self._module, self.options = ximgproc("EdgeBoxes"), options

    def propose(self, image: np.ndarray, count: int = COUNT) -> np.ndarray:
        """See Proposals."""
        strength, direction = edges(image)
        least = min(1000, strength.size / 200)
        given = {"maxBoxes": count, "alpha": 0.75, "minBoxArea": least} | self.options
        finder = self._module.createEdgeBoxes(**given)
        found, scores = finder.getBoundingBoxes(strength, direction)
        return boxes(found, scores, count)


def edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength (height, width), 0 to 1, of edges a pixel wide, and direction 0 to pi of the edge's normal; float32.

    Of the colour channel with the steepest slope, after smoothing by 1 2 1 both ways.
    """
    smooth = np.pad(image.astype(np.float32) / 255, ((1, 1), (1, 1), (0, 0)), mode="edge")
    smooth = (smooth[:-2] + 2 * smooth[1:-1] + smooth[2:]) / 4
    smooth = (smooth[:, :-2] + 2 * smooth[:, 1:-1] + smooth[:, 2:]) / 4
    dy, dx = np.gradient(smooth, axis=(0, 1))
    steepest = np.hypot(dx, dy).argmax(axis=2)[:, :, None]
    dy, dx = (np.take_along_axis(d, steepest, axis=2)[:, :, 0] for d in (dy, dx))
    strength = np.hypot(dx, dy)
    direction = np.mod(np.arctan2(dy, dx), np.pi)
    around = np.pad(strength, 1)
    height, width = strength.shape
    kept = np.zeros(strength.shape, bool)
    for sector, (down, right) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):  # normals at 0, 45, 90, 135 degrees
        here = np.round(direction / (np.pi / 4)).astype(int) % 4 == sector
        ahead, behind = (
            around[1 + s * down : 1 + s * down + height, 1 + s * right : 1 + s * right + width] for s in (1, -1)
        )
        kept |= here & (strength >= ahead) & (strength > behind)
    strength = np.where(kept, strength, 0)
    return (strength / max(float(strength.max()), 1e-9)).astype(np.float32), direction.astype(np.float32)


METHOD = EdgeBoxes
