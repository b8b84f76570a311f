"""What LSTM and RNN share: their blobs, the checks and the state between passes."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from caffelike.errors import ModelError
from caffelike.layer import Layer, Sees, Shape


class Recurrent(Layer):
    """Base of the recurrent layers: sequences x (T, N, ...) in, y (T, N, num_output) out.

    states: the names of what goes from one step to the next; each is (1, N, num_output).
    """

    states: ClassVar[tuple[str, ...]] = ()
    no_gradient = ("cont",)

    def setup(self, p: Any, *shapes: Shape) -> None:
        """Sort the bottoms out and declare the parameters."""
        self._size = int(p.num_output)
        if self._size < 1:
            raise self.fail("num_output must be at least 1.", ModelError)
        exposed = len(self.states) if p.expose_hidden else 0
        if not 2 + exposed <= len(shapes) <= 3 + exposed or len(self.message.top) != 1 + exposed:
            states = f" and the first state of {' and '.join(self.states)}" if exposed else ""
            raise self.fail(
                f"takes x, cont, an optional static input{states}, and makes {1 + exposed} top(s), but has"
                f" {len(shapes)} bottoms and {len(self.message.top)} tops.",
                ModelError,
            )
        starts = tuple(f"{s}_start" for s in self.states)
        static = len(shapes) == 3 + exposed
        if exposed and not static:  # by position the states would be taken for the static input
            self.bottoms = ("x", "cont", *starts, "x_static?")  # type: ignore[misc]
        self.options["expose_hidden"] = bool(exposed)
        for name in () if not exposed else (f"{s}_state" for s in self.states):
            self.options[name] = None
        self._step_shape = shapes[0][2:]
        self._static_shape = shapes[2][1:] if static else None
        self.declare(p, _features(self, shapes[0], 2, "x"), _features(self, shapes[2], 1, "x_static") if static else 0)

    def declare(self, p: Any, inputs: int, static: int) -> None:
        """Add the parameters, for x of `inputs` features a step and a static input of `static` (0: none)."""
        raise NotImplementedError

    def reshape(self, *shapes: Shape) -> list[Shape]:
        """(T, N, num_output), and the last states if they are exposed."""
        steps, batch = shapes[0][:2]
        state = (1, batch, self._size)
        if shapes[0][2:] != self._step_shape:
            raise self.fail(f"was set up for steps of shape {self._step_shape}, but x is now {shapes[0]}.")
        if shapes[1] != (steps, batch):
            raise self.fail(f"cont must be (T, N) = {(steps, batch)} as x is {shapes[0]}, but it is {shapes[1]}.")
        if self._static_shape is not None and shapes[2] != (batch, *self._static_shape):
            raise self.fail(f"the static input must be {(batch, *self._static_shape)}, but it is {shapes[2]}.")
        exposed = self.options["expose_hidden"]
        for shape in shapes[-len(self.states) :] if exposed else ():
            if shape != state:
                raise self.fail(f"a first state must be {state}, but it is {shape}.")
        if not exposed:
            for name in self.states:
                self.save(f"{name}_state", state)
        return [(steps, batch, self._size), *[state] * (len(self.states) if exposed else 0)]

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        """Every weight is used once for each step of each sequence, a static input's once for each sequence."""
        steps, batch = top[0][:2]
        return sum(
            blob.count * batch * (1 if name == "weight_static" else steps)
            for name, blob in zip(self.param_names, self.blobs, strict=True)
            if name.startswith("weight")
        )

    def reach(self, index: int, bottom: Shape, top: Shape) -> Sees:
        """The whole sequence."""
        return Sees.ALL


def _features(layer: Layer, shape: Shape, axis: int, name: str) -> int:
    if len(shape) <= axis:
        raise layer.fail(f"{name} is {shape}, but needs features behind its first {axis} axes.")
    return int(np.prod(shape[axis:], dtype=np.int64))


def project(x: np.ndarray, weight: np.ndarray, x_static: np.ndarray | None, weight_static: Any) -> np.ndarray:
    """weight x + weight_static x_static for all steps at once: (T, N, len(weight))."""
    steps, batch = x.shape[:2]
    total = (x.reshape(-1, weight.shape[1]) @ weight.T).reshape(steps, batch, weight.shape[0])
    if x_static is not None:
        total += x_static.reshape(batch, weight_static.shape[1]) @ weight_static.T
    return total


def project_back(
    grad: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    x_static: np.ndarray | None,
    weight_static: np.ndarray | None,
    dx_static: np.ndarray | None,
    dweight_static: np.ndarray | None,
    beta: float,
) -> None:
    """The gradients of `project`, for grad (T, N, len(weight))."""
    rows = grad.reshape(-1, weight.shape[0])
    if dx is not None:
        dx[...] = (rows @ weight).reshape(dx.shape)
    add(dweight, rows.T, x.reshape(-1, weight.shape[1]), beta)
    if x_static is not None and weight_static is not None:
        summed = grad.sum(axis=0)
        if dx_static is not None:
            dx_static[...] = (summed @ weight_static).reshape(dx_static.shape)
        add(dweight_static, summed.T, x_static.reshape(-1, weight_static.shape[1]), beta)


def add(dweight: np.ndarray | None, left: np.ndarray, right: np.ndarray, beta: float) -> None:
    """dweight = left right, plus what is there if `beta`; nothing where no gradient is wanted."""
    if dweight is not None:
        product = left @ right
        dweight[...] = dweight + product if beta else product
