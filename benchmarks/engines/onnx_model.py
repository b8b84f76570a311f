"""A NetParameter with weights as an ONNX model, for ONNX Runtime and OpenVINO."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines import walk


def build(job: Any) -> onnx.ModelProto:
    """The job's net at its batch size, opset 17."""
    return _Builder(job).model()


class _Builder:
    def __init__(self, job: Any):
        self.net, self.arrays, self.shape = job.net(), job.arrays(), job.input().shape
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.current = {"data": "data"}  # blob -> the ONNX name of its newest value

    def model(self) -> onnx.ModelProto:
        for layer in self.net.layer:
            if layer.type != "Input":
                inputs = [self.current[name] for name in layer.bottom]
                output = f"{layer.top[0]}__{layer.name}"
                self.layer(layer, inputs, output)
                self.current[layer.top[0]] = output
        result = self.current[self.net.layer[-1].top[0]]
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        return model

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weights(self, layer: Any) -> list[str]:
        return [self.constant(f"{layer.name}/{i}", a) for i, a in enumerate(self.arrays[layer.name])]

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))

    def layer(self, layer: Any, inputs: list[str], output: str) -> None:
        match layer.type:
            case "Convolution":
                p, w = layer.convolution_param, walk.convolution(layer.convolution_param)
                self.add("Conv", inputs + self.weights(layer), output, kernel_shape=w.kernel, strides=w.stride,
                         pads=w.pad * 2, dilations=w.dilation, group=p.group)  # fmt: skip
            case "InnerProduct":
                self.add("Flatten", inputs, output + "/flat", axis=1)
                self.add("Gemm", [output + "/flat", *self.weights(layer)], output, transB=1)
            case "ReLU":
                self.add("Relu", inputs, output)
            case "Pooling" if layer.pooling_param.global_pooling:
                average = layer.pooling_param.pool == layer.pooling_param.AVE
                self.add("GlobalAveragePool" if average else "GlobalMaxPool", inputs, output)
            case "Pooling":
                p, w = layer.pooling_param, walk.pooling(layer.pooling_param)
                common = {"kernel_shape": w.kernel, "strides": w.stride, "pads": w.pad * 2, "ceil_mode": 1}
                if p.pool == p.MAX:
                    self.add("MaxPool", inputs, output, **common)
                else:
                    self.add("AveragePool", inputs, output, count_include_pad=1, **common)
            case "LRN":
                p = layer.lrn_param
                self.add("LRN", inputs, output, size=p.local_size, alpha=p.alpha, beta=p.beta, bias=p.k)
            case "Dropout":
                self.add("Identity", inputs, output)
            case "Concat":
                self.add("Concat", inputs, output, axis=1)
            case "Eltwise":
                self.add("Add", inputs, output)
            case "BatchNorm":
                mean, variance, factor = self.arrays[layer.name]
                names = [
                    self.constant(f"{layer.name}/{what}", value)
                    for what, value in (("one", np.ones_like(mean)), ("zero", np.zeros_like(mean)),
                                        ("mean", mean / factor), ("variance", variance / factor))
                ]  # fmt: skip
                self.add("BatchNormalization", inputs + names, output, epsilon=layer.batch_norm_param.eps)
            case "Scale":
                scale, bias = (a.reshape(1, -1, 1, 1) for a in self.arrays[layer.name])
                self.add("Mul", [*inputs, self.constant(f"{layer.name}/scale", scale)], output + "/scaled")
                self.add("Add", [output + "/scaled", self.constant(f"{layer.name}/bias", bias)], output)
            case "Softmax":
                self.add("Softmax", inputs, output, axis=1)
            case other:
                raise ValueError(f"no ONNX twin for layer type {other}")
