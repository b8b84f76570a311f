"""DummyData: blobs filled by fillers, for tests and timing."""

from collections.abc import Sequence
from typing import Any

from caffelike import registry, rng
from caffelike.blob import Blob
from caffelike.errors import ModelError
from caffelike.layer import HostLayer, Shape
from caffelike.registry import register


@register("DummyData", param="dummy_data_param")
class DummyData(HostLayer):
    """Fills its tops: by constant fillers once, by others anew in every forward pass.

    tops: one or more. shape: one for all or one each (or num, channels, height, width, likewise).
    data_filler: none (zeros), one for all or one each.
    Raises ModelError when the numbers of shapes or fillers do not fit. Source: BVLC Caffe's DummyData layer.
    """

    bottoms = ()
    tops = ("*tops",)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:  # type: ignore[override]
        """Shape the tops; they are filled once the net is complete."""
        p = self.message.dummy_data_param
        tops = len(top)
        if len(p.data_filler) not in (0, 1, tops):
            raise self.fail(
                f"Number of data fillers must be 0, 1 or equal to the number of tops: {tops}; you specified"
                f" {len(p.data_filler)} data fillers.",
                ModelError,
            )
        self._pass, self._seed = 0, self.seed
        for blob, shape in zip(top, self._shapes(p, tops), strict=True):
            blob.reshape(*shape)
        fillers = list(p.data_filler) or [type(p)().data_filler.add()]
        self._fillers_of_tops = fillers * tops if len(fillers) == 1 else fillers
        for filler in self._fillers_of_tops:
            registry.fillers[filler.type]  # says where there is no such type
        self._top = list(top)

    def _shapes(self, p: Any, tops: int) -> list[Shape]:
        old = {name: list(getattr(p, name)) for name in ("num", "channels", "height", "width")}
        if not any(old.values()):
            shapes = [tuple(int(d) for d in shape.dim) for shape in p.shape]
            return self._each("shape", shapes, tops)
        if p.shape:
            raise self.fail("Both shape and legacy fields were specified. Keep shape only.", ModelError)
        sides = [self._each(name, values, tops) for name, values in old.items()]
        return [tuple(shape) for shape in zip(*sides, strict=True)]

    def _each(self, name: str, values: list, tops: int) -> list:
        if len(values) not in (1, tops):
            raise self.fail(
                f"Must specify '{name}' once, or once per top blob ({tops}); specified {len(values)}.", ModelError
            )
        return values * tops if len(values) == 1 else values

    def fill_params(self, indices: Sequence[int]) -> None:
        """Fill the tops: the graph asks for first values where a net is to run, not where it is only looked at."""
        self._fill(self._top, lambda filler: True)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Fill what is random anew."""
        self._pass += 1
        self._fill(top, lambda filler: filler.type != "constant")

    def _fill(self, top: Sequence[Blob], chosen: Any) -> None:
        for i, (blob, filler) in enumerate(zip(top, self._fillers_of_tops, strict=True)):
            if chosen(filler):
                generator = rng.generator(self._seed, f"{self.name}/{i}", self._pass)
                registry.fillers[filler.type](blob.raw_data, filler, generator)

    def state(self) -> dict[str, Any]:
        """Seed and number of passes."""
        return {"seed": self._seed, "pass": self._pass}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on after the pass at which `state` was taken."""
        self._seed, self._pass = state["seed"], state["pass"]
