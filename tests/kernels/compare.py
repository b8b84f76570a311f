"""Holds a fast kernel against its definition."""

import importlib
import inspect

import numpy as np

from caffelike.kernels import launch


def check(stem, name, outputs, rtol=2e-6, atol=2e-6, exact=(), package="layers", **arguments):
    """Run `name` of kernels/cpu/<stem>.py and of its definition on copies of the arguments; compare the `outputs`.

    One array given twice is one array in the copies too. Outputs named in `exact` must have the definition's bits;
    with one and two threads the kernel must give the same bits. Returns the kernel's outputs by name.
    """
    definition = getattr(importlib.import_module(f"caffelike.{package}.{stem}"), name)
    kernel = getattr(importlib.import_module(f"caffelike.kernels.cpu.{stem}"), name)
    assert list(inspect.signature(kernel).parameters) == list(inspect.signature(definition).parameters)
    wanted, wanted_answer = _run(definition, arguments, outputs)
    before, results = launch.get_num_threads(), []
    try:
        for threads in {1, before}:
            launch.set_num_threads(threads)
            got, answer = _run(kernel, arguments, outputs)
            assert answer == wanted_answer
            results.append(got)
    finally:
        launch.set_num_threads(before)
    for output in outputs:
        for i, (a, b) in enumerate(zip(results[0][output], wanted[output], strict=True)):
            if b is None:
                continue
            message = f"{stem}.{name}: {output} {i}"
            if output in exact:
                np.testing.assert_array_equal(a, b, err_msg=message)
            else:
                np.testing.assert_allclose(a, b, rtol, atol, err_msg=message)
            for other in results[1:]:
                assert a.tobytes() == other[output][i].tobytes(), f"{message}: other bits on more threads"
    return {output: got[0] if len(got) == 1 else got for output, got in results[0].items()}


def _run(function, arguments, outputs):
    copies = {}

    def copy(value):
        if isinstance(value, tuple):
            return tuple(copy(v) for v in value)
        if isinstance(value, np.ndarray):
            return copies.setdefault(id(value), value.copy())
        return value

    given = {k: copy(v) for k, v in arguments.items()}
    with np.errstate(all="ignore"):
        answer = function(*(given[p] for p in inspect.signature(function).parameters))
    return {o: given[o] if isinstance(given[o], tuple) else (given[o],) for o in outputs}, answer


def empty(*shape, dtype=np.float32):
    """An array to be written, full of what must not stay in it."""
    return np.full(shape, np.nan if dtype == np.float32 else 77, dtype)


def normal(rng, *shape):
    """float32 from the normal distribution."""
    return rng.standard_normal(shape).astype(np.float32)
