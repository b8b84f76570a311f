"""caffelike itself."""

from typing import Any

import caffelike
from caffelike.kernels.launch import set_num_threads
from caffelike.schema import SolverParameter

NAME = "caffelike"


def version() -> str:
    """Of the package."""
    return caffelike.__version__


def load(job: Any) -> tuple[Any, str]:
    """A TEST net, or an SGD solver on the same net with a loss."""
    set_num_threads(job.threads)
    message = job.net()
    if not job.train:
        net = caffelike.Net.build(message, caffelike.TEST, weights=str(job.caffemodel))
        (name,) = net.inputs
        net.blobs[name].data[...] = job.input()
        (output,) = net.outputs
        net.share_memory()  # no other engine shows inner blobs, either
        return lambda: net.forward()[output], "share_memory"
    with_loss(message, job.batch)
    solver = caffelike.SGDSolver(
        SolverParameter(
            net_param=message, base_lr=0.001, lr_policy="fixed", momentum=0.9, weight_decay=0.0005, max_iter=1 << 30
        )
    )
    solver.net.copy_from(job.caffemodel)
    solver.net.blobs["data"].data[...] = job.input()
    solver.net.blobs["label"].data[...] = job.labels()
    solver.net.share_memory()  # as `caffelike train` does
    return lambda: solver.step(1), "SGD, momentum 0.9"


def with_loss(message: Any, batch: int) -> None:
    """Turn a deploy net into a training net: the final Softmax becomes SoftmaxWithLoss on a label input."""
    softmax = message.layer[-1]
    softmax.type = "SoftmaxWithLoss"
    softmax.bottom.append("label")
    label = type(softmax)(name="label", type="Input", top=["label"])
    label.input_param.shape.add(dim=[batch])
    layers = [label, *message.layer]
    del message.layer[:]
    message.layer.extend(layers)
