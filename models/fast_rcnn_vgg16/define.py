"""Fast R-CNN with VGG-16: regions come with the image."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import two_stage
import writing

from caffelike import NetSpec
from caffelike import layers as L

REGIONS = 300  # of deploy's input; any number may be given


def net(train: bool, form: two_stage.Form | None = None) -> Any:
    """data, rois -> cls_prob, bbox_pred; for training images with their regions, and two losses."""
    n, form = NetSpec(), form or two_stage.Form()
    if train:
        options = {"num_classes": form.classes, "bg_thresh_lo": 0.1, **form.data, **form.regions}
        n.data, n.rois, n.labels, n.bbox_targets, n.bbox_inside_weights, n.bbox_outside_weights = two_stage.python(
            "roi_data_layer.layer", "RoIDataLayer", 6, options, layer="data"
        )
    else:
        n.data = L.Input(shape={"dim": [1, 3, *form.side]})
        n.rois = L.Input(shape={"dim": [REGIONS, 5]})
    top = two_stage.vgg16(n, n.data, form)
    two_stage.full_layers(n, top, n.rois, form, train, ("roi_pool5", "pool5", 7))
    return two_stage.named(n, "FastRCNN_VGG16")


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net(train=True), "deploy.prototxt": net(train=False)})
