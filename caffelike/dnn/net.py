"""cv2.dnn's Net for Caffe models, on a caffelike.Net."""

import difflib
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelike import log
from caffelike.blob import Blob
from caffelike.errors import CaffelikeError
from caffelike.graph.definition import Definition
from caffelike.graph.net import Net as CaffeNet
from caffelike.graph.phases import filter_layers
from caffelike.schema import TEST, message_class

_INPUT = "_input"
_OWN_BACKENDS, _OWN_TARGETS = (0, 3), (0,)  # DEFAULT, OPENCV; CPU


class DnnError(CaffelikeError):
    """Wrong use of this module; files and shapes have their own kinds of CaffelikeError."""


class Layer:
    """What getLayer gives: a layer's name, type and weights."""

    def __init__(self, name: str, type: str, params: Sequence[Blob] = ()):
        self.name, self.type = name, type
        self._params = params

    @property
    def blobs(self) -> tuple[np.ndarray, ...]:
        """Its parameters, of two axes at least; they are no copies, so writes count.

        Arrays given in their place are copied into them, whatever their shape; parameters for which there is no array
        become zero, as a convolution without its bias is in OpenCV. Raises DnnError for too many arrays or values.
        """
        flat = (1, -1) if self.type == "InnerProduct" else (-1, 1)
        return tuple(b.data.reshape(flat) if b.data.ndim == 1 else b.data for b in self._params)

    @blobs.setter
    def blobs(self, arrays: Sequence[np.ndarray]) -> None:
        params = self._params
        if len(arrays) > len(params):
            raise DnnError(f"Layer '{self.name}' has {len(params)} parameters, not {len(arrays)}.")
        for i, (param, array) in enumerate(zip(params, arrays, strict=False)):
            if np.size(array) != param.count:
                raise DnnError(
                    f"Layer '{self.name}': parameter {i} has {param.count} values, not {np.size(array)}"
                    f" ({np.shape(array)} for {param.shape})."
                )
        for i, param in enumerate(params):
            param.data[...] = np.reshape(arrays[i], param.shape) if i < len(arrays) else 0


def readNetFromCaffe(prototxt: Any, caffeModel: Any = "") -> "Net":
    """A net in TEST from a definition and its weights: paths, or what is in the files (bytes, or arrays of uint8).

    Without weights they are as the definition's fillers say. Where the definition names inputs without their shapes
    (GOTURN's does), the net is built when setInput has given the last of them. Raises FileError, ParseError (with
    line), ModelError, WeightsError.
    """
    from caffelike.schema import text, tokens, weights
    from caffelike.schema.wire import Source

    kind = message_class("NetParameter")
    if _is_path(prototxt):
        document = text.read(prototxt, kind)
    else:
        document = text.parse(tokens.decode(_bytes(prototxt, "prototxt")), kind, "<buffer>")
    given = document.message
    unshaped = [] if given.input_shape or given.input_dim else list(given.input)
    net = text.upgraded_net(document)
    definitions = [Definition(layer, net.where_layer(i)) for i, layer in enumerate(net.message.layer)]
    if unshaped:
        inputs = message_class("LayerParameter")(name="input", type="Input", top=unshaped)
        definitions.insert(0, Definition(inputs, net.where("input")))
    stored = None
    if not _is_path(caffeModel):
        if len(data := _bytes(caffeModel, "caffeModel")):
            stored = weights.parse_weights(Source(data, "<buffer>"))
    elif os.fspath(caffeModel):
        stored = weights.read_weights(caffeModel)
    return Net(_Source(net.message, definitions, net.filename, stored))


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


