"""What programs use of OpenCV 4's `cv2.dnn` for Caffe models, which OpenCV 5 has no longer.

    from caffelike import dnn          # where it said: from cv2 import dnn

    net = dnn.readNetFromCaffe("deploy.prototxt", "net.caffemodel")
    net.setInput(dnn.blobFromImage(image, 1 / 127.5, (224, 224), (127.5, 127.5, 127.5)))
    prob = net.forward()

In a program that says `cv2.dnn.` everywhere, `cv2.dnn = caffelike.dnn` after the imports does the same. Errors are
CaffelikeError, which `dnn.error` is another name of: write `except dnn.error` for `except cv2.error`.
"""

from typing import Any

from caffelike.dnn.boxes import NMSBoxes, NMSBoxesBatched, NMSBoxesRotated
from caffelike.dnn.images import blobFromImage, blobFromImages, imagesFromBlob
from caffelike.dnn.net import DnnError, Layer, Net, readNet, readNetFromCaffe
from caffelike.errors import CaffelikeError as error

CV_8U, CV_32F = 0, 5

DNN_BACKEND_DEFAULT, DNN_BACKEND_HALIDE, DNN_BACKEND_INFERENCE_ENGINE, DNN_BACKEND_OPENCV = range(4)
DNN_BACKEND_VKCOM, DNN_BACKEND_CUDA, DNN_BACKEND_WEBNN, DNN_BACKEND_TIMVX, DNN_BACKEND_CANN = range(4, 9)
DNN_TARGET_CPU, DNN_TARGET_OPENCL, DNN_TARGET_OPENCL_FP16, DNN_TARGET_MYRIAD = range(4)
DNN_TARGET_VULKAN, DNN_TARGET_FPGA, DNN_TARGET_CUDA, DNN_TARGET_CUDA_FP16 = range(4, 8)
DNN_TARGET_HDDL, DNN_TARGET_NPU, DNN_TARGET_CPU_FP16 = range(8, 11)

__all__ = [
    "CV_8U",
    "CV_32F",
    "DnnError",
    "Layer",
    "NMSBoxes",
    "NMSBoxesBatched",
    "NMSBoxesRotated",
    "Net",
    "blobFromImage",
    "blobFromImages",
    "error",
    "imagesFromBlob",
    "readNet",
    "readNetFromCaffe",
]
__all__ += [name for name in list(globals()) if name.startswith("DNN_")]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'caffelike.dnn' has no attribute {name!r}")
    raise AttributeError(
        f"caffelike.dnn has no {name}: it is what programs use of cv2.dnn for Caffe models (docs/from-opencv.md). For"
        " other formats and the high-level models keep OpenCV's own: `from cv2 import dnn as opencv_dnn`."
    )
