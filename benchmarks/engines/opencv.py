"""OpenCV's dnn module, which until version 5 reads Caffe's files itself."""

import tempfile
from pathlib import Path
from typing import Any

import cv2

from caffelike.schema import text

NAME = "opencv"


def version() -> str:
    """Of the package."""
    return cv2.__version__


def load(job: Any) -> tuple[Any, str]:
    """readNetFromCaffe on the job's definition and weights."""
    cv2.setNumThreads(job.threads)
    with tempfile.TemporaryDirectory() as folder:
        definition = Path(folder) / "deploy.prototxt"
        definition.write_text(text.format(job.net()))
        net = cv2.dnn.readNetFromCaffe(str(definition), str(job.caffemodel))
    x = job.input()

    def run() -> Any:
        net.setInput(x)
        return net.forward()

    return run, "readNetFromCaffe"
