"""What the examples that train a model of models/ share: its definition, its solver and its trained net."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import caffelike
from caffelike import hub, log
from caffelike.schema import text
from caffelike.solvers import get_solver


def define(model: str) -> ModuleType:
    """models/<model>/define.py as a module: for a narrower form than the one beside it."""
    return _module(f"{model}_definition", hub.root() / model / "define.py")


def shared(name: str) -> ModuleType:
    """models/<name>.py as a module: what several definitions share."""
    return _module(f"{name}_definitions", hub.root() / f"{name}.py")


def _module(name: str, path: Path) -> ModuleType:
    loader = SourceFileLoader(name, str(path))
    module = ModuleType(name)
    module.__file__ = loader.path
    sys.modules[name] = module  # dataclasses look there
    loader.exec_module(module)
    return module


def solver(model: str, folder: Path, file: str = "solver.prototxt", **changes: Any) -> Any:
    """The solver of a model, which reads its data in `folder`; `changes`: other values of its fields.

    net_param, train_net_param, or a list as test_net_param: nets in the place of the files'.
    """
    path = hub.root() / model / file
    param = text.read_solver(path).message
    for field, value in changes.items():
        if field.endswith("net_param"):
            param.ClearField(field.removesuffix("_param"))
            if isinstance(value, list):
                getattr(param, field).extend(value)
            else:
                getattr(param, field).CopyFrom(value)
        else:
            setattr(param, field, value)
    with contextlib.chdir(folder):
        return get_solver(param, filename=str(path))


def trained(
    model: str, folder: Path, iterations: int | None = None, deploy: Any = None, **changes: Any
) -> caffelike.Net:
    """Train, leave <model>.caffemodel in `folder`, and return the deploy net (or the given one) with these weights."""
    run = solver(model, folder, **changes)
    caffelike.init_log()
    with contextlib.chdir(folder):
        run.step(iterations or run.param.max_iter)
    weights = folder / f"{model}.caffemodel"
    run.net.save(weights)
    log.detach()
    return caffelike.Net.build(deploy, caffelike.TEST, weights=weights) if deploy else hub.load(model, weights=weights)


def command(doc: str | None, main: Callable[[argparse.Namespace, Path], None], *more: tuple[str, dict]) -> None:
    """The command line: --iterations, --folder (a temporary one if absent), and `more` options; calls main."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--folder", type=Path)
    for name, options in more:
        parser.add_argument(name, **options)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        main(args, folder)
