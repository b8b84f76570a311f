"""The contract of a layer type: what the graph and the kernels rely on, checked on one example at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from caffelike import device as devices
from caffelike import registry
from caffelike.errors import ModelError
from caffelike.layer import Shape, arity, parameters
from caffelike.testing.bench import Arrays, Bench
from caffelike.testing.gradient import check_gradient
from caffelike.testing.inputs import Inputs

_BATCHES = (1, 13)  # other lengths of axis 0 that kernels and reshaping are tried with


@dataclass(frozen=True)
class Case:
    """One example of a layer type.

    options: the inside of its `layer { }` but for the type. shapes: of the bottoms. tops: how many. phase: 0 TRAIN,
    1 TEST. inputs: values by blob name, see caffelike.testing.inputs; standard normal where nothing is said.
    tolerance: of the gradient check. differentiable: False where backward is no derivative on purpose.
    batch: whether axis 0 of all bottoms that share the first one's length may change it together.
    empty: whether that length may be 0. special: whether kernels are tried with NaN and infinities too.
    """

    options: str = ""
    shapes: Sequence[Shape] = ()
    tops: int | None = None
    phase: int = 0
    inputs: Inputs = field(default_factory=dict)
    tolerance: float = 1e-5
    differentiable: bool = True
    batch: bool = True
    empty: bool = True
    special: bool = True


def check_layer(type_name: str, options: str = "", shapes: Sequence[Shape] = (), **more: Any) -> None:
    """Check a layer type on one example; `more`: the other fields of Case.

    - backward agrees with finite differences of forward;
    - it reads nothing but `backward_reads`, overwrites bottom gradients, and overwrites or adds to parameter
      gradients as `beta` says; each gradient comes out the same when it alone is wanted;
    - in place gives what out of place gives, where the type allows it;
    - after reshaping up and down the results are those of a new layer; an empty batch runs;
    - float32 gives what float64 gives, and so does the CPU's kernel of that stem, with the same parameters, NaN
      and infinities included;
    - too few and too many blobs are refused with the layer's name.

    Raises AssertionError that names type, example and what differs.
    """
    case = Case(options, shapes, **more)
    try:
        _check(type_name, case)
    except Exception as error:
        error.add_note(f"Checked: {type_name} {case.options} with bottoms {list(case.shapes)}")
        raise


def check_kernel(
    type_name: str, device: str, options: str = "", shapes: Sequence[Shape] = (), *, brief: bool = False, **more: Any
) -> None:
    """What `check_layer` checks of kernels, for those of one device: "cpu", or "cuda" where a GPU is.

    brief: only both passes on the example as it is, and in place: for Numba's simulator, which is slow.
    Raises AssertionError that names type, example and what differs.
    """
    case = Case(options, shapes, **more)
    try:
        _check_kernel(type_name, case, device, brief)
    except Exception as error:
        error.add_note(f"Checked on {device}: {type_name} {case.options} with bottoms {list(case.shapes)}")
        raise


def _check(type_name: str, case: Case) -> None:
    bench = _bench(type_name, case)
    layer = bench.layer
    assert type(layer).__doc__, "the class has no docstring"
    if case.differentiable:
        check_gradient(
            _definition(type_name, case),
            case.shapes,
            tops=case.tops,
            phase=case.phase,
            inputs=case.inputs,
            tolerance=case.tolerance,
        )
    _check_backward(bench)
    want = _run(bench)
    if layer.inplace and case.shapes:
        _same(_run(_bench(type_name, case, in_place=True)), want, "in place", exact=True)
    if case.batch and case.shapes:
        _check_reshape(type_name, case, want)
    _check_counts(type_name, case)
    _same(_run(_bench(type_name, case, dtype=np.float32)), want, "float32")
    if devices.CPU in devices.kernel_devices(layer.stem()):
        _check_kernel(type_name, case, devices.CPU)


def _definition(type_name: str, case: Case) -> str:
    return f'type: "{type_name}" {case.options}'


def _bench(type_name: str, case: Case, shapes: Sequence[Shape] | None = None, **more: Any) -> Bench:
    shapes = case.shapes if shapes is None else shapes
    return Bench(_definition(type_name, case), shapes, case.tops, case.phase, inputs=case.inputs, **more)


def _diffs(bench: Bench) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    return [generator.uniform(0.5, 1.5, top.shape) for top in bench.tops]


def _run(bench: Bench) -> Arrays:
    """Tops, parameters after forward, and all gradients."""
    tops = {f"top {i}": top.copy() for i, top in enumerate(bench.forward())}
    params = {f"{n} after forward": p.copy() for n, p in zip(bench.layer.param_names, bench.params, strict=True)}
    return tops | params | {f"gradient of {n}": g for n, g in bench.backward(_diffs(bench)).items()}


def _same(got: Arrays, want: Arrays, what: str, exact: bool = False) -> None:
    """Equal to 2e-5 of the largest number and 1e-4 relative, or bit by bit."""
    assert got.keys() == want.keys(), f"{what}: computed {sorted(got)}, not {sorted(want)}"
    for name, expected in want.items():
        assert got[name].shape == expected.shape, f"{what}: {name} is {got[name].shape}, not {expected.shape}"
        if not expected.size:
            continue
        absolute = 0 if exact else 2e-5 * max(1.0, float(np.abs(expected).max()))
        wrong = ~np.isclose(got[name], expected, rtol=0 if exact else 1e-4, atol=absolute, equal_nan=True)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise AssertionError(
                f"{what}: {name} differs in {np.count_nonzero(wrong)} of {wrong.size} numbers, first at {index}:"
                f" {got[name][index]:.9g}, expected {expected[index]:.9g}"
            )


def _check_backward(bench: Bench) -> None:
    """What backward reads and writes."""
    bench.forward()
    diffs = _diffs(bench)
    want = bench.backward(diffs)
    for label, gradient in want.items():
        assert np.isfinite(gradient).all(), f"the gradient of '{label}' is not wholly written, or not finite"
        alone = bench.backward(diffs, wanted=[label])
        _same(alone, {label: gradient}, f"only the gradient of '{label}' wanted", exact=True)
    unread = "backward reads something that backward_reads does not list"
    _same(bench.backward(diffs, poison=True), want, unread, exact=True)
    params = {name: want[name] + 1 for name in bench.layer.param_names if name in want}
    if params:
        _same(bench.backward(diffs, wanted=params, beta=1, start=1), params, "beta 1 adds to gradients of 1")


def _resized(shapes: Sequence[Shape], length: int) -> list[Shape]:
    """Axis 0 made `length` long in every shape where it is as long as the first one's."""
    return [(length, *shape[1:]) if shape and shape[0] == shapes[0][0] else shape for shape in shapes]


