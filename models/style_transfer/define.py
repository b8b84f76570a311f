"""Neural style transfer: a picture learns to have what one picture shows, and the look of another."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import writing

from caffelike import TEST, Net, NetSpec
from caffelike import layers as L
from caffelike import params as P
from caffelike.schema import NetParameter, text

CONTENT = {"fire5/concat": 1.0}  # blob -> weight of its loss
STYLE = {"conv1": 0.1, "fire2/concat": 1.0, "fire3/concat": 10.0, "fire4/concat": 300.0, "fire5/concat": 20000.0}
SIDE = 224


def squeezenet() -> list[Any]:
    """SqueezeNet's layers from conv1 to fire5, which do not learn, with average pooling as in the publication."""
    layers = list(text.read_net(Path(__file__).resolve().parents[1] / "squeezenet" / "deploy.prototxt").message.layer)
    names = [layer.name for layer in layers]
    return frozen(layers[1 : names.index("fire5/concat") + 1])


def frozen(layers: list[Any]) -> list[Any]:
    """Layers that do not learn."""
    for layer in layers:
        if layer.type == "Pooling":
            layer.pooling_param.pool = P.Pooling.AVE
        if layer.type in ("Convolution", "InnerProduct"):
            del layer.param[:]
            for _ in range(2):
                layer.param.add(lr_mult=0, decay_mult=0)
    return layers


def net(
    looking: list[Any] | None = None,
    content: dict[str, float] | None = None,
    style: dict[str, float] | None = None,
    height: int = SIDE,
    width: int = SIDE,
) -> Any:
    """The picture `data` (1, 3, height, width), a net that looks at it, and the losses.

    A blob of `content` is held to the input content_<blob>, the Gram matrix of one of `style` (blob -> weight of its
    loss) to style_<blob>. looking: layers from data on, SqueezeNet's if absent.
    """
    looking = squeezenet() if looking is None else looking
    content, style = CONTENT if content is None else content, STYLE if style is None else style
    n = NetSpec()
    n.data = L.Parameter(shape={"dim": [1, 3, height, width]}, param={"lr_mult": 1, "decay_mult": 0})
    layers = [*n.to_proto().layer, *looking]
    shapes = Net.build(NetParameter(name="shapes", layer=layers), TEST, fill=False).blobs
    for kind, weights in (("content", content), ("style", style)):
        for blob, weight in weights.items():
            shape = shapes[blob].shape if kind == "content" else (1, shapes[blob].shape[1], shapes[blob].shape[1])
            layers += _held(f"{kind}_{blob}", blob, weight, shape)
    return NetParameter(name="StyleTransfer", layer=layers)


def _held(name: str, blob: str, weight: float, shape: tuple[int, ...]) -> list[Any]:
    """Layers for what is wanted of a blob, or of its Gram matrix, and for the loss: half the squared distance."""
    n = NetSpec()
    n[name] = L.Input(shape={"dim": shape})
    n[blob] = seen = L.Input()  # stands for the blob, which another layer makes
    if name.startswith("style"):
        seen = n[f"{blob}/gram"] = L.Gram(seen)
    n[f"{name}/loss"] = L.EuclideanLoss(seen, n[name], loss_weight=weight)
    return [layer for layer in n.to_proto().layer if layer.name != blob]


if __name__ == "__main__":
    writing.save(__file__, {"train.prototxt": net()})
