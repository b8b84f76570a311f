"""Teaches a denoising autoencoder to take noise off handwritten digits: a minute on two cores.

usage: python examples/denoise.py [--iterations 600] [--folder FOLDER]

Needs scikit-learn (pip install 'caffelike[examples]') for its 1,797 digits, 360 of which are held out. Writes them as
LMDBs into FOLDER (a temporary one), trains models/mnist_denoiser there, takes noise off the digits held out, prints how
far the result is from the digits, as peak signal-to-noise ratio in dB, and leaves denoised.png: digits, with noise,
and without.

Source: P. Vincent et al., "Stacked Denoising Autoencoders", JMLR 11, 2010.
"""

import argparse
from pathlib import Path

import numpy as np
from learning import command, define, trained
from PIL import Image

from caffelike import demo


def prepare(folder: Path) -> np.ndarray:
    """digits_train_lmdb and digits_test_lmdb; returns the digits held out (360, 1, 28, 28), ink 1 on 0."""
    train, held_out = demo.load_digits()
    demo.write(folder, train, held_out)
    return held_out.images[:, None].astype(np.float32) / 256


def psnr(wanted: np.ndarray, got: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, where the peak is 1."""
    return float(-10 * np.log10(np.mean((wanted - got) ** 2)))


def main(args: argparse.Namespace, folder: Path) -> None:
    """Train, clean, compare. Noisy pictures are cut to 0 .. 1 before they are compared: that alone takes some off."""
    digits = prepare(folder)
    net = trained("mnist_denoiser", folder, args.iterations)
    noise = np.random.default_rng(0).normal(0, define("mnist_denoiser").NOISE, digits.shape)
    noisy = (digits + noise).astype(np.float32)
    clean = net.forward(data=noisy)["clean"].clip(0, 1)
    rows = [np.concatenate(list(a[:12, 0]), axis=1) for a in (digits, noisy.clip(0, 1), clean)]
    Image.fromarray((255 * np.concatenate(rows)).astype(np.uint8)).save(folder / "denoised.png")
    before, after = psnr(digits, noisy.clip(0, 1)), psnr(digits, clean)
    print(f"{before:.2f} dB with noise, {after:.2f} dB without: {after - before:.2f} dB gained")


if __name__ == "__main__":
    command(__doc__, main)
