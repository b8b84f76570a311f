"""A Convolution layer whose weights nobody learns: Gaussian blur and Sobel edges, each a product of 1-D filters.

usage: python examples/fixed_filters.py PICTURE [--out filtered.png] [--sigma 2]

Writes a picture beside which stand: its blur, the derivative across and down (gray is none), and their length, the
strength of the edges. Also prints what the products save: a Gaussian of k x k weights in one layer takes k * k
multiplications a pixel, as two layers of k x 1 and 1 x k weights 2k, and gives the same.

Source: I. Sobel and G. Feldman, "A 3x3 isotropic gradient operator for image processing", 1968.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from caffelike import TEST, Net, NetSpec
from caffelike import layers as L

SMOOTH = np.array([1, 2, 1]) / 4
"""Sobel's filter along an edge: a small blur."""
SLOPE = np.array([1, 0, -1]) / 2
"""Sobel's filter across an edge: half the difference of the neighbours. Convolution layers do not flip their weights
(they correlate), so that with these signs a picture that grows lighter gives a negative number; `sobel` turns it."""


def gaussian(sigma: float) -> np.ndarray:
    """1-D weights of sum 1, to three standard deviations on either side."""
    x = np.arange(-int(np.ceil(3 * sigma)), int(np.ceil(3 * sigma)) + 1)
    weights = np.exp(-(x**2) / (2 * sigma**2))
    return weights / weights.sum()


def in_one(down: np.ndarray, across: np.ndarray) -> Net:
    """A net of one Convolution layer, input "data" (1, 1, H, W), output "y" of the same size: the outer product."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 32, 32]})
    n.y = layer(n.data, (len(down), len(across)))
    net = Net.build(n.to_proto(), TEST)
    net.params["y"][0].data[...] = np.outer(down, across)
    return net


def in_two(down: np.ndarray, across: np.ndarray) -> Net:
    """The same as two layers, one a column of weights and one a row."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 32, 32]})
    n.column = layer(n.data, (len(down), 1))
    n.y = layer(n.column, (1, len(across)))
    net = Net.build(n.to_proto(), TEST)
    net.params["column"][0].data[...] = down.reshape(-1, 1)
    net.params["y"][0].data[...] = across
    return net


def layer(bottom, kernel: tuple[int, int]):
    """One filter without bias; zeros around the picture keep its size."""
    (kernel_h, kernel_w) = kernel
    return L.Convolution(
        bottom,
        num_output=1,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        pad_h=kernel_h // 2,
        pad_w=kernel_w // 2,
        bias_term=False,
        param=[{"lr_mult": 0}],  # in a net that is trained, these stay
    )


def run(net: Net, gray: np.ndarray) -> np.ndarray:
    """A picture (H, W) through a net of this file: float32 (H, W)."""
    return net.forward(data=gray[None, None])["y"][0, 0].copy()


def sobel(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The derivatives of a picture (H, W) across and down, in its units a pixel; zeros are beyond its border."""
    return run(in_two(SMOOTH, -SLOPE), gray), run(in_two(-SLOPE, SMOOTH), gray)


def main() -> None:
    """Filter a picture, write what comes out side by side, print the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--out", type=Path, default=Path("filtered.png"))
    parser.add_argument("--sigma", type=float, default=2.0, help="of the blur, in pixels (%(default)s)")
    args = parser.parse_args()
    gray = np.asarray(Image.open(args.picture).convert("L"), np.float32)
    weights = gaussian(args.sigma)
    one, two = in_one(weights, weights), in_two(weights, weights)
    blurred = run(two, gray)
    across, down = sobel(gray)
    shown = np.hstack([gray, blurred, 128 + across, 128 + down, 2 * np.hypot(across, down)])
    Image.fromarray(np.clip(np.rint(shown), 0, 255).astype(np.uint8)).save(args.out)
    pixels = gray.size
    for name, net in (("one layer ", one), ("two layers", two)):
        difference = np.abs(run(net, gray) - blurred).max()
        macs = sum(blobs[0].count for blobs in net.params.values())
        print(f"Gaussian in {name}: {macs} multiplications a pixel, {macs * pixels:,} in all; "
              f"differs from two layers by {difference:.1g} of 255")  # fmt: skip
    print(f"{args.out}: the picture, its blur, derivative across, derivative down, strength of the edges")


if __name__ == "__main__":
    main()
