"""Definitions written in Python, with pycaffe's names.

    from caffelike import layers as L, params as P, NetSpec

    n = NetSpec()
    n.data, n.label = L.Data(ntop=2, batch_size=64, source="train_lmdb", backend=P.Data.LMDB)
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler={"type": "xavier"})
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu1, n.label)
    print(n.to_proto())

A layer function takes its bottoms, then options by name: those of the type's own parameter message, or fields of the
layer itself (`param=[{"lr_mult": 1}]`, `transform_param={...}`, `include={...}`). ntop: how many tops (1; 0 returns the
layer itself). in_place: the top is the bottom. Layers and tops that are given no name get one like `Convolution1`.
"""

import difflib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from functools import cache
from typing import Any

from caffelike.errors import CaffelikeError
from caffelike.schema import LayerParameter, NetParameter, message_class


@cache
def param_name_dict() -> dict[str, str]:
    """Layer type -> the name of its options in LayerParameter without "_param": {"Convolution": "convolution", ...}."""
    names: dict[str, str] = {}
    for field in LayerParameter.DESCRIPTOR.fields:  # Caffe's own come first, then the forks'
        if field.name.endswith("_param") and field.message_type is not None:
            names.setdefault(field.message_type.name.removesuffix("Parameter"), field.name.removesuffix("_param"))
    return names


def assign_proto(proto: Any, name: str, value: Any) -> None:
    """Set field `name` of a message: from a list (repeated), a dict (message), or a plain value.

    A single value given for a repeated field becomes its only element. Raises AttributeError for a field it has not.
    """
    field = getattr(proto, name)
    repeated = hasattr(field, "extend")
    if repeated and not isinstance(value, (list, tuple)):
        value = [value]
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], dict):
            for item in value:
                _assign_all(field.add(), item)
        else:
            field.extend(value)
    elif isinstance(value, dict):
        field.SetInParent()
        _assign_all(field, value)
    else:
        setattr(proto, name, value)


def _assign_all(proto: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        assign_proto(proto, key, value)


class Top:
    """Output number `n` of a layer `fn`."""

    def __init__(self, fn: "Function", n: int):
        self.fn, self.n = fn, n

    def to_proto(self) -> Any:
        """The NetParameter of everything this top depends on."""
        return to_proto(self)

    def _write(self, writer: "_Writer") -> None:
        self.fn._write(writer)


class Function:
    """A layer: its type, its bottoms and its options; made by `layers`."""

    def __init__(self, type_name: str, inputs: tuple, params: dict[str, Any]):
        for i, bottom in enumerate(inputs):
            if not isinstance(bottom, Top):
                raise TypeError(f"{type_name} input {i} is not a Top (type is {type(bottom)})")
        self.type_name, self.inputs, self.params = type_name, inputs, dict(params)
        self.ntop = self.params.pop("ntop", 1)
        self.in_place = self.params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def _write(self, writer: "_Writer") -> None:
        if self in writer.layers:
            return
        bottoms = []
        for bottom in self.inputs:
            bottom._write(writer)
            bottoms.append(writer.layers[bottom.fn].top[bottom.n])
        layer = LayerParameter(type=self.type_name, bottom=bottoms)
        layer.top.extend(layer.bottom if self.in_place else [writer.name(top) for top in self.tops])
        layer.name = self.params.get("name") or writer.name(self.tops[0] if self.ntop else self)
        for key, value in self.params.items():
            if key != "name":
                self._option(layer, key, value)
        writer.layers[self] = layer

    def _option(self, layer: Any, key: str, value: Any) -> None:
        own = param_name_dict().get(self.type_name)
        if not key.endswith("param") and own is not None:
            message = getattr(layer, f"{own}_param")
            if key in message.DESCRIPTOR.fields_by_name:
                assign_proto(message, key, value)
                return
        if key not in layer.DESCRIPTOR.fields_by_name:
            raise CaffelikeError(self._unknown(key, own))
        assign_proto(layer, key, value)

    def _unknown(self, key: str, own: str | None) -> str:
        """What is wrong with an option: its name, or the type's."""
        from caffelike.registry import layers as types

        if own is None and self.type_name not in types:
            near = types.near(self.type_name)
            hint = (
                f"did you mean L.{' or L.'.join(near)}?"
                if near
                else "give the options of a type of your own as a dict: my_param={...}."
            )
            return f"L.{self.type_name}: no layer type has this name, so that option {key!r} has no place; {hint}"
        known = set(LayerParameter.DESCRIPTOR.fields_by_name)
        if own is not None:
            known |= set(LayerParameter.DESCRIPTOR.fields_by_name[f"{own}_param"].message_type.fields_by_name)
        near = difflib.get_close_matches(key, sorted(known), n=2)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"L.{self.type_name}: neither the layer nor its parameters have a field {key!r}.{hint}"


class _Writer:
    """What is written so far, and the names given."""

    def __init__(self, names: dict[Any, str]):
        self.names, self.counts = names, Counter[str]()
        self.layers: OrderedDict[Function, Any] = OrderedDict()

    def name(self, item: Any) -> str:
        if item not in self.names:
            kind = item.fn.type_name if isinstance(item, Top) else item.type_name
            self.counts[kind] += 1
            self.names[item] = f"{kind}{self.counts[kind]}"
        return self.names[item]

    def message(self) -> Any:
        return NetParameter(layer=self.layers.values())


def to_proto(*tops: Top) -> Any:
    """The NetParameter of everything these tops depend on, with automatic names."""
    writer = _Writer({})
    for top in tops:
        top._write(writer)
    return writer.message()


class NetSpec:
    """A net being written: assign tops to attributes (or items, for names with slashes) in order."""

    _tops: "OrderedDict[str, Any]"

    def __init__(self) -> None:
        super().__setattr__("_tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self._tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name == "_tops":  # a copy that is being made, as copy and pickle do
            raise AttributeError(name)
        try:
            return self._tops[name]
        except KeyError:
            raise AttributeError(f"This net has no top {name!r}; it has {', '.join(self._tops) or 'none'}.") from None

    def __setitem__(self, key: str, value: Any) -> None:
        self.__setattr__(key, value)

    def __getitem__(self, item: str) -> Any:
        return self.__getattr__(item)

    def __delitem__(self, name: str) -> None:
        del self._tops[name]

    def __delattr__(self, name: str) -> None:
        del self._tops[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tops)

    @property
    def tops(self) -> "OrderedDict[str, Any]":
        """What was assigned, by name."""
        return self._tops

    def to_proto(self) -> Any:
        """The NetParameter, layers in the order in which they are needed."""
        writer = _Writer({top: name for name, top in self._tops.items()})
        for top in self._tops.values():
            top._write(writer)
        return writer.message()


class Layers:
    """`layers.Type(*bottoms, **options)` makes a layer of that type and returns its top or tops."""

    def __getattr__(self, name: str) -> Any:
        def layer(*args: Any, **kwargs: Any) -> Any:
            function = Function(name, args, kwargs)
            return function if function.ntop == 0 else function.tops[0] if function.ntop == 1 else function.tops

        return layer


class Parameters:
    """`params.Pooling.MAX`: the values of enumerations in the types' parameter messages."""

    def __getattr__(self, name: str) -> Any:
        try:
            return message_class(f"{name}Parameter")
        except KeyError:
            raise AttributeError(f"There is no {name}Parameter.") from None


layers = Layers()
params = Parameters()
