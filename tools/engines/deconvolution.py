"""Deconvolution by PyTorch: of volumes."""

from collections.abc import Iterator

import numpy as np
import torch

from engines import Case
from engines.convolution import with_gradients


def cases() -> Iterator[Case]:
    """C3D's window, with all gradients."""
    x = np.random.default_rng(0).standard_normal((2, 3, 2, 3, 4)).astype(np.float32)
    options = "num_output: 2 kernel_size: 4 kernel_depth: 4 stride: 2 temporal_stride: 2 pad: 1 temporal_pad: 1"
    layer = f'type: "Deconvolution3D" bottom: "x" top: "y" convolution_param {{ {options} }}'
    yield with_gradients(
        "volume", layer, x, (3, 2, 4, 4, 4), torch.nn.functional.conv_transpose3d, outputs=2, stride=2, padding=1
    )
