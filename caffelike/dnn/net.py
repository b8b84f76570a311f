"""cv2.dnn's Net for Caffe models, on a caffelike.Net."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffelike import log
from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net as CaffeNet
from caffelike.schema import TEST, message_class

_INPUT = "_input"
_OWN_BACKENDS, _OWN_TARGETS = (0, 3), (0,)  # DEFAULT, OPENCV; CPU


class DnnError(CaffelikeError):
    """Wrong use of this module; files and shapes have their own kinds of CaffelikeError."""


class Layer(NamedTuple):
    """What getLayer tells: name and type, and its weights as arrays that are copies of nothing, so writes count."""

    name: str
    type: str
    blobs: tuple[np.ndarray, ...]


def readNetFromCaffe(prototxt: Any, caffeModel: Any = "") -> "Net":
    """A net in TEST from a definition and its weights: paths, or what is in the files (bytes, or arrays of uint8).

    Without weights they are as the definition's fillers say. Raises FileError, ParseError (with line), ModelError,
    WeightsError.
    """
    from caffelike.schema import text, tokens, weights
    from caffelike.schema.wire import Source

    if _is_path(prototxt):
        document = text.read_net(prototxt)
    else:
        source = tokens.decode(_bytes(prototxt, "prototxt"))
        document = text.upgraded_net(text.parse(source, message_class("NetParameter"), "<buffer>"))
    net = CaffeNet.build(document.message, TEST, filename=document.filename, where=document.where_layer)
    if _is_path(caffeModel):
        if os.fspath(caffeModel):
            net.copy_from(caffeModel)
    elif len(data := _bytes(caffeModel, "caffeModel")):
        from caffelike.graph.weights import copy_weights

        copy_weights(net._nodes, weights.parse_weights(Source(data, "<buffer>")).layers, "<buffer>")
    return Net(net, [layer.name for layer in document.message.layer])


def readNet(model: str | os.PathLike, config: str | os.PathLike = "", framework: str = "") -> "Net":
    """`readNetFromCaffe` of a .prototxt and a .caffemodel, given in either order."""
    names = [os.fspath(model), os.fspath(config)]
    if framework.lower() not in ("", "caffe"):
        raise DnnError(f"readNet: framework is 'caffe' here, not '{framework}'.")
    prototxt = next((name for name in names if name.lower().endswith((".prototxt", ".pt", ".txt"))), "")
    if not prototxt:
        raise DnnError(f"readNet reads Caffe's .prototxt and .caffemodel; neither {' nor '.join(names)} is a prototxt.")
    names.remove(prototxt)
    return readNetFromCaffe(prototxt, names[0])


def _is_path(given: Any) -> bool:
    return isinstance(given, (str, os.PathLike))


def _bytes(given: Any, what: str) -> bytes:
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8:
            raise DnnError(f"{what}: a buffer is an array of uint8, not of {given.dtype}.")
        return given.tobytes()
    try:
        return bytes(memoryview(given))
    except TypeError:
        raise DnnError(f"{what} is a path, bytes or an array of uint8, not {type(given).__name__}.") from None


class Net:
    """A net as cv2.dnn shows it. Layers have OpenCV's names: convolutions are called after their top blob.

    caffe: the caffelike.Net behind it, with its blobs and params.
    """

    def __init__(self, caffe: CaffeNet | None = None, names: Sequence[str] = ()):
        self.caffe = caffe
        self._indices: dict[str, int] = {}  # a layer's name -> its place among the net's own layers
        self._given: Counter[str] = Counter()
        self._ran = (0, 0)
        written = set(names)
        for i, layer in enumerate(caffe.layers if caffe else ()):
            if layer.type == "Input" or layer.name not in written:  # the splits that were put in
                continue
            tops = caffe.top_names[layer.name] if caffe else []
            name = tops[0] if layer.type in ("Convolution", "ConvolutionDepthwise") and tops else layer.name
            self._given[name] += 1
            self._indices[name if self._given[name] == 1 else f"{name}_{self._given[name] - 1}"] = i

    # What it is ------------------------------------------------------------------------------------

    def empty(self) -> bool:
        """Whether it has no layers."""
        return not self._indices

    def getLayerNames(self) -> tuple[str, ...]:
        """The names of all layers in order, inputs left out."""
        return tuple(self._indices)

    def getLayerId(self, layer: str) -> int:
        """The number of a layer, from 1; 0 is the input, -1 is for a name it has not."""
        names = [_INPUT, *self._indices]
        return names.index(layer) if layer in names else -1

    def getLayer(self, layerId: int | str) -> Layer:
        """A layer by number or name."""
        number = layerId if isinstance(layerId, int) else self.getLayerId(layerId)
        if number == 0:
            return Layer(_INPUT, "__NetInputLayer__", ())
        if not 0 < number <= len(self._indices):
            raise self._unknown(str(layerId))
        name, index = list(self._indices.items())[number - 1]
        found = self._net.layers[index]
        flat = (1, -1) if found.type == "InnerProduct" else (-1, 1)  # OpenCV's arrays have two axes at least
        blobs = (blob.data for blob in found.blobs)
        return Layer(name, found.type, tuple(b.reshape(flat) if b.ndim == 1 else b for b in blobs))

    def getParam(self, layer: int | str, numParam: int = 0) -> np.ndarray:
        """Parameter number `numParam` of a layer."""
        found = self.getLayer(layer)
        if not 0 <= numParam < len(found.blobs):
            raise DnnError(f"Layer '{found.name}' has {len(found.blobs)} parameters; there is no number {numParam}.")
        return found.blobs[numParam]

    def getLayerTypes(self) -> tuple[str, ...]:
        """The types of its layers, each once, in alphabetical order."""
        return tuple(sorted({self._net.layers[i].type for i in self._indices.values()} | {"__NetInputLayer__"}))

    def getUnconnectedOutLayers(self) -> np.ndarray:
        """The numbers of layers whose output no other layer reads."""
        net, numbers = self._net, []
        for number, index in enumerate(self._indices.values(), 1):
            tops = set(net._top_ids(index))
            if not any(tops & set(net._bottom_ids(later)) for later in range(index + 1, len(net.layers))):
                numbers.append(number)
        return np.array(numbers, np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        """Their names."""
        names = list(self._indices)
        return tuple(names[number - 1] for number in self.getUnconnectedOutLayers())

    # Running -----------------------------------------------------------------------------------------

    def setInput(
        self, blob: np.ndarray, name: str = "", scalefactor: float = 1.0, mean: float | Sequence[float] = ()
    ) -> None:
        """Give an input (the first, or `name`) its values, (blob - mean) * scalefactor; it takes their shape.

        mean: one value a channel, as for blobFromImage. Raises DnnError for an unknown name or another number of axes.
        """
        from caffelike.dnn.images import _means

        net = self._net
        if not net.inputs:
            raise DnnError(f"Net '{net.name}' has no input; its data come from its data layers. Use a deploy.prototxt.")
        name = name or net.inputs[0]
        if name not in net.inputs:
            raise DnnError(f'Requested blob "{name}" not found: the inputs are {", ".join(net.inputs)}.')
        values = np.asarray(blob, np.float32)
        target = net.blobs[name]
        if values.ndim != len(target.shape):
            raise DnnError(f"Input '{name}' is {target.shape}; an array of {values.shape} has another number of axes.")
        if np.any(means := _means(mean)) or scalefactor != 1:
            channels = values.shape[1] if values.ndim > 1 else 1
            offset = np.resize(means[: min(4, channels)], channels) if channels <= 4 else np.full(channels, means[0])
            values = (values - offset.reshape((1, -1) + (1,) * (values.ndim - 2))) * np.float32(scalefactor)
        target.reshape(*values.shape)
        target.data[...] = values

    def forward(self, outputName: str | Sequence[str] = "") -> Any:
        """Run the net; a copy of the first output of the layer `outputName`, or of the last layer.

        With a list of names a tuple of arrays. A layer that a later one overwrites in place shows what it put out
        itself. Raises DnnError for an unknown name, ShapeError where the input's shape does not fit.
        """
        if isinstance(outputName, str):
            return self._run([outputName or next(reversed(self._indices), "")])[0][0]
        return tuple(outputs[0] for outputs in self._run(list(outputName)))

    def forwardAndRetrieve(self, outBlobNames: Sequence[str]) -> list[list[np.ndarray]]:
        """Run the net; copies of all outputs of each of these layers."""
        return self._run(list(outBlobNames))

    def _run(self, names: list[str]) -> list[list[np.ndarray]]:
        net = self._net
        if not names:
            raise DnnError("forward takes at least one name in a list; without any argument it is the last layer's.")
        wanted = [self._index(name) for name in names]
        last = max(wanted)
        found: dict[int, list[np.ndarray]] = {}
        started = time.perf_counter_ns()
        position = 0
        for index in sorted({i for i in wanted if self._overwritten(i, last)} | {last}):
            # From the first layer to the last one in one go, kernels do several layers at once.
            net.run_forward(position, index)
            position = index + 1
            found[index] = self._outputs(index)
        self._ran = (last, time.perf_counter_ns() - started)
        return [found[i] if i in found else self._outputs(i) for i in wanted]

    def _index(self, name: str) -> int:
        if name in self._indices:
            return self._indices[name]
        names = self._net._layer_names
        if name in names:  # as Caffe calls it
            return names.index(name)
        raise self._unknown(name)

    def _unknown(self, name: str) -> DnnError:
        known = ", ".join(self._indices) or "none"
        return DnnError(f'Requested layer "{name}" not found; the layers are {known}.')

    def _overwritten(self, index: int, last: int) -> bool:
        """Whether a later layer up to `last` writes over an output of this one."""
        tops = set(self._net._top_ids(index))
        return any(tops & set(self._net._top_ids(later)) for later in range(index + 1, last + 1))

    def _outputs(self, index: int) -> list[np.ndarray]:
        net = self._net
        ids = net._top_ids(index) or net._bottom_ids(index)  # Silence shows what it was given
        return [np.array(net._blobs[i].data) for i in ids]

    def getPerfProfile(self) -> tuple[int, np.ndarray]:
        """(nanoseconds of the last forward, those of each layer).

        The layers are timed now, one by one, on the same input. OpenCV's getTickFrequency is 1e9 on Linux too. Layers
        that run as one in forward take longer here.
        """
        net, (last, total) = self._net, self._ran
        if not total:
            raise DnnError("getPerfProfile: nothing has run yet; call forward first.")
        times = []
        position = 0
        for index in self._indices.values():
            started = time.perf_counter_ns()
            if index <= last:
                net.run_forward(position, index)
                position = index + 1
            times.append(float(time.perf_counter_ns() - started) if index <= last else 0.0)
        return total, np.array(times)

    # Choices that are none here ------------------------------------------------------------------------

    def setPreferableBackend(self, backendId: int) -> None:
        """Nothing changes; a warning is logged for others than the default's and OpenCV's own."""
        if backendId not in _OWN_BACKENDS:
            log.warning("net_impl.cpp:226", f"Backend {backendId} is not here: caffelike's own kernels run on the CPU.")

    def setPreferableTarget(self, targetId: int) -> None:
        """Nothing changes; a warning is logged for others than the CPU."""
        if targetId not in _OWN_TARGETS:
            log.warning("net_impl.cpp:298", f"Target {targetId} is not here: caffelike's own kernels run on the CPU.")

    def enableFusion(self, fusion: bool) -> None:
        """Nothing changes: layers run as one where that gives the same numbers."""

    def enableWinograd(self, useWinograd: bool) -> None:
        """Nothing changes: CAFFELIKE_CONV=direct in the environment turns Winograd's algorithm off."""

    @property
    def _net(self) -> CaffeNet:
        if self.caffe is None:
            raise DnnError("This net is empty; make one with readNetFromCaffe.")
        return self.caffe
