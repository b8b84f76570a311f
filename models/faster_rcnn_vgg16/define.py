"""Faster R-CNN with VGG-16, trained end to end."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import two_stage
import writing


def net(train: bool, form: two_stage.Form | None = None) -> Any:
    """data, im_info -> rois, cls_prob, bbox_pred; for training images with their boxes, and four losses."""
    return two_stage.faster_rcnn("FasterRCNN_VGG16", two_stage.vgg16, 512, ("roi_pool5", "pool5", 7), train, form)


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})