@dataclass
class _Source:
    """What a net is built from."""

    message: Any
    definitions: list[Definition]
    filename: str
    weights: Any

    def inputs(self) -> Iterator[tuple[Any, int, str]]:
        """(Input layer, number of its top, the top's name) of each input."""
        for definition in self.definitions:
            if definition.message.type == "Input":
                for number, top in enumerate(definition.message.top):
                    yield definition.message, number, top

    def unshaped(self) -> list[str]:
        """The inputs whose shape the definition does not say."""
        return [top for layer, _, top in self.inputs() if not layer.input_param.shape]

    def build(self, shapes: Mapping[str, Sequence[int]]) -> CaffeNet:
        """The net, with `shapes` for the inputs that have none."""
        from caffelike.graph.weights import copy_weights

        message = type(self.message)()
        message.CopyFrom(self.message)
        del message.layer[:]
        for layer in (definition.message for definition in self.definitions):
            added = message.layer.add()
            added.CopyFrom(layer)
            if layer.type == "Input" and not layer.input_param.shape:
                for top in layer.top:
                    added.input_param.shape.add(dim=shapes[top])
        places = [definition.place for definition in self.definitions]
        net = CaffeNet.build(message, TEST, filename=self.filename, where=places.__getitem__)
        if self.weights:
            fewer = self.weights.generation == "HDF5"  # such files hold shared parameters once
            copy_weights(net._nodes, self.weights.layers, self.weights.path, fewer=fewer)
        return net