def _check_reshape(type_name: str, case: Case, want: Arrays) -> None:
    bench = _bench(type_name, case)
    for length in _BATCHES:
        shapes = _resized(case.shapes, length)
        bench.reshape(*shapes)
        _same(_run(bench), _run(_bench(type_name, case, shapes)), f"reshaped to {shapes}", exact=True)
    if case.empty:
        bench.reshape(*_resized(case.shapes, 0))
        _run(bench)
    bench.reshape(*case.shapes)
    _same(_run(bench), want, "reshaped up and down", exact=True)


def _check_counts(type_name: str, case: Case) -> None:
    kind = registry.layers[type_name]
    few, many = arity(kind.bottoms)
    wrong: list[tuple[list[Shape], int | None]] = []
    if few and case.shapes:
        wrong.append((list(case.shapes[: few - 1]), case.tops))
    if many is not None and not kind.pairwise:
        wrong.append(([*case.shapes, *[(2, 3)] * (many + 1 - len(case.shapes))], case.tops))
    if (most := arity(kind.tops)[1]) is not None and not kind.pairwise:
        wrong.append((list(case.shapes), most + 1))
    for shapes, tops in wrong:
        text = _refusal(_definition(type_name, case), shapes, tops, case.phase)
        assert text is not None, f"{len(shapes)} bottoms and {tops or 1} tops are not refused"
        assert "'layer'" in text, f"the error does not name the layer: {text}"


