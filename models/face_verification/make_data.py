"""Writes pairs of faces as HDF5 in the working folder: train.h5, and test.h5 of people who are not in train.h5.

usage: python models/face_verification/make_data.py [FOLDER] [--people 40] [--pairs 4000]

FOLDER: with a folder of pictures for each person, as Labeled Faces in the Wild has them, cut to the face; without it
faces are drawn. `pair` (rows, 6, 55, 47): two faces, blue, green and red, 0 to 1. `who` (rows, 2): the numbers of the
two people. `same` (rows): 1 where they are one. train.txt and test.txt name the files.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
from PIL import Image, ImageDraw

HEIGHT, WIDTH = 55, 47
LOOKS = 12  # numbers that make a drawn person
PICTURES = 20  # of each drawn person


def draw(looks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(3, HEIGHT, WIDTH) float32: a face with these looks, each 0 to 1, in a light, place and mood of its own."""
    scale = 4  # drawn larger, for smooth borders
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), tuple(rng.integers(60, 200, 3).tolist()))
    pen = ImageDraw.Draw(image)
    middle, top = scale * (WIDTH / 2 + rng.uniform(-2, 2)), scale * (4 + rng.uniform(-1.5, 1.5))
    smile, size = rng.uniform(-2, 4) * scale, scale * rng.uniform(0.93, 1.07)

    def oval(x: float, y: float, across: float, down: float, colour: tuple[int, ...]) -> None:
        x, y = middle + x * size, top + y * size
        pen.ellipse((x - across * size, y - down * size, x + across * size, y + down * size), colour)

    skin = (int(120 + 120 * looks[0]), int(90 + 90 * looks[1]), int(60 + 80 * looks[1]))
    hair = (int(30 + 170 * looks[2]), int(20 + 110 * looks[2] * looks[3]), int(20 + 40 * looks[3]))
    wide = 14 + 5 * looks[4]
    oval(0, 22, wide + 2.5, 22 + 2 * looks[5], hair)
    oval(0, 26, wide, 21 - 4 * looks[5], skin)
    apart, eye = 5 + 4 * looks[6], 1.5 + 1.7 * looks[7]
    for side in (-1, 1):
        oval(side * apart, 22, eye + 1, eye, (240, 240, 240))
        oval(side * apart + rng.uniform(-0.5, 0.5), 22, eye * 0.6, eye * 0.8, (30, int(40 + 90 * looks[8]), 60))
        oval(side * apart, 22 - eye - 2.5, eye + 1.5, 0.5 + 0.9 * looks[3], hair)
    oval(0, 28 + 2 * looks[9], 1 + 2 * looks[10], 2 + 3 * looks[9], tuple(int(0.8 * c) for c in skin))
    mouth, low = (4 + 5 * looks[11]) * size, top + 38 * size
    pen.line(
        [(middle - mouth, low - smile), (middle, low), (middle + mouth, low - smile)], (150, 40, 50), 2 * scale, "curve"
    )
    small = np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BOX), np.float32) / 255
    light = rng.uniform(0.75, 1.15) * (1 + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, WIDTH))[None, :, None]
    noisy = small * light + 0.03 * rng.standard_normal(small.shape)
    return np.clip(noisy, 0, 1).transpose(2, 0, 1)[::-1].astype(np.float32)


def drawn(people: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The pictures (PICTURES, 3, HEIGHT, WIDTH) of each person."""
    return [np.stack([draw(looks, rng) for _ in range(PICTURES)]) for looks in rng.uniform(size=(people, LOOKS))]


def photographed(folder: Path) -> list[np.ndarray]:
    """Those of each folder in `folder` with two pictures at least."""
    found = []
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        pictures = []
        for path in sorted(person.iterdir()):
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR), np.float32)
            pictures.append(pixels.transpose(2, 0, 1)[::-1] / 255)
        if len(pictures) > 1:
            found.append(np.stack(pictures))
    return found


def write(name: str, faces: list[np.ndarray], count: int, rng: np.random.Generator) -> None:
    """<name>.h5 and the list <name>.txt: `count` pairs, every other one of one person."""

    def pick(n: int) -> int:
        return int(rng.integers(n))

    pairs, who = np.empty((count, 6, HEIGHT, WIDTH), np.float32), np.empty((count, 2), np.float32)
    for i in range(count):
        a = pick(len(faces))
        b = a if i % 2 == 0 else (a + 1 + pick(len(faces) - 1)) % len(faces)
        first = pick(len(faces[a]))
        second = (first + 1 + pick(len(faces[a]) - 1)) % len(faces[a]) if a == b else pick(len(faces[b]))
        pairs[i], who[i] = np.concatenate([faces[a][first], faces[b][second]]), (a, b)
    with h5py.File(f"{name}.h5", "w") as file:
        file["pair"], file["who"] = pairs, who
        file["same"] = (who[:, 0] == who[:, 1]).astype(np.float32)
    Path(f"{name}.txt").write_text(f"{name}.h5\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--people", type=int, default=40, help="to train on; a quarter as many more are held out")
    parser.add_argument("--pairs", type=int, default=4000, help="to train on; a quarter as many more to test")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    held_out = max(2, args.people // 4)
    faces = photographed(args.folder) if args.folder else drawn(args.people + held_out, rng)
    train, test = faces[: args.people], faces[args.people :][:held_out]
    if len(test) < 2:
        parser.error(f"{args.people} people to train on and 2 to test are wanted; there are {len(faces)}")
    write("train", train, args.pairs, rng)
    write("test", test, args.pairs // 4, rng)
    print(f"{args.pairs} pairs of {len(train)} people, {args.pairs // 4} of {len(test)} others")
