"""Protobuf text in and out: what the rest of caffelike uses of it, in one place.

document = text.read_net("train_val.prototxt")
document.message.layer[3].type, document.where_layer(3, "pooling_param", "pad")
"""

from caffelike.schema.definitions import NetDocument, read_net, read_solver, upgraded_net
from caffelike.schema.reader import Document, parse, read
from caffelike.schema.writer import format_text as format

__all__ = ["Document", "NetDocument", "format", "parse", "read", "read_net", "read_solver", "upgraded_net"]
