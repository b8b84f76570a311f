"""The messages of Caffe's files: nets, layers, solvers, arrays, records.

    from caffelike.schema import NetParameter, LayerParameter, SolverParameter, TRAIN, TEST

Any message of `proto/` can be imported by its name. The descriptors live in a pool of their own, so
another `caffe.proto` (OpenCV's, a fork's `caffe_pb2`) may be imported before or after this one.
Reading text is `schema.text`, turning old definitions into new ones `schema.upgrade`, reading and
writing weights `schema.weights`.
"""

from functools import cache
from importlib.resources import files
from typing import Any

PACKAGE = "caffe"
TRAIN, TEST = 0, 1


@cache
def _files() -> Any:
    """The descriptors of the files in proto/."""
    from google.protobuf import descriptor_pb2

    return descriptor_pb2.FileDescriptorSet.FromString(files(__name__).joinpath("caffelike.desc").read_bytes()).file


@cache
def pool() -> Any:
    """The private descriptor pool that holds package `caffe`."""
    from google.protobuf import descriptor_pool

    private = descriptor_pool.DescriptorPool()
    for file in _files():
        private.Add(file)
    return private


def file_names() -> list[str]:
    """The files in the pool, as `pool().FindFileByName` takes them."""
    return [file.name for file in _files()]


@cache
def message_class(name: str) -> Any:
    """The message class called `name`, such as "NetParameter" or "CoSDataParameter.Top".

    Raises KeyError when no message is called so.
    """
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        try:
            return message_class(name)
        except KeyError:
            pass
    raise AttributeError(f"caffelike.schema has no message {name}")
