"""The filter over the permutohedral lattice; see layers/_permutohedral.py for the definition."""

import numpy as np

from caffelike.kernels.launch import task

_TOGETHER = 4  # channels that a thread filters at once: a corner's are neighbours in memory


def blur(
    values: np.ndarray, places: np.ndarray, weights: np.ndarray, neighbours: np.ndarray, reverse: bool
) -> np.ndarray:
    """Hand out, blur along each direction by (1/2, 1, 1/2), read back."""
    out, corners = np.empty_like(values), neighbours.shape[2]
    steps = np.ascontiguousarray(neighbours[::-1] if reverse else neighbours)
    scale = np.float32(1 / (1 + 2.0 ** -(places.shape[1] - 1)))
    _channels(
        len(values), _TOGETHER, values.reshape(-1), places.reshape(-1), weights.reshape(-1), steps.reshape(-1),
        out.reshape(-1), values.shape[1], places.shape[1], corners, scale,
    )  # fmt: skip
    return out


@task
def _channels(worker, lo, hi, values, places, weights, steps, out, points, sides, corners, scale):
    """The channels lo..hi."""
    k = hi - lo
    lattice, other = np.zeros((corners + 1) * k, np.float32), np.zeros((corners + 1) * k, np.float32)
    for i in range(points):
        for r in range(i * sides, (i + 1) * sides):
            at, weight = places[r] * k, weights[r]
            for c in range(k):
                lattice[at + c] += weight * values[(lo + c) * points + i]
    half = np.float32(0.5)
    for step in range(sides):
        before, behind = steps[2 * step * corners : (2 * step + 1) * corners], steps[(2 * step + 1) * corners :]
        for p in range(corners):
            a, b = before[p] * k, behind[p] * k
            for c in range(k):
                other[p * k + c] = lattice[p * k + c] + half * (lattice[a + c] + lattice[b + c])
        lattice, other = other, lattice
    for i in range(points):
        for c in range(k):
            result = np.float32(0)
            for r in range(i * sides, (i + 1) * sides):
                result += weights[r] * lattice[places[r] * k + c]
            out[(lo + c) * points + i] = result * scale
