"""SqueezeNet 1.0 with a new head: everything below it is frozen, the head learns five styles."""

import sys
from pathlib import Path
from typing import Any

from caffelike.schema import TEST, TRAIN, text

MODELS = Path(__file__).resolve().parents[1]
STYLES = 5
FROZEN = [{"lr_mult": 0}, {"lr_mult": 0}]  # weight, bias: nothing is computed backward through such layers
DATA = {TRAIN: ("style_train_lmdb", 15), TEST: ("style_test_lmdb", 5)}  # sources and batches


def fine_tuned(file: str, name: str) -> Any:
    """SqueezeNet's definition `file` with its convolutions frozen and its last one replaced, under another name.

    A new name is what fine-tuning takes: the weights of layers that keep theirs are copied.
    """
    net = text.read_net(MODELS / "squeezenet" / file).message
    net.name = name
    for layer in net.layer:
        for blobs in (layer.bottom, layer.top):
            blobs[:] = [{"conv10": "conv10_style", "pool10": "scores"}.get(blob, blob) for blob in blobs]
        if layer.type == "Convolution":
            if layer.name == "conv10":
                layer.name = "conv10_style"
                layer.convolution_param.num_output = STYLES
                layer.convolution_param.ClearField("pad")  # a border of zeros would say nothing
                layer.param.add(lr_mult=1, decay_mult=1)
                layer.param.add(lr_mult=2, decay_mult=0)
            else:
                for param in FROZEN:
                    layer.param.add(**param)
        elif layer.type == "Data":
            source, batch = DATA[layer.include[0].phase]
            layer.data_param.source, layer.data_param.batch_size = source, batch
            layer.data_param.shuffle = layer.include[0].phase == TRAIN
    # Scores of styles may be negative: no ReLU on them. Five classes need no accuracy among the first five.
    dropped = [layer for layer in net.layer if layer.name in ("relu_conv10", "accuracy_top5")]
    for layer in dropped:
        net.layer.remove(layer)
    return net


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    for file in ("train_val.prototxt", "deploy.prototxt"):
        wanted = "# Written by define.py; see README.md beside this file.\n" + text.format(
            fine_tuned(file, "SqueezeNetStyle")
        )
        if "--check" not in sys.argv:
            (folder / file).write_text(wanted)
        elif not (folder / file).exists() or (folder / file).read_text() != wanted:
            sys.exit(f"{file} is not what {__file__} gives; run it without --check")
