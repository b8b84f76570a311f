"""Writes tests/golden/shapes.json: which layers of published definitions have parameters, and of what shapes.

usage: python tools/record_shapes.py [../shared/wild/prototxt_public.tar.xz]

{model: {"published": file in the archive, "shapes": {layer: [shape of each blob]}}}: the facts that decide whether
published weights find their places in the definitions of models/. tests/test_detectors.py compares.
"""

import json
import sys
import tarfile
import tempfile
from pathlib import Path

from caffelike.schema import TEST
from caffelike.summary import build_without_data

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = ROOT.parent / "shared" / "wild" / "prototxt_public.tar.xz"
TARGET = ROOT / "tests" / "golden" / "shapes.json"
PUBLISHED = {
    "alexnet": "everpeace__caffe/models/bvlc_alexnet/deploy.prototxt",
    "densenet121": "shicai__DenseNet-Caffe/DenseNet_121.prototxt",
    "densenet161": "shicai__DenseNet-Caffe/DenseNet_161.prototxt",
    "densenet169": "shicai__DenseNet-Caffe/DenseNet_169.prototxt",
    "fcn16s": "shelhamer__fcn.berkeleyvision.org/voc-fcn16s/val.prototxt",
    "fcn32s": "shelhamer__fcn.berkeleyvision.org/voc-fcn32s/val.prototxt",
    "fcn8s": "shelhamer__fcn.berkeleyvision.org/voc-fcn8s/deploy.prototxt",
    "googlenet": "jwcom79__caffe/models/bvlc_googlenet/deploy.prototxt",
    "mobilenet_v2": "shicai__MobileNet-Caffe/mobilenet_v2_deploy.prototxt",
    "pspnet50": "hszhao__PSPNet/evaluation/prototxt/pspnet50_ADE20K_473.prototxt",
    "resnet50": "dgschwend__netscope/presets/resnet-50.prototxt",
    "vgg16": "BVLC__caffe/models/intel_optimized_models/benchmark/vgg16/deploy.prototxt",
    "resnet152": "KaimingHe__deep-residual-networks/prototxt/ResNet-152-deploy.prototxt",
    "segnet": "alexgkendall__SegNet-Tutorial/Models/segnet_train.prototxt",
    "squeezenet": "forresti__SqueezeNet/SqueezeNet_v1.0/deploy.prototxt",
    "mobilenet_ssd": "chuanqi305__MobileNet-SSD/deploy.prototxt",
    "ssd300_vgg16": "BVLC__caffe/examples/ssd/VGGNet/VOC0712/SSD_300x300/deploy.prototxt",
    "yolo_v1": "dgschwend__netscope/presets/YOLO.prototxt",
    "yolo_v2": "BVLC__caffe/models/intel_optimized_models/yolo/yolov2_darknet448_deploy.prototxt",
    "yolo_v3": "eric612__MobileNet-YOLO/models/darknet_yolov3/yolov3.prototxt",
}


INPUTS = {
    "fcn16s": (1, 3, 500, 500),
    "fcn32s": (1, 3, 500, 500),
    "segnet": (4, 3, 360, 480),
}  # where a layer beyond us makes data and label


def shapes(path: Path, data: tuple[int, ...] | None = None) -> dict[str, list[list[int]]]:
    """{layer: [shape of each of its parameter blobs]} of a definition; data: of its input, if it has none."""
    given = {"data": data, "label": (data[0], 1, *data[2:])} if data else None
    net = build_without_data(path, TEST, given)
    return {name: [list(blob.shape) for blob in blobs] for name, blobs in net.params.items()}


def record(archive: Path) -> str:
    """What belongs into the file, one layer a line."""
    parts = []
    with tarfile.open(archive) as files, tempfile.TemporaryDirectory() as folder:
        for model, published in PUBLISHED.items():
            files.extract(published, folder, filter="data")
            lines = [
                f"    {json.dumps(name)}: {json.dumps(value)}"
                for name, value in shapes(Path(folder, published), INPUTS.get(model)).items()
            ]
            body = ",\n".join(lines)
            parts.append(
                f'{json.dumps(model)}: {{\n  "published": {json.dumps(published)},\n  "shapes": {{\n{body}\n  }}\n}}'
            )
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    TARGET.write_text(record(Path(sys.argv[1]) if len(sys.argv) > 1 else ARCHIVE), encoding="utf-8")
