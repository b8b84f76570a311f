"""Do the pictures of `caffelike visualize` tell the truth? SqueezeNet on 20 photos whose objects are marked by hand.

    python examples/visualize_measured.py --weights ../shared/weights/squeezenet --photos ../shared/data/photos

Prints a line a photo and the five shares; some minutes on two cores.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from caffelike import viz
from caffelike.recipe import Recipe
from caffelike.viz.strongest import seen

# (left, top, right, bottom) of the object in the photo warped to 227 x 227 pixels, marked by hand.
BOXES = {
    "n01514668_cock": (88, 32, 226, 226),
    "n01622779_great_grey_owl": (72, 38, 152, 226),
    "n01677366_common_iguana": (20, 50, 182, 226),
    "n01687978_agama": (12, 70, 190, 168),
    "n01824575_coucal": (22, 50, 130, 168),
    "n02013706_limpkin": (60, 0, 226, 210),
    "n02028035_redshank": (56, 32, 174, 120),
    "n02088238_basset": (20, 25, 200, 195),
    "n02090379_redbone": (28, 26, 206, 200),
    "n02115913_dhole": (20, 36, 205, 186),
    "n02134084_ice_bear": (2, 80, 158, 142),
    "n02422699_impala": (115, 72, 160, 168),
    "n02447366_badger": (76, 26, 226, 168),
    "n02655020_puffer": (78, 10, 226, 218),
    "n03045698_cloak": (40, 4, 218, 222),
    "n03095699_container_ship": (20, 66, 210, 160),
    "n03208938_disk_brake": (72, 70, 162, 206),
    "n03764736_milk_can": (38, 25, 190, 188),
    "n03961711_plate_rack": (8, 55, 210, 205),
    "n03983396_pop_bottle": (72, 14, 160, 210),
}
UNITS = 20  # of the layer that is dreamt of
LAYER = "fire5/concat"


def inside(box: tuple[int, int, int, int], y: np.ndarray | float, x: np.ndarray | float) -> Any:
    """Whether points lie in a box."""
    left, top, right, bottom = box
    return (left <= x) & (x <= right) & (top <= y) & (y <= bottom)


def occluded(
    net: Any, x: np.ndarray, label: int, box: tuple[int, int, int, int], size: int = 45
) -> tuple[float, float]:
    """The mean probability of the true class with the cover's middle on the object, and beside it."""
    found = viz.occlusion(net, x, label, size=size)
    on = inside(box, found.places[..., 0] + size / 2, found.places[..., 1] + size / 2)
    return float(found.probability[on].mean()), float(found.probability[~on].mean())


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("../shared/weights/squeezenet"), help="a folder")
    parser.add_argument("--photos", type=Path, default=Path("../shared/data/photos"), help="a folder")
    given = parser.parse_args()
    net = viz.open_net(given.weights / "deploy.prototxt", given.weights / "squeezenet_v1.0.caffemodel")
    recipe = Recipe(mean=(104.0, 117.0, 123.0))
    synsets = [line.split()[0] for line in (given.photos / "synset_words.txt").read_text().splitlines()]
    shape = net.input_blobs[0].shape
    photos = {name: recipe.prepare(recipe.read(given.photos / f"{name}.JPEG"), shape) for name in BOXES}

    lowered = hit = 0
    share = np.mean([(r - le) * (b - t) / (shape[2] * shape[3]) for le, t, r, b in BOXES.values()])
    print(f"{'photo':26s} {'p covered':>9s} {'p beside':>9s} {'Grad-CAM in box':>16s}")
    for name, x in photos.items():
        label = synsets.index(name.split("_")[0])
        on, beside = occluded(net, x, label, BOXES[name])
        heat = viz.grad_cam(net, x, label)
        there = bool(inside(BOXES[name], *np.unravel_index(int(heat.argmax()), heat.shape)))
        lowered, hit = lowered + (on < beside), hit + there
        print(f"{name:26s} {on:9.3f} {beside:9.3f} {'yes' if there else 'no':>16s}")

    images = list(photos.values())
    order = np.random.default_rng(0).permutation(len(images))
    kept = again = 0
    for unit in range(UNITS):
        pattern, place = viz.deconvolve(net, images[unit], LAYER, unit)
        top, left, bottom, right = seen(net, LAYER, place)
        pattern[:, top:bottom, left:right] = 0
        kept += not pattern.any()
        first = viz.strongest(net, images, LAYER, unit, 5)
        second = viz.strongest(net, [images[i] for i in order], LAYER, unit, 5)
        again += [one.image for one in first] == [int(order[two.image]) for two in second]
    _, before, after = viz.dream(net, images[7], LAYER, steps=20, rate=3)

    count = len(photos)
    print(f"\nCovering the object lowers the true class more than covering the rest: {lowered} of {count} photos")
    print(f"The maximum of Grad-CAM lies in the object's box: {hit} of {count} photos ({share * count:.1f} by chance)")
    print(f"DeepDream of {LAYER} raises its objective {after / before:.1f} times")
    print(f"A deconvolved pattern stays in the unit's receptive field: {kept} of {UNITS} units of {LAYER}")
    print(f"The strongest five photos are the same ones when the set is shuffled: {again} of {UNITS} units")


if __name__ == "__main__":
    main()
