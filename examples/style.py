"""Paints one picture in the style of another: a minute or two on two cores.

usage: python examples/style.py CONTENT STYLE --weights FILE [--out styled.png] [--side 224] [--style-weight 1]
           [--iterations 200]

FILE: squeezenet_v1.0.caffemodel, see models/squeezenet. The picture starts as CONTENT; models/style_transfer changes
it, so that SqueezeNet's fire5 sees the same in it as in CONTENT, and the Gram matrices of five of its maps (which
channels are active together) are those of STYLE. Prints both losses before and after.

Source: L. Gatys, A. Ecker, M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from learning import command, define, solver
from PIL import Image

import caffelike

MEAN = np.array([104, 117, 123], np.float32)[:, None, None]  # of SqueezeNet's inputs, blue first


def read(path: Path, side: int) -> np.ndarray:
    """(1, 3, height, width): the net's input, with `side` pixels on the shorter side."""
    image = Image.open(path).convert("RGB")
    zoom = side / min(image.size)
    image = image.resize([round(n * zoom) for n in image.size], Image.Resampling.LANCZOS)
    return (np.asarray(image, np.float32)[:, :, ::-1].transpose(2, 0, 1) - MEAN)[None]


def picture(data: np.ndarray) -> Image.Image:
    """The reverse."""
    pixels = (data[0] + MEAN).clip(0, 255).round().astype(np.uint8)
    return Image.fromarray(pixels[::-1].transpose(1, 2, 0))


def prepare(run: Any, content: np.ndarray, style: np.ndarray) -> None:
    """Fill in what is wanted, as the net sees it in both pictures (1, 3, height, width), and start with the content."""
    net = run.net
    (pixels,) = net.params["data"]
    for kind, image in (("style", style), ("content", content)):
        pixels.data[...] = image
        net.forward()
        for name in net.inputs:
            if name.startswith(f"{kind}_"):
                blob = name.removeprefix(f"{kind}_")
                net.blobs[name].data[...] = net.blobs[blob if kind == "content" else f"{blob}/gram"].data


def losses(run: Any) -> dict[str, float]:
    """Content and style, each the sum of its weighted losses."""
    found = {"content": 0.0, "style": 0.0}
    run.net.forward()
    for name in run.net.outputs:
        blob = run.net.blobs[name]
        found[name.split("_")[0]] += float((blob.data * blob.diff).sum())
    return found


def fitted(style: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The style's picture, repeated or cut to the shape of the content's."""
    repeats = [-(-wanted // have) for wanted, have in zip(shape, style.shape, strict=True)]
    return np.tile(style, repeats)[:, :, : shape[2], : shape[3]]


def main(args: argparse.Namespace, folder: Path) -> None:
    """Read, learn, write."""
    content, transfer = read(args.content, args.side), define("style_transfer")
    weights = {blob: weight * args.style_weight for blob, weight in transfer.STYLE.items()}
    net = transfer.net(style=weights, height=content.shape[2], width=content.shape[3])
    changes = {"max_iter": args.iterations} if args.iterations else {}
    run = solver("style_transfer", folder, net_param=net, **changes)
    run.net.copy_from(args.weights)
    prepare(run, content, fitted(read(args.style, args.side), content.shape))
    before = losses(run)
    caffelike.init_log()
    run.step(run.param.max_iter)
    caffelike.log.detach()
    after = losses(run)
    picture(run.net.params["data"][0].data).save(args.out)
    for kind in ("style", "content"):
        print(f"{kind} loss {before[kind]:.1f} -> {after[kind]:.1f}")
    print(f"written: {args.out}")


if __name__ == "__main__":
    command(
        __doc__,
        main,
        ("content", {"type": Path}),
        ("style", {"type": Path}),
        ("--weights", {"type": Path, "required": True}),
        ("--out", {"type": Path, "default": Path("styled.png")}),
        ("--side", {"type": int, "default": 224}),
        ("--style-weight", {"type": float, "default": 1.0}),
    )
