"""What a definition says in a fork's words: honoured by the layer type, a hint that changes no numbers, or refused."""

from collections.abc import Iterator

from caffelike import log
from caffelike.errors import ModelError
from caffelike.fillers import HONOURS
from caffelike.layer import Layer
from caffelike.schema.dialects import Foreign, foreign_fields, forks_of


def check_words(layer: Layer, told: set[str]) -> None:
    """Raise ModelError for a fork's field that would change `layer`'s numbers and that its type does not know.

    Hints (engine, quantization, ...) are noted once a net, as are messages of other layer types: `told` holds their
    names.
    """
    for foreign, refused in words(layer):
        if refused:
            raise layer.fail(refusal(foreign), ModelError)
        if foreign.name not in told:
            told.add(foreign.name)
            log.info("net.cpp:86", f"Layer {layer.name}: {ignored(foreign)}")


def words(layer: Layer) -> Iterator[tuple[Foreign, bool]]:
    """A fork's words that `layer` does not honour, each with whether it must be refused."""
    for foreign in foreign_fields(layer.message):
        if foreign.path[0] == layer.param and forks_of("LayerParameter", str(layer.param)):
            continue  # the message of a fork's own layer type
        if foreign.path[-1] in layer.honours or foreign.path[0] in layer.honours:
            continue
        if len(foreign.path) > 1 and "filler" in str(foreign.path[-2:]) and foreign.path[-1] in HONOURS:
            continue
        yield foreign, not (foreign.hint or _of_another_type(foreign))


def _of_another_type(foreign: Foreign) -> bool:
    """Whether it is a whole message beside the layer's own, such as permute_param in a ReLU."""
    return len(foreign.path) == 1 and str(foreign.path[0]).endswith("_param")


def refusal(foreign: Foreign) -> str:
    """Why a word is refused."""
    what = f"{foreign.name}: {foreign.word}" if foreign.word else foreign.name
    return (
        f"{what} belongs to the fork(s) {foreign.forks} and would change the result, but this layer type does not"
        " know it. Remove it if the net does not depend on it."
    )


def ignored(foreign: Foreign) -> str:
    """That a word has no effect."""
    return f"{foreign.name} ({foreign.forks}) changes no numbers here; ignored"
