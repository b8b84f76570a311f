"""Gaussian filters over points in many dimensions: what the layers of dense random fields share.

The filter of Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", Eurographics
2010: values are handed to the corners of the simplex that a point lies in, blurred along each of the lattice's
directions, and read back. It takes time in proportion to the points, and its weights are exp(-|f - g|^2 / 2) but for
some percent and a common factor.
"""

from typing import Any

import numpy as np

from caffelike import device

_TINY = 1e-20


class Lattice:
    """The filter for features (N, d), one row a point, in units of the Gaussian's standard deviation.

    places (N, d + 1): the corners that a point's values go to, of `corners` many; weights, of the same shape.
    neighbours (d + 1, 2, corners): the corners before and behind each in every direction, `corners` where there is
    none. dtype: of weights and norm, the features' by default; where a point lies is worked out in double.
    norm (N,): 1 / (what the filter makes of ones), in the order of `reverse` False.
    """

    def __init__(self, features: np.ndarray, dtype: Any = None):
        n, d = features.shape
        dtype = np.dtype(dtype or features.dtype)
        features = features.astype(np.float64)
        rounded, rank, inside = _simplex(features)
        # The lattice's points are those whose coordinates have one remainder r modulo d + 1, and sum to 0.
        r = np.arange(d + 1)
        canonical = np.where(np.arange(d + 1) <= d - r[:, None], r[:, None], r[:, None] - (d + 1))
        keys = rounded[:, None, :] + canonical[:, rank].transpose(1, 0, 2)
        low = keys.min(axis=(0, 1), initial=0) - (d + 1)
        sizes = keys.max(axis=(0, 1), initial=0) - low + d + 2
        factors = np.append(np.cumprod(sizes[:-1][::-1].astype(np.float64))[::-1][1:], 1.0)[:d]
        if np.prod(sizes[:-1].astype(np.float64)) >= 2.0**62:
            raise ValueError(f"features of {sizes[:-1]} steps are too far apart for the lattice")
        steps = np.append(factors.astype(np.int64), 0)  # the last coordinate follows from the others
        codes = (keys - low) @ steps
        known, places = np.unique(codes.ravel(), return_inverse=True)
        self.places = places.reshape(n, d + 1).astype(np.int32)
        self.weights = np.take_along_axis(inside, np.broadcast_to(r, (n, d + 1)), 1).astype(dtype)
        self.corners = len(known)
        offsets = steps.sum() - (d + 1) * steps
        self.neighbours = np.stack([np.stack([_find(known, known + o), _find(known, known - o)]) for o in offsets])
        self.norm = 1 / (self.filter(np.ones((1, n), dtype))[0] + dtype.type(_TINY))

    def filter(self, values: np.ndarray, reverse: bool = False) -> np.ndarray:
        """values (C, N), filtered; reverse: by the transposed filter, as a gradient needs it."""
        fast = device.kernel("permutohedral", "blur") if values.dtype == np.float32 else None
        return (fast or blur)(np.ascontiguousarray(values), self.places, self.weights, self.neighbours, reverse)


def blur(
    values: np.ndarray, places: np.ndarray, weights: np.ndarray, neighbours: np.ndarray, reverse: bool
) -> np.ndarray:
    """Hand out, blur along each direction by (1/2, 1, 1/2), read back."""
    corners = neighbours.shape[2]
    lattice = np.zeros((len(values), corners + 1), values.dtype)  # the last one stands for all that are not there
    for row, own in zip(values, lattice, strict=True):
        own += np.bincount(places.ravel(), (weights * row[:, None]).ravel(), corners + 1).astype(values.dtype)
    for before, behind in neighbours[::-1] if reverse else neighbours:
        lattice[:, :corners] += (lattice[:, before] + lattice[:, behind]) / 2
    scale = values.dtype.type(1 / (1 + 2.0 ** -(places.shape[1] - 1)))
    out = np.zeros_like(values)
    for corner, weight in zip(places.T, weights.T, strict=True):
        out += lattice[:, corner] * (weight * scale)
    return out


def _simplex(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, d + 1) each: the nearest lattice point of remainder 0, the ranks of what is left, barycentric weights."""
    n, d = features.shape
    j = np.arange(1, d + 1)
    scaled = features * (np.sqrt(2 / 3) * (d + 1) / np.sqrt(j * (j + 1)))
    # onto the plane where coordinates sum to 0: coordinate i is minus i times feature i, plus the features behind it
    behind = np.cumsum(scaled[:, ::-1], axis=1)[:, ::-1]
    elevated = np.zeros((n, d + 1), features.dtype)
    elevated[:, :d] = behind
    elevated[:, 1:] -= j * scaled
    up, down = (op(elevated / (d + 1)) for op in (np.ceil, np.floor))
    units = np.where(up * (d + 1) - elevated < elevated - down * (d + 1), up, down).astype(np.int64)
    rounded, left = units * (d + 1), elevated - units * (d + 1)
    # the rank of a coordinate: how many have more left to go, of equals those in front of it
    order = np.argsort(-left, axis=1, kind="stable")
    rank = np.empty((n, d + 1), np.int64)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(d + 1), (n, d + 1)), 1)
    rank += units.sum(axis=1, keepdims=True)
    below, above = rank < 0, rank > d
    rounded += (d + 1) * below.astype(np.int64) - (d + 1) * above.astype(np.int64)
    rank += (d + 1) * below.astype(np.int64) - (d + 1) * above.astype(np.int64)
    share = (elevated - rounded) / (d + 1)
    inside = np.zeros((n, d + 2), features.dtype)
    rows = np.arange(n)[:, None]
    np.add.at(inside, (rows, d - rank), share)
    np.add.at(inside, (rows, d + 1 - rank), -share)
    inside[:, 0] += 1 + inside[:, d + 1]
    return rounded, rank, inside[:, : d + 1]


def _find(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where `wanted` stands in the sorted `known`, len(known) where it does not."""
    place = np.minimum(np.searchsorted(known, wanted), max(0, len(known) - 1))
    return (
        np.where(known[place] == wanted, place, len(known)).astype(np.int32) if len(known) else place.astype(np.int32)
    )


def positions(height: int, width: int) -> np.ndarray:
    """Column and row of every pixel, (height * width, 2)."""
    rows, columns = np.indices((height, width), np.float64)
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


def spatial(height: int, width: int, deviation: float, dtype: Any) -> Lattice:
    """The filter by distance, of this standard deviation in pixels."""
    return Lattice(positions(height, width) / deviation, dtype)


def bilateral(image: np.ndarray, distance: float, color: float) -> Lattice:
    """The filter by distance and difference of colours; image (channels, height, width)."""
    channels, height, width = image.shape
    colors = image.reshape(channels, -1).T.astype(np.float64) / color
    return Lattice(np.hstack([positions(height, width) / distance, colors]), image.dtype)