class Net:
    """A net as cv2.dnn shows it. Layers have OpenCV's names: convolutions are called after their top blob.

    caffe: the caffelike.Net behind it, with its blobs and params; None while the shape of an input is not known.
    """

    def __init__(self, source: _Source | None = None):
        self.caffe: CaffeNet | None = None
        self._source = source
        self._waiting: dict[str, np.ndarray] = {}  # what setInput was given before there was a net
        self._given: dict[str, np.ndarray] = {}  # and for inputs that a layer works on in place, to be run again
        self._ran = (0, 0)
        self._places: list[int] = []  # of its layers among those of the net, whose splits are not counted here
        self._layers: dict[str, Any] = {}  # OpenCV's name -> definition
        given: Counter[str] = Counter()
        state = message_class("NetState")(phase=TEST)
        for layer in (d.message for d in filter_layers(source.definitions, state)) if source else ():
            if layer.type == "Input":
                continue
            name = layer.top[0] if layer.type in ("Convolution", "ConvolutionDepthwise") and layer.top else layer.name
            given[name] += 1
            self._layers[name if given[name] == 1 else f"{name}_{given[name] - 1}"] = layer
        if source and not source.unshaped():
            self._build()

    def _build(self) -> None:
        assert self._source
        net = self._source.build({name: values.shape for name, values in self._waiting.items()})
        written = {layer.name for layer in self._layers.values()}
        self._places = [i for i, layer in enumerate(net.layers) if layer.type != "Input" and layer.name in written]
        self.caffe, self._source = net, None
        for name, values in self._waiting.items():
            self._fill(name, values)
        self._waiting.clear()

    # What it is ------------------------------------------------------------------------------------

    def empty(self) -> bool:
        """Whether it has no layers."""
        return not self._layers

    def getLayerNames(self) -> tuple[str, ...]:
        """The names of all layers in order, inputs left out."""
        return tuple(self._layers)

    def getLayerId(self, layer: str) -> int:
        """The number of a layer, from 1; 0 is the input, -1 is for a name it has not."""
        names = [_INPUT, *self._layers]
        return names.index(layer) if layer in names else -1

    def getLayer(self, layerId: int | str) -> Layer:
        """A layer by number or name."""
        number = layerId if isinstance(layerId, int) else self.getLayerId(layerId)
        if number == 0:
            return Layer(_INPUT, "__NetInputLayer__")
        if not 0 < number <= len(self._layers):
            raise self._unknown(str(layerId))
        name = list(self._layers)[number - 1]
        found = self._net.layers[self._places[number - 1]]
        return Layer(name, found.type, found.blobs)

    def getParam(self, layer: int | str, numParam: int = 0) -> np.ndarray:
        """Parameter number `numParam` of a layer."""
        found = self.getLayer(layer)
        if not 0 <= numParam < len(found.blobs):
            raise DnnError(f"Layer '{found.name}' has {len(found.blobs)} parameters; there is no number {numParam}.")
        return found.blobs[numParam]

    def setParam(self, layer: int | str, numParam: int, blob: np.ndarray) -> None:
        """Write parameter number `numParam` of a layer, an array of any shape with as many values. Raises DnnError.

        It counts in every layer; in OpenCV not in an InnerProduct, which keeps a copy.
        """
        param = self.getParam(layer, numParam)
        if np.size(blob) != param.size:
            raise DnnError(
                f"Parameter {numParam} of layer '{self.getLayer(layer).name}' has {param.size} values {param.shape},"
                f" not {np.size(blob)} {np.shape(blob)}."
            )
        param[...] = np.reshape(blob, param.shape)

    def getLayersCount(self, layerType: str) -> int:
        """How many layers are of this type."""
        return [layer.type for layer in self._layers.values()].count(layerType)

    def getLayerTypes(self) -> tuple[str, ...]:
        """The types of its layers, each once, in alphabetical order."""
        return tuple(sorted({layer.type for layer in self._layers.values()} | {"__NetInputLayer__"}))

    def getUnconnectedOutLayers(self) -> np.ndarray:
        """The numbers of layers whose output no other layer reads."""
        layers = list(self._layers.values())
        read: set[str] = set()
        numbers = []
        for number in range(len(layers), 0, -1):
            layer = layers[number - 1]
            if not read.intersection(layer.top):
                numbers.append(number)
            read.update(layer.bottom)
        return np.array(numbers[::-1], np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        """Their names."""
        names = list(self._layers)
        return tuple(names[number - 1] for number in self.getUnconnectedOutLayers())

    # Running -----------------------------------------------------------------------------------------

    def setInput(
        self, blob: np.ndarray, name: str = "", scalefactor: float = 1.0, mean: float | Sequence[float] = ()
    ) -> None:
        """Give an input (the first, or `name`) its values, (blob - mean) * scalefactor; it takes their shape.

        mean: one value a channel, as for blobFromImage. Raises DnnError for an unknown name or another number of axes.
        """
        from caffelike.dnn.images import _means

        inputs = [top for *_, top in self._source.inputs()] if self._source else self._net.inputs
        if not inputs:
            raise DnnError("This net has no input; its data come from its data layers. Use a deploy.prototxt.")
        name = name or inputs[0]
        if name not in inputs:
            raise DnnError(f'Requested blob "{name}" not found: the inputs are {", ".join(inputs)}.')
        values = np.asarray(blob, np.float32)
        if np.any(means := _means(mean)) or scalefactor != 1:
            channels = values.shape[1] if values.ndim > 1 else 1
            offset = np.resize(means[: min(4, channels)], channels) if channels <= 4 else np.full(channels, means[0])
            values = (values - offset.reshape((1, -1) + (1,) * (values.ndim - 2))) * np.float32(scalefactor)
        if not self._source:
            self._fill(name, values)
            return
        self._waiting[name] = values.copy()
        if not self._missing():
            self._build()

    def setInputShape(self, inputName: str, shape: Sequence[int]) -> None:
        """Let an input have this shape, and zeros in it until setInput is called. Raises DnnError."""
        self.setInput(np.zeros(tuple(shape), np.float32), inputName)

    def _fill(self, name: str, values: np.ndarray) -> None:
        target = self._net.blobs[name]
        if values.ndim != len(target.shape):
            raise DnnError(f"Input '{name}' is {target.shape}; an array of {values.shape} has another number of axes.")
        target.reshape(*values.shape)
        target.data[...] = values
        if any(name in layer.top for layer in self._layers.values()):
            self._given[name] = values.copy()

    def _restore(self) -> None:
        for name, values in self._given.items():
            self._net.blobs[name].data[...] = values

    def _missing(self) -> list[str]:
        """The inputs that must be set before there is a net."""
        return [name for name in self._source.unshaped() if name not in self._waiting] if self._source else []

    def forward(self, outputName: str | Sequence[str] = "") -> Any:
        """Run the net; a copy of the first output of the layer `outputName`, or of the last layer.

        With a list of names a tuple of arrays. A layer that a later one overwrites in place shows what it put out
        itself. Raises DnnError for an unknown name, ShapeError where the input's shape does not fit.
        """
        if isinstance(outputName, str):
            return self._run([outputName or next(reversed(self._layers), "")])[0][0]
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
        self._restore()
        position = 0
        for index in sorted({i for i in wanted if self._overwritten(i, last)} | {last}):
            # From the first layer to the last one in one go, kernels do several layers at once.
            net.run_forward(position, index)
            position = index + 1
            found[index] = self._outputs(index)
        self._ran = (last, time.perf_counter_ns() - started)
        return [found[i] if i in found else self._outputs(i) for i in wanted]

    def _index(self, name: str) -> int:
        if name in self._layers:
            return self._places[list(self._layers).index(name)]
        names = self._net._layer_names
        if name in names:  # as Caffe calls it
            return names.index(name)
        raise self._unknown(name)

    def _unknown(self, name: str) -> DnnError:
        near = difflib.get_close_matches(name, self._layers, n=3)
        known = ", ".join(list(self._layers)[:20]) + (", ..." if len(self._layers) > 20 else "")
        hint = f"did you mean {' or '.join(near)}?" if near else f"the layers are {known or 'none'}."
        return DnnError(f'Requested layer "{name}" not found; {hint}')

    def _overwritten(self, index: int, last: int) -> bool:
        """Whether a later layer up to `last` writes over an output of this one."""
        tops = set(self._net._top_ids(index))
        return any(tops & set(self._net._top_ids(later)) for later in range(index + 1, last + 1))

    def _outputs(self, index: int) -> list[np.ndarray]:
        net = self._net
        ids = net._top_ids(index) or net._bottom_ids(index)  # Silence shows what it was given
        outputs = [np.array(net._blobs[i].data) for i in ids]
        layer = net.layers[index]
        if layer.type == "DetectionOutput":
            keep = layer.message.detection_output_param.keep_top_k
            outputs[0] = _detections(outputs[0], keep * net._blobs[net._bottom_ids(index)[0]].shape[0])
        return outputs

    def getPerfProfile(self) -> tuple[int, np.ndarray]:
        """(nanoseconds of the last forward, those of each layer).

        The layers are timed now, one by one, on the same input. OpenCV's getTickFrequency is 1e9 on Linux too. Layers
        that run as one in forward take longer here.
        """
        net, (last, total) = self._net, self._ran
        if not total:
            raise DnnError("getPerfProfile: nothing has run yet; call forward first.")
        times = []
        self._restore()
        position = 0
        for index in self._places:
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
        if self.caffe is None and self._source is None:
            raise DnnError("This net is empty; make one with readNetFromCaffe.")
        if self.caffe is None:
            inputs = ", ".join(self._missing())
            raise DnnError(f"The definition does not say the shape of {inputs}; give it by setInput first.")
        return self.caffe


def _detections(rows: np.ndarray, room: int) -> np.ndarray:
    """DetectionOutput's rows (image, label, score, box) as OpenCV has them: each image's by score, then rows of zeros.

    room: the rows there are in all, keep_top_k an image; without a limit (keep_top_k: -1) there are no rows of zeros.
    """
    rows = rows.reshape(-1, 7)
    rows = rows[rows[:, 1] >= 0]  # Caffe says by label -1 that an image has none
    rows = rows[np.lexsort((-rows[:, 2], rows[:, 0]))]
    zeros = np.zeros((max(0, room - len(rows)), 7), rows.dtype)
    return np.concatenate([rows, zeros])[None, None]
