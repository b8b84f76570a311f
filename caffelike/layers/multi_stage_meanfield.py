"""MultiStageMeanfield: a dense random field whose weights are learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.layers import _permutohedral
from caffelike.layers._loss import softmax, softmax_gradient
from caffelike.layers._permutohedral import Lattice
from caffelike.registry import register


@register("MultiStageMeanfield", param="multi_stage_meanfield_param")
class MultiStageMeanfield(Layer):
    """Mean field inference: num_iterations times s = x - compatibility (spatial K1(q) + bilateral K2(q)), q of s.

    q = softmax(s) of the step before.

    bottoms: x (N, C, H, W), scores; start like x, the s before the first step (x again, in CRF-RNN); image
        (N, 3, H, W). tops: y like x, the last s: scores, not probabilities.
    params: spatial, bilateral, compatibility, (1, 1, C, C) each: at first spatial_filter_weight,
        bilateral_filter_weight and -1 on their diagonals.
    K1: a Gaussian filter over the pixels of deviation theta_gamma, divided by what it makes of ones; K2: one that also
        counts the difference of colours: exp(-distance^2 / (2 theta_alpha^2) - difference^2 / (2 theta_beta^2)). By the
        permutohedral lattice, which is some percent off.
    num_iterations 5. compatibility_mode POTTS, threshold: say nothing, as in the fork.
    Gradient: the derivative, to x, start and params; none to image.
    Errors: ModelError for options, ShapeError for shapes.
    Source: Zheng et al., "Conditional Random Fields as Recurrent Neural Networks", ICCV 2015 (torrvision/crfasrnn),
        which takes one item at a time.
    """

    bottoms = ("x", "start", "image")
    params = ("spatial", "bilateral", "compatibility")
    no_gradient = ("image",)
    backward_reads = ("image", "steps", "spatial", "bilateral", "compatibility")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Read the deviations."""
        thetas = tuple(float(v) for v in (p.theta_alpha, p.theta_beta, p.theta_gamma))
        if not all(theta > 0 for theta in thetas):
            raise self.fail(f"theta_alpha, theta_beta, theta_gamma are {thetas}; all must be above 0.", ModelError)
        iterations = int(p.num_iterations) if p.HasField("num_iterations") else 5
        if iterations < 1:
            raise self.fail("num_iterations must be at least 1.", ModelError)
        self.options = {"thetas": thetas, "iterations": iterations}
        self._diagonals = (float(p.spatial_filter_weight), float(p.bilateral_filter_weight), -1.0)
        if len(shapes[0]) != 4:
            raise self.fail(f"needs scores (N, C, H, W), but they are {shapes[0]}.")
        for name in self.params:
            self.add_param(name, (1, 1, shapes[0][1], shapes[0][1]))

    def fill_params(self, indices: Sequence[int]) -> None:
        """Write the diagonals."""
        super().fill_params(indices)
        for index in indices:
            np.fill_diagonal(self.blobs[index].raw_data[0, 0], self._diagonals[index])

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """As the scores."""
        x, start, image = shapes
        if start != x or image != (x[0], 3, *x[2:]) or x[1] != self.blobs[0].shape[2]:
            raise self.fail(
                f"needs scores and a start of {(x[0], self.blobs[0].shape[2], *x[2:])} and an image of"
                f" {(x[0], 3, *x[2:])}, but they are {x}, {start} and {image}."
            )
        self.keep("steps", (self.options["iterations"], *x))
        return [x]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """Every pixel is tied to every other."""
        return Sees.ALL


def forward(
    x: np.ndarray,
    start: np.ndarray,
    image: np.ndarray,
    y: np.ndarray,
    steps: np.ndarray | None,
    spatial: np.ndarray,
    bilateral: np.ndarray,
    compatibility: np.ndarray,
    thetas: tuple[float, ...],
    iterations: int,
) -> None:
    """Step by step; `steps` keeps what each began with."""
    channels = x.shape[1]
    weights = [w.reshape(channels, channels) for w in (spatial, bilateral)]
    for item in range(len(x)):
        field = _field(image[item], thetas)
        scores, s = x[item].reshape(channels, -1), start[item].reshape(channels, -1)
        for i in range(iterations):
            if steps is not None:
                steps[i, item] = s.reshape(x.shape[1:])
            messages = _messages(s, field)[1]
            passed = sum(w @ m for w, m in zip(weights, messages, strict=True))
            s = scores - compatibility.reshape(channels, channels) @ passed
        y[item] = s.reshape(x.shape[1:])


def backward(
    dy: np.ndarray,
    image: np.ndarray,
    steps: np.ndarray,
    spatial: np.ndarray,
    bilateral: np.ndarray,
    compatibility: np.ndarray,
    dx: np.ndarray | None,
    dstart: np.ndarray | None,
    dspatial: np.ndarray | None,
    dbilateral: np.ndarray | None,
    dcompatibility: np.ndarray | None,
    thetas: tuple[float, ...],
    iterations: int,
    beta: float,
) -> None:
    """From the last step to the first."""
    channels = dy.shape[1]
    weights = [w.reshape(channels, channels) for w in (spatial, bilateral)]
    mixing = compatibility.reshape(channels, channels)
    sums = [np.zeros_like(w) for w in (*weights, mixing)]
    for item in range(len(dy)):
        field = _field(image[item], thetas)
        ds = dy[item].reshape(channels, -1)
        total = np.zeros_like(ds)
        for i in reversed(range(iterations)):
            q, messages = _messages(steps[i, item].reshape(channels, -1), field)
            total += ds
            sums[2] -= ds @ sum(w @ m for w, m in zip(weights, messages, strict=True)).T
            dpassed = -(mixing.T @ ds)
            dq = np.zeros_like(ds)
            for k, (weight, message, lattice) in enumerate(zip(weights, messages, field, strict=True)):
                sums[k] += dpassed @ message.T
                dq += lattice.filter(weight.T @ dpassed * lattice.norm, reverse=True)
            ds = softmax_gradient(dq, q, 0)
        if dx is not None:
            dx[item] = total.reshape(dy.shape[1:])
        if dstart is not None:
            dstart[item] = ds.reshape(dy.shape[1:])
    for gradient, own in zip((dspatial, dbilateral, dcompatibility), sums, strict=True):
        if gradient is not None:
            gradient[...] = own.reshape(gradient.shape) + (gradient if beta else 0)


def _field(image: np.ndarray, thetas: tuple[float, ...]) -> tuple[Lattice, Lattice]:
    """The filters by distance, and by distance and colour."""
    alpha, beta, gamma = thetas
    near = _permutohedral.spatial(image.shape[1], image.shape[2], gamma, image.dtype)
    return near, _permutohedral.bilateral(image, alpha, beta)


def _messages(s: np.ndarray, field: tuple[Lattice, Lattice]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Probabilities (C, pixels), and what each filter makes of them."""
    q = np.empty_like(s)
    softmax(s, 0, q)
    return q, [lattice.filter(q) * lattice.norm for lattice in field]
