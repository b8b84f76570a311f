"""Reorg by OpenCV's reader of Darknet's nets."""

from collections.abc import Iterator

import cv2
import numpy as np

from engines import OPENCV, Case


def cases() -> Iterator[Case]:
    """Two strides."""
    for stride, shape in [(2, (1, 8, 4, 6)), (3, (1, 9, 6, 3))]:
        _, c, h, w = shape
        text = f"[net]\nwidth={w}\nheight={h}\nchannels={c}\n\n[reorg]\nstride={stride}\n"
        net = cv2.dnn.readNetFromDarknet(np.frombuffer(text.encode(), np.uint8))
        x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        net.setInput(x)
        layer = f'type: "Reorg" bottom: "x" top: "y" reorg_param {{ stride: {stride} }}'
        yield Case(f"opencv stride {stride}", OPENCV, layer, {"x": x}, {"y": net.forward()})
