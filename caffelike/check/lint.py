"""Mistakes that Caffe runs without a word, and that spoil what is learned or answered.

A rule is a function of `Layers`, found by its decorator; it yields (level, layer, what is wrong and the cure, path of
the field). Levels: "warning" for what is hardly meant, "note" for what may be.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from caffelike.schema import TRAIN

_LEARNERS = ("Convolution", "Deconvolution", "InnerProduct")
_ACTIVATIONS = ("ReLU", "PReLU", "ELU", "Sigmoid", "TanH", "BNLL", "Swish")
_PASSING = ("Dropout", "Reshape", "Flatten", "Split", "Scale", "BatchNorm", "Slice", "Concat")
_INSIDE = {"SoftmaxWithLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}


class Finding(NamedTuple):
    """One mistake: level, index of the layer, text, and the field of the layer that it stands at."""

    level: str
    layer: int
    text: str
    path: tuple[str, ...] = ()


class Layers:
    """The layers of a net in one phase, and who makes what each of them reads."""

    def __init__(self, layers: Sequence[Any], phase: int, deployed: bool):
        """layers: LayerParameters in order; phase: TRAIN or TEST; deployed: whether a program fills the inputs."""
        self.layers, self.training, self.deployed = list(layers), phase == TRAIN, deployed
        self.sources: list[list[int]] = []  # of each bottom: the layer that made it last, -1 for none
        self.readers: list[list[int]] = [[] for _ in self.layers]
        made: dict[str, int] = {}
        for i, layer in enumerate(self.layers):
            self.sources.append([made.get(bottom, -1) for bottom in layer.bottom])
            for source in self.sources[-1]:
                if source >= 0:
                    self.readers[source].append(i)
            made |= dict.fromkeys(layer.top, i)

    def of(self, *types: str) -> Iterator[tuple[int, Any]]:
        """(index, layer) of these types."""
        return ((i, layer) for i, layer in enumerate(self.layers) if layer.type in types)

    def before(self, i: int, skip: Sequence[str] = ()) -> Any:
        """The layer that makes the first bottom of layer i, beyond those of the types in `skip`; None for none."""
        while self.sources[i] and (i := self.sources[i][0]) >= 0:
            if self.layers[i].type not in skip:
                return self.layers[i]
        return None


Rule = Callable[[Layers], Iterator[Finding]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Enter a rule."""
    RULES.append(function)
    return function


def lint(layers: Sequence[Any], phase: int, deployed: bool) -> Iterator[Finding]:
    """All mistakes of a net's layers in one phase; deployed: whether a program, and not a data layer, feeds them."""
    net = Layers(layers, phase, deployed)
    for function in RULES:
        yield from function(net)


@rule
def activation_twice(net: Layers) -> Iterator[Finding]:
    """A loss that has its activation inside gets values that went through it already."""
    for i, layer in net.of(*_INSIDE):
        source = net.before(i)
        inside = _INSIDE[layer.type]
        if source is not None and source.type == inside:
            yield Finding(
                "warning",
                i,
                f"{layer.type} computes {inside} itself, but its bottom comes from the {inside} layer '{source.name}':"
                f" it is applied twice and little is learned. Give the loss what '{source.name}' reads",
                ("bottom",),
            )


@rule
def activation_before_loss(net: Layers) -> Iterator[Finding]:
    """Scores cut off at 0 just before a loss."""
    for i, _ in net.of(*_INSIDE):
        source = net.before(i, ("Dropout",))
        if source is not None and source.type == "ReLU" and not source.relu_param.negative_slope:
            yield Finding(
                "warning",
                i,
                f"its scores come from the ReLU '{source.name}', which makes all negative ones 0; a classifier's last"
                " layer has no activation",
                ("bottom",),
            )


@rule
def zero_weights(net: Layers) -> Iterator[Finding]:
    """Weights that all start at 0 and so stay equal."""
    if not net.training or net.deployed:
        return
    for i, layer in net.of(*_LEARNERS):
        options = layer.inner_product_param if layer.type == "InnerProduct" else layer.convolution_param
        learned = not layer.param or layer.param[0].lr_mult != 0
        filler = options.weight_filler
        if learned and filler.type == "constant" and filler.value == 0 and not layer.blobs:
            yield Finding(
                "warning",
                i,
                "its weights start at 0 (no weight_filler, or a constant 0) and stay equal to each other unless they"
                ' are loaded; say weight_filler { type: "xavier" } or "msra"',
            )


@rule
def one_class(net: Layers) -> Iterator[Finding]:
    """A softmax over one value is always 1."""
    for i, _ in net.of("SoftmaxWithLoss"):
        source = net.before(i, _ACTIVATIONS + _PASSING)
        if source is not None and source.type == "InnerProduct" and source.inner_product_param.num_output == 1:
            yield Finding(
                "warning",
                i,
                f"'{source.name}' has num_output: 1, and a softmax over one class is always 1: nothing is learned."
                " Give it one output a class, or use SigmoidCrossEntropyLoss",
            )


@rule
def accuracy_while_training(net: Layers) -> Iterator[Finding]:
    """Accuracy costs time in every iteration and shows for one batch."""
    if net.training and not net.deployed:
        for i, _ in net.of("Accuracy"):
            yield Finding(
                "note",
                i,
                "it is in the training net too, where it costs time; include { phase: TEST } leaves it out there",
            )


@rule
def statistics_of_the_batch(net: Layers) -> Iterator[Finding]:
    """BatchNorm that normalises by the batch while testing."""
    for i, layer in net.of("BatchNorm"):
        options = layer.batch_norm_param
        if not net.training and options.HasField("use_global_stats") and not options.use_global_stats:
            yield Finding(
                "warning",
                i,
                "use_global_stats: false while testing: the answer for a picture depends on the others in its batch;"
                " leave it out, the phase decides",
                ("batch_norm_param", "use_global_stats"),
            )


@rule
def bias_before_batch_norm(net: Layers) -> Iterator[Finding]:
    """A bias that the normalisation takes away again."""
    for i, _ in net.of("BatchNorm") if net.training else ():
        source = net.before(i)
        if source is None or source.type not in ("Convolution", "InnerProduct"):
            continue
        options = source.inner_product_param if source.type == "InnerProduct" else source.convolution_param
        if options.bias_term and len(net.readers[net.sources[i][0]]) == 1:
            yield Finding(
                "note",
                net.sources[i][0],
                f"BatchNorm '{net.layers[i].name}' takes its bias away again; bias_term: false saves it",
            )


@rule
def scores_as_answers(net: Layers) -> Iterator[Finding]:
    """A deployed classifier whose loss was left out without its softmax."""
    if net.training or not net.deployed:
        return
    for i, layer in net.of("InnerProduct"):
        if not net.readers[i] and layer.inner_product_param.num_output > 1:
            yield Finding(
                "note",
                i,
                f"its {layer.inner_product_param.num_output} outputs are the net's answer; if they are classes, a"
                ' Softmax behind it gives probabilities (layer { type: "Softmax" ... })',
            )


@rule
def labels_in_a_deployed_net(net: Layers) -> Iterator[Finding]:
    """A loss in a net that is fed by a program."""
    if not net.training and net.deployed:
        for i, layer in net.of(*_INSIDE):
            yield Finding(
                "note", i, f"a net to be used needs no loss: `caffelike deploy` puts {_INSIDE[layer.type]} in its place"
            )
