"""MarginInnerProduct: SphereFace's fully connected layer with an angular margin for the right class."""

from typing import Any

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape
from caffelike.layers._loss import check_one_label_each, read_labels
from caffelike.layers._spatial import canonical_axis
from caffelike.registry import register

_FOLD = {"SINGLE": 1, "DOUBLE": 2, "TRIPLE": 3, "QUADRUPLE": 4}


@register("MarginInnerProduct", param="margin_inner_product_param")
class MarginInnerProduct(Layer):
    """y[n, j] = |x| cos t with t the angle between x[n] and weight[j], at the label with a margin.

    There it is (|x| psi(t) + l |x| cos t) / (1 + l);
    psi(t) = (-1)^k cos(m t) - 2 k for t in [k pi / m, (k + 1) pi / m]: as cos t, but falling m times as fast.
    bottoms: x (*batch, *features), from `axis` on one vector; label, one whole number for each. tops: y (*batch,
        num_output); factor, optional: the present l, (1,).
    params: weight (num_output, K), scaled to rows of length 1 in every forward pass.
    num_output: required. type SINGLE: m = 1 (no margin), DOUBLE 2, TRIPLE 3, QUADRUPLE 4. axis 1. weight_filler:
        constant 0. l = max(base (1 + gamma i)^-power, lambda_min) in pass i, which begins after iteration (0); base 1,
        gamma 0, power 1, lambda_min 0.
    Gradient, as the fork has it: to weight dy x, as without margin; to x that of y, but at the label the gradient of
        the margin's part is scaled to weights of length 1 for weight[j] and x[n].
    Errors: LabelError, ModelError for options, ShapeError for other shapes.
    Source: Liu et al., "SphereFace", CVPR 2017; wy1iu's fork.
    """

    bottoms = ("x", "label")
    tops = ("y", "factor?")
    params = ("weight",)
    no_gradient = ("label",)
    backward_reads = ("x", "label", "weight", "passes")

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Declare the weight; count passes."""
        axis = canonical_axis(self, p.axis, len(shapes[0]))
        self._outputs, self._inputs = int(p.num_output), int(np.prod(shapes[0][axis:], dtype=np.int64))
        if self._outputs < 1:
            raise self.fail("num_output must be at least 1.", ModelError)
        self._passes = np.full(1, float(p.iteration))
        self.options = {
            "axis": axis,
            "fold": _FOLD[type(p).MarginType.Name(p.type)],
            "schedule": (float(p.base), float(p.gamma), float(p.power), float(p.lambda_min)),
            "passes": self._passes,
        }
        self.add_param("weight", (self._outputs, self._inputs), p.weight_filler)

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(*batch, num_output), and (1,)."""
        x, label = shapes
        axis = self.options["axis"]
        if int(np.prod(x[axis:], dtype=np.int64)) != self._inputs:
            raise self.fail(f"the weights are for {self._inputs} inputs, but the bottom is {x}.")
        check_one_label_each(self, (int(np.prod(x[:axis], dtype=np.int64)),), label)
        return [(*x[:axis], self._outputs), (1,)][: len(self.message.top)]

    def state(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"passes": float(self._passes[0])}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on counting where `state` was taken."""
        self._passes[0] = state["passes"]

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """All its inputs."""
        return Sees.ALL


def forward(
    x: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    y: np.ndarray,
    factor: np.ndarray | None,
    fold: int,
    schedule: tuple[float, ...],
    passes: np.ndarray,
) -> None:
    """Scale the weights, multiply, and change the labels' numbers."""
    passes += 1
    share = _share(schedule, passes)
    if factor is not None:
        factor[...] = share
    weight /= np.sqrt(np.square(weight).sum(axis=1, keepdims=True))
    rows, out = x.reshape(-1, weight.shape[1]), y.reshape(-1, weight.shape[0])
    np.matmul(rows, weight.T, out=out)
    if fold == 1:
        return
    labels, _ = read_labels(label, weight.shape[0], None, len(rows))
    items = np.arange(len(rows))
    length = np.sqrt(np.square(rows).sum(axis=1))
    cosine = out[items, labels] / length
    out[items, labels] = length * (_margin(cosine, fold)[0] + share * cosine) / (1 + share)


def backward(
    dy: np.ndarray,
    x: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    fold: int,
    schedule: tuple[float, ...],
    passes: np.ndarray,
    beta: float,
) -> None:
    """As InnerProduct, but for the labels' part."""
    rows, grads = x.reshape(-1, weight.shape[1]), dy.reshape(-1, weight.shape[0])
    if dweight is not None:
        dweight[...] = grads.T @ rows + (dweight if beta else 0)
    if dx is None:
        return
    down = grads @ weight
    if fold > 1:
        share = _share(schedule, passes)
        labels, _ = read_labels(label, weight.shape[0], None, len(rows))
        right, grad = weight[labels], grads[np.arange(len(rows)), labels][:, None]
        length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
        cosine = (rows * right).sum(axis=1, keepdims=True) / length
        value, slope = _margin(cosine, fold)
        # d(|x| psi) / dx = psi' w + (psi - cos psi') x / |x|
        to_weight, to_x = slope, (value - cosine * slope) / length
        norm = np.sqrt(to_weight**2 + to_x**2)
        down += grad / (1 + share) * ((to_weight / norm - 1) * right + to_x / norm * rows)
    dx[...] = down.reshape(dx.shape)


def _share(schedule: tuple[float, ...], passes: np.ndarray) -> float:
    base, gamma, power, smallest = schedule
    return max(base * (1 + gamma * float(passes[0])) ** -power, smallest)


def _margin(cosine: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """psi, and its derivative by cos t, of cos t: cos(m t) is a polynomial of it (Chebyshev's)."""
    polynomial = np.polynomial.chebyshev.Chebyshev.basis(fold)
    piece = np.minimum(np.floor(np.arccos(np.clip(cosine, -1, 1)) * fold / np.pi), fold - 1)
    sign = np.where(piece % 2 == 0, 1, -1)
    return sign * polynomial(cosine) - 2 * piece, sign * polynomial.deriv()(cosine)
