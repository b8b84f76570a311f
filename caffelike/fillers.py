"""The seven fillers of Caffe: how a learnable blob gets its first values.

Each is a function of (float32 array, FillerParameter, generator) that writes into the array in place.
fan_in is count / shape[0] and fan_out count / shape[1] whatever the layer, as in Caffe.
"""

from typing import Any

import numpy as np

from caffelike import registry, rng
from caffelike.errors import ModelError
from caffelike.registry import register_filler

HONOURS = ("alpha", "negative_slope")  # forks' fields of a FillerParameter that are taken into account


def fill(array: np.ndarray, filler: Any, seed: int, name: str, index: int) -> None:
    """Fill `array` as the FillerParameter says; random ones depend on (seed, layer name, blob index) alone.

    Raises ModelError for an unknown type or a shape the filler cannot fill.
    """
    function = registry.fillers[filler.type]
    if filler.type != "msra" and (filler.alpha or filler.negative_slope):
        raise ModelError(f"Filler {filler.type!r} takes no 'alpha' or 'negative_slope': only 'msra' does.")
    function(array, filler, rng.generator(seed, name, index))


def _refuse_sparse(filler: Any) -> None:
    if filler.sparse != -1:
        raise ModelError(f"Filler {filler.type!r} takes no 'sparse': only 'gaussian' does. Remove the field.")


def _uniform(array: np.ndarray, low: float, high: float, generator: np.random.Generator) -> None:
    generator.random(out=array, dtype=np.float32)
    array *= high - low
    array += low


def _normal(array: np.ndarray, mean: float, std: float, generator: np.random.Generator) -> None:
    generator.standard_normal(out=array, dtype=np.float32)
    array *= std
    array += mean


@register_filler("constant")
def constant(array: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    """Every element is `value` (0)."""
    _refuse_sparse(filler)
    array[...] = filler.value


@register_filler("uniform")
def uniform(array: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    """Uniform in [min, max) (0, 1)."""
    _refuse_sparse(filler)
    _uniform(array, filler.min, filler.max, generator)


@register_filler("gaussian")
def gaussian(array: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    """Normal with `mean` (0) and `std` (1); with `sparse` = s each element is kept with probability s / shape[0]."""
    _normal(array, filler.mean, filler.std, generator)
    if filler.sparse >= 0:
        array *= generator.random(array.shape) < filler.sparse / array.shape[0]


@register_filler("positive_unitball")
def positive_unitball(array: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    """Uniform in [0, 1), then each row (over axis 0) is scaled to sum 1."""
    _refuse_sparse(filler)
    rows = generator.random((array.shape[0], array.size // array.shape[0]))
    array[...] = (rows / rows.sum(axis=1, keepdims=True)).reshape(array.shape)


def _fan(array: np.ndarray, filler: Any) -> float:
    """The n of the variance rule: FAN_IN (default), FAN_OUT or their AVERAGE."""
    fan_in = array.size / array.shape[0] if array.ndim else 1.0
    fan_out = array.size / array.shape[1] if array.ndim > 1 else float(array.size)
    kind = type(filler).VarianceNorm.Name(filler.variance_norm)
    return {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[kind]


@register_filler("xavier")
def xavier(array: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    """Uniform in [-a, a) with a = sqrt(3 / fan). Source: Glorot and Bengio, AISTATS 2010."""
    _refuse_sparse(filler)
    bound = np.sqrt(3.0 / _fan(array, filler))
    _uniform(array, -bound, bound, generator)


@register_filler("msra")
def msra(array: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    """Normal with std sqrt(2 / ((1 + a^2) fan)), a 0 or a leaky ReLU's slope (forks' alpha, negative_slope).

    Source: He et al., ICCV 2015.
    """
    _refuse_sparse(filler)
    slope = filler.alpha or filler.negative_slope
    _normal(array, 0.0, np.sqrt(2.0 / ((1 + slope**2) * _fan(array, filler))), generator)


@register_filler("bilinear")
def bilinear(array: np.ndarray, filler: Any, generator: np.random.Generator) -> None:
    """Weights of bilinear upsampling for a Deconvolution; needs 4 axes and square kernels."""
    _refuse_sparse(filler)
    if array.ndim != 4 or array.shape[2] != array.shape[3]:
        raise ModelError(f"Filler 'bilinear' needs a blob (n, c, k, k) with square kernels; this one is {array.shape}.")
    size = array.shape[3]
    factor = (size + 1) // 2
    centre = (size - 1) / (2.0 * factor)
    ramp = 1 - np.abs(np.arange(size) / factor - centre)
    array[...] = np.outer(ramp, ramp)
