"""Finds faces in photos with MTCNN, three small nets one after the other.

usage: python examples/mtcnn.py WEIGHTS PHOTO... [--draw FOLDER] [--smallest 40]

WEIGHTS: the folder with det1, det2 and det3 (.prototxt and .caffemodel) of kpzhang93/MTCNN_face_detection_alignment.
Prints for each face: left, top, right, bottom (pixels), how sure the last net is, and five points (eyes, nose, corners
of the mouth). --draw writes a PNG of each photo with what was found.

Source: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks", 2016.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

import caffelike

STEP, CELL = 2, 12  # of the first net: pixels between two places, and a place's field
SHRINK = 0.709  # from one size of the pyramid to the next
SURE = (0.6, 0.7, 0.7)  # what each net must be, at least


class Faces(NamedTuple):
    """boxes (n, 4): left, top, right, bottom; scores (n,); points (n, 5, 2): x, y."""

    boxes: np.ndarray
    scores: np.ndarray
    points: np.ndarray


class MTCNN:
    """The three nets. They were trained on images with x and y exchanged, in RGB."""

    def __init__(self, folder: str | Path):
        self.nets = [
            caffelike.Net(Path(folder) / f"det{i}.prototxt", Path(folder) / f"det{i}.caffemodel", caffelike.TEST)
            for i in (1, 2, 3)
        ]

    def detect(self, photo: Image.Image, smallest: int = 40) -> Faces:
        """The faces of at least `smallest` pixels."""
        photo = photo.convert("RGB")
        boxes = self.propose(photo, smallest)
        boxes, _ = self.refine(photo, boxes, stage=2)
        boxes, found = self.refine(photo, boxes, stage=3)
        if not len(boxes):
            return Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))
        scores, points = found
        kept = suppress(boxes, scores, 0.7, smaller=True)
        return Faces(boxes[kept], scores[kept], points[kept])

    def propose(self, photo: Image.Image, smallest: int) -> np.ndarray:
        """The first net on the photo in many sizes: square boxes that may hold a face."""
        found = []
        for scale in pyramid(photo.size, smallest):
            size = tuple(int(np.ceil(n * scale)) for n in photo.size)
            face, moves = self._run(
                1, as_input(photo.resize(size, Image.Resampling.BILINEAR))[None], "prob1", "conv4-2"
            )
            x, y = np.nonzero(face[0, 1] >= SURE[0])
            corner = np.stack([x, y], axis=1) * STEP
            boxes = np.concatenate([corner + 1, corner + CELL], axis=1) // scale
            scores = face[0, 1, x, y]
            kept = suppress(boxes, scores, 0.5)
            found.append(np.concatenate([boxes, scores[:, None], moves[0][:, x, y].T], axis=1)[kept])
        rows = np.concatenate(found) if found else np.zeros((0, 9))
        rows = rows[suppress(rows[:, :4], rows[:, 4], 0.7)]
        return squares(moved(rows[:, :4], rows[:, 5:]))

    def refine(
        self, photo: Image.Image, boxes: np.ndarray, stage: int
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The second or third net on each box: those that hold a face, moved; (scores, points) of them."""
        nothing = np.zeros(0), np.zeros((0, 5, 2))
        if not len(boxes):
            return boxes, nothing
        side = (24, 48)[stage - 2]
        patches = np.stack([as_input(patch(photo, box, side)) for box in boxes])
        names = ("prob1", "conv5-2") if stage == 2 else ("prob1", "conv6-2", "conv6-3")
        face, moves, *more = self._run(stage, patches, *names)
        sure = face[:, 1] > SURE[stage - 1]
        boxes, scores, moves = boxes[sure], face[sure, 1], moves[sure]
        if stage == 2:
            kept = suppress(boxes, scores, 0.7)
            return squares(moved(boxes[kept], moves[kept])), (scores[kept], nothing[1])
        size = boxes[:, 2:] - boxes[:, :2] + 1
        places = more[0][sure].reshape(-1, 2, 5).transpose(0, 2, 1)  # five x, then five y, in parts of the box
        return moved(boxes, moves), (scores, boxes[:, None, :2] - 1 + places * size[:, None])

    def _run(self, stage: int, images: np.ndarray, *names: str) -> list[np.ndarray]:
        net = self.nets[stage - 1]
        net.blobs["data"].reshape(*images.shape)
        net.blobs["data"].data[...] = images
        net.forward()
        return [net.blobs[name].data.copy() for name in names]


def as_input(image: Image.Image) -> np.ndarray:
    """(3, width, height), about -1 .. 1."""
    return (np.asarray(image, np.float32).transpose(2, 1, 0) - 127.5) / 128


def pyramid(size: tuple[int, int], smallest: int) -> Iterator[float]:
    """Scales at which a face of `smallest` pixels, and of more and more, fills a place of the first net."""
    scale = CELL / smallest
    while min(size) * scale >= CELL:
        yield scale
        scale *= SHRINK


def patch(photo: Image.Image, box: np.ndarray, side: int) -> Image.Image:
    """What is in a box, black where it reaches beyond the photo, in `side` x `side` pixels."""
    left, top, right, bottom = (int(n) for n in box)
    return photo.crop((left - 1, top - 1, right, bottom)).resize((side, side), Image.Resampling.BILINEAR)


def moved(boxes: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Each edge moved by its part of the box's size."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + moves * np.concatenate([size, size], axis=1)


def squares(boxes: np.ndarray) -> np.ndarray:
    """Squares around the boxes' centres, of their longer sides, in whole pixels."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True) if len(boxes) else size
    corner = boxes[:, :2] + (size - side) / 2
    return np.trunc(np.concatenate([corner, corner + side], axis=1))


def suppress(boxes: np.ndarray, scores: np.ndarray, overlap: float, smaller: bool = False) -> np.ndarray:
    """Indices of the boxes that no better one covers: the common area over that of both, or over the smaller one's."""
    order = np.argsort(-scores, kind="stable")
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = np.prod(np.maximum(high - low + 1, 0), axis=1)
        whole = np.minimum(area[best], area[rest]) if smaller else area[best] + area[rest] - common
        order = rest[common <= overlap * whole]
    return np.array(kept, np.int64)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--draw", type=Path)
    parser.add_argument("--smallest", type=int, default=40)
    options = parser.parse_args()
    detector = MTCNN(options.weights)
    for path in options.photos:
        photo = Image.open(path).convert("RGB")
        faces = detector.detect(photo, options.smallest)
        print(f"{path}: {len(faces.boxes)} face{'' if len(faces.boxes) == 1 else 's'}")
        pen = ImageDraw.Draw(photo)
        for box, score, points in zip(*faces, strict=True):
            print(
                f"  {' '.join(f'{n:.0f}' for n in box)}  {score:.3f}  {' '.join(f'{x:.0f},{y:.0f}' for x, y in points)}"
            )
            pen.rectangle([tuple(box[:2]), tuple(box[2:])], outline="yellow", width=3)
            for x, y in points:
                pen.ellipse([x - 2, y - 2, x + 2, y + 2], fill="red")
        if options.draw:
            options.draw.mkdir(parents=True, exist_ok=True)
            photo.save(options.draw / f"{path.stem}.png")


if __name__ == "__main__":
    main()
