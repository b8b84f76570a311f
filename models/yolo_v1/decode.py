"""Boxes from the numbers that YOLO v1 gives for a picture.

usage: python models/yolo_v1/decode.py WEIGHTS PICTURE [--threshold 0.2]
"""

import argparse

import numpy as np

import caffelike

CELLS, BOXES = 7, 2
CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def boxes(result: np.ndarray, threshold: float = 0.2, overlap: float = 0.4) -> list[tuple[int, float, np.ndarray]]:
    """(class, score, x1, y1, x2, y2 in parts of the picture) of each box found, the best first.

    result (CELLS^2 (classes + 5 BOXES),): for every cell the probabilities of the classes; then of every cell the
    objectness of its boxes; then x, y in the cell and the roots of width and height in parts of the picture. score:
    objectness times probability, above `threshold`. Boxes that overlap a better one of their class by more than
    `overlap` (intersection over union) are dropped.
    """
    cells = CELLS**2
    classes = result.size // cells - 5 * BOXES
    probability, objectness, places = np.split(
        np.asarray(result, np.float64).ravel(), [cells * classes, cells * (classes + BOXES)]
    )
    scores = objectness.reshape(cells, BOXES, 1) * probability.reshape(cells, 1, classes)
    places = places.reshape(cells, BOXES, 4)
    cell = np.stack([np.arange(cells) % CELLS, np.arange(cells) // CELLS], axis=1)[:, None]
    middle, half = (places[..., :2] + cell) / CELLS, np.square(places[..., 2:]) / 2
    corners = np.concatenate([middle - half, middle + half], axis=2)
    found: list[tuple[int, float, np.ndarray]] = []
    for i in np.argsort(-scores, axis=None, kind="stable"):
        where, box, kind = np.unravel_index(i, scores.shape)
        if scores[where, box, kind] <= threshold:
            break
        one = corners[where, box]
        if all(kind != k or _overlap(one, other) <= overlap for k, _, other in found):
            found.append((int(kind), float(scores[where, box, kind]), one))
    return found


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    common = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common
    return common / union if union > 0 else 0.0


def main() -> None:
    """Print the boxes in a picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("picture")
    parser.add_argument("--threshold", type=float, default=0.2)
    args = parser.parse_args()
    net = caffelike.load("yolo_v1", weights=args.weights)
    image = caffelike.io.resize_image(caffelike.io.load_image(args.picture), net.blobs["data"].shape[2:])
    result = net.forward(data=image.transpose(2, 0, 1)[None])["result"]  # RGB from 0 to 1, as Darknet
    for kind, score, corners in boxes(result, args.threshold):
        print(f"{CLASSES[kind]} {score:.2f} {' '.join(f'{v:.3f}' for v in corners)}")


if __name__ == "__main__":
    main()
