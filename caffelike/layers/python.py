"""Python: a layer written by the user, as a class in a module on the Python path."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from typing import Any

from caffelike import log, registry
from caffelike.blob import Blob
from caffelike.errors import CaffelikeError, ModelError
from caffelike.layer import HostLayer
from caffelike.registry import register


class BlobVector(list):
    """pycaffe's list of a layer's learnable blobs."""

    def add_blob(self, *dims: int) -> None:
        """Append a zeroed blob of this shape."""
        self.append(Blob(dims))


class PythonLayer:
    """What users derive their layers from: `caffelike.Layer`, pycaffe's `caffe.Layer`.

    A subclass overrides setup, reshape, forward and (if anything is to learn below it) backward; bottom and top are
    lists of Blobs. reshape is called before every forward pass and gives the tops their shapes.
    param_str: python_param's text; phase: 0 TRAIN, 1 TEST; blobs: learnable blobs, made in setup by
    `self.blobs.add_blob(*dims)`; backward adds to their diffs. name, type: of the layer.
    """

    param_str: str = ""
    phase: int = 0
    name: str = ""
    type: str = "Python"
    blobs: BlobVector

    def __init__(self, layer_param: Any = None, *args: Any, **kwargs: Any):
        """layer_param: the LayerParameter; may be left out."""
        self.layer_param = layer_param
        self.blobs = BlobVector()

    @property
    def param_str_(self) -> str:
        """param_str as layers of 2015 call it (those of Faster R-CNN, for one)."""
        return self.param_str

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check the blobs and read param_str; called once."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give the tops their shapes: `top[0].reshape(*bottom[0].shape)`."""
        raise NotImplementedError(f"{type(self).__name__} has no method reshape(self, bottom, top).")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Fill `top[i].data`."""
        raise NotImplementedError(f"{type(self).__name__} has no method forward(self, bottom, top).")

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Fill `bottom[i].diff` where propagate_down[i]."""
        raise NotImplementedError(
            f"{type(self).__name__} has no method backward(self, top, propagate_down, bottom), but the net needs its"
            " gradient."
        )


@register("Python", param="python_param")
class Python(HostLayer):
    """Calls the methods of the class `layer` in `module`, both required.

    bottoms: any. tops: any.
    param_str: text for the class, found as self.param_str. share_in_parallel: changes nothing, ignored.
    The module is imported when the net is built. Gradient and errors: the class's own; an exception in it is
    passed on with the layer's name added. Errors: ModelError when module or class cannot be found.
    Where there is no such module, but a class of that name in caffelike.python_layers (those of Faster R-CNN, MNC,
    DetectNet, FCN, ...), that one runs, and the log says so.
    Source: BVLC Caffe's Python layer.
    """

    bottoms = ("*bottom",)
    tops = ("*top",)
    foreign = True
    folder: str = ""

    def __init__(self, message: Any, phase: int, seed: int = 0):
        """Find out whether the class is the user's own, which is `foreign`."""
        super().__init__(message, phase, seed)
        self.user: Any = None
        self.foreign = stand_in(message) is None  # type: ignore[misc]

    def check_counts(self, bottoms: int, tops: int) -> None:
        """Any number, none included: the user's setup checks."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Import the module, make the object and set it up."""
        p = self.message.python_param
        if not p.module or not p.layer:
            raise self.fail('needs python_param { module: "..." layer: "..." }.', ModelError)
        native = stand_in(self.message)
        if native is None:
            user_class = self._find(p.module, p.layer)
        else:
            user_class = native
            log.info(
                "python_layer.hpp:27",
                f"Layer {self.name}: there is no Python module '{p.module}'; caffelike's own {p.layer} runs instead.",
            )
        # As in pycaffe: made with the LayerParameter, and param_str and phase are there from setup on.
        user: Any = self._run(user_class, self.message)
        user.param_str, user.phase, user.name = p.param_str, self.phase, self.name
        if native is not None:
            user.seed, user.folder = self.seed, self.folder
        user.blobs = getattr(user, "blobs", None) or BlobVector()
        self.user = user
        self._run(user.setup, list(bottom), list(top))
        self.blobs = user.blobs
        self.param_names = [f"blob{i}" for i in range(len(self.blobs))]

    def _find(self, module_name: str, class_name: str) -> Any:
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name != module_name.partition(".")[0] and error.name != module_name:
                raise self.fail(
                    f"module '{module_name}' was found, but it imports '{error.name}', which is not there: install it.",
                    ModelError,
                ) from error
            raise self.fail(
                f"there is no Python module '{module_name}'. Put the folder that holds {module_name.split('.')[0]}.py"
                " into PYTHONPATH, or into sys.path before the net is made.",
                ModelError,
            ) from error
        except CaffelikeError:
            raise
        except Exception as error:
            raise self.fail(
                f"importing Python module '{module_name}' failed with {type(error).__name__}: {error}", ModelError
            ) from error
        if not hasattr(module, class_name):
            near = difflib.get_close_matches(class_name, dir(module), n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            place = getattr(module, "__file__", "built in")
            raise self.fail(f"module '{module_name}' ({place}) has no class '{class_name}'.{hint}", ModelError)
        return getattr(module, class_name)

    def _run(self, function: Callable, *arguments: Any) -> Any:
        """Call into the user's code; what it raises is passed on with the layer's name."""
        try:
            return function(*arguments)
        except Exception as error:
            error.add_note(f"in layer '{self.name}' (Python, {self.message.python_param.module})")
            raise

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """The user's."""
        self._run(self.user.reshape, list(bottom), list(top))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The user's."""
        self._run(self.user.forward, list(bottom), list(top))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """The user's."""
        self._run(self.user.backward, list(top), list(propagate_down), list(bottom))


def stand_in(message: Any) -> type | None:
    """The class of caffelike's own for a layer's module and class; None where the user can import that module.

    Nothing is imported to find out.
    """
    p = message.python_param
    name = f"{p.module}.{p.layer}"
    if name not in registry.stand_ins or _findable(p.module):
        return None
    return registry.stand_ins[name]


def _findable(module: str) -> bool:
    """Whether a module could be imported, without importing the packages that it is in."""
    name, path = "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        if name in sys.modules:
            path = getattr(sys.modules[name], "__path__", [])
            continue
        spec = importlib.util.find_spec(name) if path is None else PathFinder.find_spec(name, path)
        if spec is None:
            return False
        path = spec.submodule_search_locations or []
    return True