def _refusal(definition: str, shapes: list[Shape], tops: int | None, phase: int) -> str | None:
    """The text of the ModelError that setting the layer up raises, if it does."""
    try:
        Bench(definition, shapes, tops, phase)
    except ModelError as error:
        return str(error)
    return None


# Kernels -------------------------------------------------------------------------------------


def _check_kernel(type_name: str, case: Case, device: str, brief: bool = False) -> None:
    stem = registry.layers[type_name].stem()
    for name in ("forward", "backward"):
        fast, definition = devices.kernel(stem, name, device), registry.layers[type_name].definition(name)
        if fast is not None:
            assert definition is not None, f"{fast.__module__} has {name}, but the definition has none"
            assert parameters(fast) == parameters(definition), (
                f"{fast.__module__}.{name} takes {parameters(fast)}, the definition {parameters(definition)}"
            )
    variants = [case.shapes]
    if case.batch and case.shapes and not brief:
        variants += [_resized(case.shapes, length) for length in _BATCHES]
    for shapes in variants:
        fast_bench = _bench(type_name, case, shapes, dtype=np.float32, device=device)
        want = _run(_bench(type_name, case, shapes))
        _same(_run(fast_bench), want, f"the {device} kernel with bottoms {list(shapes)}")
        if not brief:
            _check_backward(fast_bench)
        if fast_bench.layer.inplace and shapes:
            in_place = _bench(type_name, case, shapes, dtype=np.float32, device=device, in_place=True)
            _same(_run(in_place), want, f"the {device} kernel in place with bottoms {list(shapes)}")
    if case.batch and case.empty and case.shapes:
        _run(_bench(type_name, case, _resized(case.shapes, 0), dtype=np.float32, device=device))
    if case.special and not brief:
        _check_special(type_name, case, device)


def _check_special(type_name: str, case: Case, device: str) -> None:
    """NaN and infinities come out of a kernel where they come out of the definition in float32.

    A product with a weight (macs) may spread them further: fast algorithms subtract numbers that meet no sum otherwise.
    """
    bench, fast = (_bench(type_name, case, dtype=np.float32, device=which) for which in (None, device))
    chosen = [name for name in bench.learnable() if name in bench.bottom_labels] or bench.learnable()
    generator = np.random.default_rng(2)
    for name in chosen:
        values = bench.given[name].reshape(-1)
        places = generator.permutation(values.size)[: 3 * max(1, values.size // 15)]
        values[places] = np.resize([np.nan, np.inf, -np.inf], places.size)
        fast.given[name][...] = bench.given[name]
    want, got = _run(bench), _run(fast)
    spread = bench.layer.macs([b.shape for b in bench.bottoms], [t.shape for t in bench.tops]) > 0
    for name, expected in want.items():
        odd = ~np.isfinite(expected)
        what = f"the {device} kernel given NaN and infinities in {chosen}"
        if spread:
            lost = odd & np.isfinite(got[name])
            assert not lost.any(), f"{what}: {name} is finite in {np.count_nonzero(lost)} places where it must not be"
            continue
        same = np.isnan(got[name]) == np.isnan(expected)
        same &= (np.isposinf(got[name]) == np.isposinf(expected)) & (np.isneginf(got[name]) == np.isneginf(expected))
        if not same.all():
            index = tuple(int(i) for i in np.argwhere(~same)[0])
            raise AssertionError(
                f"{what}: {name} differs in {np.count_nonzero(~same)} of {same.size} numbers, first at {index}:"
                f" {got[name][index]:g}, expected {expected[index]:g}"
            )
        finite = {name: np.where(odd, 0, expected)}
        _same({name: np.where(odd, 0, got[name])}, finite, what)
