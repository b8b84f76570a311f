"""What the data layers that read data bases have in common."""

from collections.abc import Sequence
from typing import Any, ClassVar

from caffelike import log
from caffelike.blob import Blob
from caffelike.data.paths import resolve
from caffelike.data.records import RecordProducer
from caffelike.data.source import Source, open_source
from caffelike.errors import CaffelikeError, ModelError
from caffelike.layers._source import SourceLayer, log_size


class RecordLayer(SourceLayer):
    """A layer that delivers the records of the data base in data_param.

    lines: places in Caffe's sources, for the log: where it tells of its data base and of the data's size.
    """

    lines: ClassVar[tuple[str, str]]

    def data_param(self) -> Any:
        """The message, which names a data base. Raises ModelError."""
        if not self.message.data_param.source:
            raise self.fail("needs data_param { source: ... }: the folder of the data base.", ModelError)
        return self.message.data_param

    def open(self) -> Source:
        """The data base. Raises what `open_source` raises."""
        p = self.message.data_param
        backend = type(p).DB.Name(p.backend)
        return open_source(resolve(p.source, self.folder), backend, p.HasField("backend"), self._note)

    def deliver(self, producer: RecordProducer, source: Source, top: Sequence[Blob]) -> None:
        """Feed the tops, whose shapes the first record tells, with batches that `producer` makes of `source`."""
        try:
            shapes = producer.shapes()
        except CaffelikeError:
            producer.close()
            raise
        self._source = source
        self.feed(producer, shapes, top)
        log_size(self.lines[1], shapes[0])

    def records(self) -> int:
        """How many records there are in the data base."""
        return len(self._source.keys())

    def _note(self, text: str) -> None:
        log.warning(self.lines[0], f"Layer '{self.name}': {text}")
