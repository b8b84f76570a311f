"""What forks and engines of Caffe say differently: who has which field, and which words only make things faster.

The fields themselves stand in proto/, each with its forks; `forks.json` is that table, generated.
"""

import json
from functools import cache
from importlib.resources import files

from caffelike.schema import __name__ as package

# Types of definitions that wrote a V2 name where V1 has an enum, and words with another case.
_V1_TYPES = "V1LayerParameter.LayerType"

# Fields that take one value in BVLC and several in a fork -> where several go.
_SEVERAL = {
    "PoolingParameter.kernel_size": "kernel_size_3d",
    "PoolingParameter.stride": "stride_3d",
    "PoolingParameter.pad": "pad_3d",
    "SolverParameter.device_id": "device_ids",
}


@cache
def _table() -> dict[str, str]:
    return json.loads(files(package).joinpath("forks.json").read_text(encoding="utf-8"))


def forks_of(message: str, name: str) -> str:
    """The forks that have a field (or an enum word), such as "ssd, happynear 224"; "" for BVLC's own.

    A number after a fork is its own number for the field.
    """
    return _table().get(f"{message}.{name}", "")


def enum_word(enum: str, word: str, words: dict[str, int]) -> int | None:
    """The number of an enum's word, also where people wrote it as "Softmax" instead of SOFTMAX."""
    if word in words:
        return words[word]
    if enum == _V1_TYPES:
        flat = word.replace("_", "").upper()
        return next((number for known, number in words.items() if known.replace("_", "") == flat), None)
    return None


def several_field(message: str, name: str) -> str:
    """The field that takes several values where `name` takes one; "" when there is none."""
    return _SEVERAL.get(f"{message}.{name}", "")
