"""What forks and engines of Caffe say differently: who has which field, and which words only make things faster.

The fields themselves stand in proto/, each with its forks; `forks.json` is that table, generated.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from caffelike.schema import __name__ as package
from caffelike.schema.fields import Field, describe

# Forks' fields that change how, where or how loudly something is computed, but not what: they are
# noted once and ignored. Every other field of a fork is honoured by its layer or refused.
HINTS = frozenset(
    """
    engine conv_algorithm conv_algos_override cudnn_convolution_algo_seeker cudnn_math_override
    default_conv_algos_override default_cudnn_math_override autotune unit_test_mode unit_test_fuse_kernel
    forward_type backward_type forward_math backward_math default_forward_type default_backward_type
    default_forward_math default_backward_math solver_data_type data_type bottom_data_type compute_data_type
    top_data_type global_grad_scale global_grad_scale_adaptive store_blobs_in_old_format
    quantization_param quantizer quantizer_mode bottom_quantizer top_quantizer net_quantizer blobs_quantizer
    mem_param reduced_memory_inference eltwise_mem_sharing compile_net_state split_param
    multinode multinode_param mn_activation_param mn_grad_compress_param reduce_buckets per_parameter_reduce
    device device_ids group_id richness source_class share_in_parallel
    fuse force_backward
    threads parser_threads disk_reader_threads cache precache use_gpu_transform
    debug debug_display debug_params display verbose show_data visualize visualize_threshold log_avg_gradient_norm
    """.split()  # noqa: SIM905 - a table to be read
)

# Layer types without an options message of their own -> who has them.
_TYPE_FORKS = {
    "AssistedExcitation": "yolo",
    "LaneData": "yolo",
    "LossTree": "yjxiong",
    "SoftmaxWithLossTree": "yjxiong",
    "AccuracyTree": "yjxiong",
    "VoxelCustomLoss": "c3d-1.0",
    "VolumeData": "c3d-1.0",
}

# Fields that take one value in BVLC and several in a fork -> where several go.
_SEVERAL = {
    "PoolingParameter.kernel_size": "kernel_size_3d",
    "PoolingParameter.stride": "stride_3d",
    "PoolingParameter.pad": "pad_3d",
    "SolverParameter.device_id": "device_ids",
}
_V1_TYPES = "V1LayerParameter.LayerType"


class Foreign(NamedTuple):
    """Something in a message that BVLC Caffe does not know.

    path: field names (and indexes) from the message on; word: an enum word of a fork, else ""; forks:
    who has it, "ssd, happynear 224"; hint: it changes no numbers.
    """

    path: tuple[str | int, ...]
    word: str
    forks: str
    hint: bool

    @property
    def name(self) -> str:
        """The path as people write it: pooling_param.avg_include_pad."""
        return ".".join(part for part in self.path if isinstance(part, str))


@cache
def _table() -> dict[str, str]:
    return json.loads(files(package).joinpath("forks.json").read_text(encoding="utf-8"))


def forks_of(message: str, name: str) -> str:
    """The forks that have a field (or an enum word), such as "ssd, happynear 224"; "" for BVLC's own.

    A number after a fork is its own number for the field.
    """
    return _table().get(f"{message}.{name}", "").partition(";")[0]


def forks_of_type(name: str) -> str:
    """The forks that have a layer type, as far as its options message or the table of those without one tells."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return _TYPE_FORKS.get(name) or forks_of("LayerParameter", f"{words}_param")


def foreign_fields(message: Any, path: tuple[str | int, ...] = ()) -> Iterator[Foreign]:
    """What forks brought into a message and what differs there from its default, hints included."""
    table = describe(message.DESCRIPTOR)
    for descriptor, value in message.ListFields():
        field = table.fields[descriptor.name]
        if field.name == "blobs":
            continue
        here = (*path, field.name)
        if forks := forks_of(table.name, field.name):
            if field.repeated or field.kind == "message" or _differs(table.name, field, descriptor, value):
                yield Foreign(here, "", forks, field.name in HINTS)
        elif field.kind == "message":
            for index, part in enumerate(value if field.repeated else [value]):
                yield from foreign_fields(part, (*here, index) if field.repeated else here)
        elif field.kind == "enum":
            for number in value if field.repeated else [value]:
                word = next((word for word, known in (field.words or {}).items() if known == number), "")
                if forks := forks_of(field.enum, word):
                    yield Foreign(here, word, forks, field.name in HINTS)


def _differs(message: str, field: Field, descriptor: Any, value: Any) -> bool:
    """Whether a fork's value is not what leaving the field out means (forks may disagree on that)."""
    undecided = "defaults differ" in _table()[f"{message}.{field.name}"]
    return undecided or not descriptor.has_default_value or value != descriptor.default_value


def enum_word(enum: str, word: str, words: dict[str, int]) -> int | None:
    """The number of an enum's word; a V1 type also where V2's name was written, "Softmax" for SOFTMAX."""
    if word in words or enum != _V1_TYPES:
        return words.get(word)
    flat = word.replace("_", "").upper()
    return next((number for known, number in words.items() if known.replace("_", "") == flat), None)


def several_field(message: str, name: str) -> str:
    """The field that takes several values where `name` takes one; "" when there is none."""
    return _SEVERAL.get(f"{message}.{name}", "")


def guess_forks(numbers: Iterable[Iterable[int]], message: str = "LayerParameter") -> list[tuple[str, int]]:
    """Which forks may have written messages with these field numbers: (fork, how many fit), best first.

    `numbers`: the fields that each message holds. Numbers that BVLC uses prove nothing and are left out.
    """
    from caffelike.schema import message_class

    own = describe(message_class(message).DESCRIPTOR).fields
    known = {field.number for name, field in own.items() if not forks_of(message, name)}
    users: dict[int, list[str]] = {}
    for name, field in own.items():
        for entry in filter(None, forks_of(message, name).split(", ")):
            fork, _, number = entry.partition(" ")
            users.setdefault(int(number or field.number), []).append(fork)
    found = Counter(fork for layer in numbers for number in set(layer) - known for fork in users.get(number, ()))
    return found.most_common()
