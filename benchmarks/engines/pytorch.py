"""PyTorch's CPU build, in the better of its two memory layouts."""

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from engines import walk

NAME = "pytorch"


def version() -> str:
    """Of the package."""
    return torch.__version__


class CaffeNet(nn.Module):
    """A module that runs the layers of a NetParameter one after the other."""

    def __init__(self, message: Any, arrays: dict):
        super().__init__()
        self.layers = [layer for layer in message.layer if layer.type != "Input"]
        self.values = nn.ParameterDict()
        for name, blobs in arrays.items():
            for i, array in enumerate(blobs):
                self.values[f"{name.replace('.', '_')}/{i}"] = nn.Parameter(torch.from_numpy(array.copy()))

    def _of(self, layer: Any, index: int) -> Any:
        key = f"{layer.name.replace('.', '_')}/{index}"
        return self.values.get(key, None)

    def forward(self, x: Any, logits: bool = False) -> Any:
        """Softmax output, or the scores before it."""
        blobs = {"data": x}
        for layer in self.layers:
            bottom = [blobs[name] for name in layer.bottom]
            if layer.type == "Softmax" and logits:
                return bottom[0]
            blobs[layer.top[0]] = self.layer(layer, *bottom)
        return blobs[self.layers[-1].top[0]]

    def layer(self, layer: Any, x: Any, *more: Any) -> Any:
        match layer.type:
            case "Convolution":
                p = layer.convolution_param
                w = walk.convolution(p)
                return F.conv2d(x, self._of(layer, 0), self._of(layer, 1), w.stride, w.pad, w.dilation, p.group)
            case "InnerProduct":
                return F.linear(x.flatten(1), self._of(layer, 0), self._of(layer, 1))
            case "ReLU":
                return F.relu(x, inplace=list(layer.bottom) == list(layer.top))
            case "Pooling":
                p = layer.pooling_param
                if p.global_pooling:
                    return x.mean((2, 3), keepdim=True) if p.pool == p.AVE else x.amax((2, 3), keepdim=True)
                w = walk.pooling(p)
                if p.pool == p.MAX:
                    return F.max_pool2d(x, w.kernel, w.stride, w.pad, ceil_mode=True)
                return F.avg_pool2d(x, w.kernel, w.stride, w.pad, ceil_mode=True)
            case "LRN":
                p = layer.lrn_param
                return F.local_response_norm(x, p.local_size, p.alpha, p.beta, p.k)
            case "Dropout":
                return F.dropout(x, layer.dropout_param.dropout_ratio, self.training)
            case "Concat":
                return torch.cat([x, *more], 1)
            case "Eltwise":
                return x + more[0]
            case "BatchNorm":
                return F.batch_norm(
                    x,
                    self._of(layer, 0).detach(),
                    self._of(layer, 1).detach(),
                    training=self.training,
                    momentum=0.001,
                    eps=layer.batch_norm_param.eps,
                )
            case "Scale":
                return x * self._of(layer, 0).view(1, -1, 1, 1) + self._of(layer, 1).view(1, -1, 1, 1)
            case "Softmax":
                return F.softmax(x, 1)
        raise ValueError(f"no PyTorch twin for layer type {layer.type}")


def load(job: Any) -> tuple[Any, str]:
    """The faster of contiguous and channels-last."""
    torch.set_num_threads(job.threads)
    found = []
    for form in (torch.contiguous_format, torch.channels_last):
        run = _prepared(job, form)
        for _ in range(2):
            run()
        start = time.perf_counter()
        for _ in range(3):
            run()
        found.append((time.perf_counter() - start, run, str(form).rpartition(".")[2]))
    _, run, about = min(found, key=lambda entry: entry[0])
    return run, about


def _prepared(job: Any, form: Any) -> Any:
    net = CaffeNet(job.net(), job.arrays()).to(memory_format=form)
    x = torch.from_numpy(job.input()).to(memory_format=form)
    if not job.train:
        net.eval()

        def forward() -> Any:
            with torch.inference_mode():
                return net(x).numpy()

        return forward
    net.train()
    labels = torch.from_numpy(job.labels())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x, logits=True), labels).backward()
        optimizer.step()

    return step
