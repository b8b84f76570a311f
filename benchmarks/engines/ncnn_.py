"""ncnn in float32: its text and binary model files are written here, as its own caffe2ncnn would."""

import tempfile
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

from engines import walk

NAME = "ncnn"


def version() -> str:
    """Of the package."""
    return ncnn.__version__


def load(job: Any) -> tuple[Any, str]:
    """One extractor per image: ncnn takes no batches."""
    net = ncnn.Net()
    net.opt.num_threads = job.threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    param, weights, output = _files(job)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "net.param").write_text(param)
        (Path(folder) / "net.bin").write_bytes(weights)
        if net.load_param(f"{folder}/net.param") or net.load_model(f"{folder}/net.bin"):
            raise RuntimeError("ncnn refuses its model files")
    images = [ncnn.Mat(image).clone() for image in job.input()]  # a Mat made of an array does not keep it alive

    def run() -> Any:
        results = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("data", image)
            results.append(np.array(extractor.extract(output)[1]).reshape(-1))
        return np.stack(results)

    return run, "fp32, packing, Winograd"


def _files(job: Any) -> tuple[str, bytes, str]:
    message, arrays = job.net(), job.arrays()
    layers = _with_activations([layer for layer in message.layer if layer.type not in ("Input", "Dropout")], message)
    readers: dict[str, int] = {}
    for _, bottoms, *_ in layers:
        for name in bottoms:
            readers[name] = readers.get(name, 0) + 1
    lines, weights, blobs = ["Input data 0 1 data"], [], 1
    handed: dict[str, int] = {}

    def produced(name: str) -> None:
        nonlocal blobs
        if readers.get(name, 0) > 1:
            copies = [f"{name}_split{i}" for i in range(readers[name])]
            lines.append(f"Split split_{name} 1 {len(copies)} {name} {' '.join(copies)}")
            blobs += len(copies)

    def read(name: str) -> str:
        if readers[name] < 2:
            return name
        handed[name] = handed.get(name, 0) + 1
        return f"{name}_split{handed[name] - 1}"

    produced("data")
    top = "data"
    for layer, bottoms, top, relu in layers:
        kind, options, blob = _layer(layer, arrays.get(layer.name, []), relu)
        inputs = " ".join(read(name) for name in bottoms)
        lines.append(f"{kind} {layer.name} {len(bottoms)} 1 {inputs} {top} {options}")
        weights.append(blob)
        blobs += 1
        produced(top)
    return f"7767517\n{len(lines)} {blobs}\n" + "\n".join(lines) + "\n", b"".join(weights), top


def _with_activations(layers: list[Any], message: Any) -> list[Any]:
    """(layer, bottoms, top, relu): values get one name each, and a ReLU behind a product becomes its activation."""
    current = {"data": "data"}
    for layer in message.layer:
        if layer.type == "Dropout":
            layer.top[0] = layer.bottom[0]
    result: list[Any] = []
    for layer in layers:
        bottoms = [current[name] for name in layer.bottom]
        last = result[-1] if result else None
        if layer.type == "ReLU" and last and last[0].type in ("Convolution", "InnerProduct") and last[2] == bottoms[0]:
            result[-1] = (*last[:3], True)
            current[layer.top[0]] = last[2]
            continue
        top = layer.name
        result.append((layer, bottoms, top, False))
        current[layer.top[0]] = top
    return result


def _layer(layer: Any, arrays: list[np.ndarray], relu: bool) -> tuple[str, str, bytes]:
    """ncnn's type, options by number, and weights (a zero word says float32)."""
    flag = np.zeros(1, np.uint32).tobytes()
    match layer.type:
        case "Convolution":
            p, w = layer.convolution_param, walk.convolution(layer.convolution_param)
            kind = "Convolution" if p.group == 1 else "ConvolutionDepthWise"
            options = (
                f"0={p.num_output} 1={w.kernel[1]} 11={w.kernel[0]} 2={w.dilation[1]} 12={w.dilation[0]}"
                f" 3={w.stride[1]} 13={w.stride[0]} 4={w.pad[1]} 14={w.pad[0]} 5={len(arrays) - 1} 6={arrays[0].size}"
                f" 9={int(relu)}" + (f" 7={p.group}" if p.group > 1 else "")
            )
            return kind, options, flag + b"".join(a.tobytes() for a in arrays)
        case "InnerProduct":
            options = f"0={layer.inner_product_param.num_output} 1={len(arrays) - 1} 2={arrays[0].size} 9={int(relu)}"
            return "InnerProduct", options, flag + b"".join(a.tobytes() for a in arrays)
        case "ReLU":
            return "ReLU", "", b""
        case "Pooling":
            p, w = layer.pooling_param, walk.pooling(layer.pooling_param)
            kind = 0 if p.pool == p.MAX else 1
            if p.global_pooling:
                return "Pooling", f"0={kind} 4=1", b""
            return "Pooling", (
                f"0={kind} 1={w.kernel[1]} 11={w.kernel[0]} 2={w.stride[1]} 12={w.stride[0]} 3={w.pad[1]} 13={w.pad[0]}"
                " 5=0 6=1"
            ), b""  # fmt: skip
        case "LRN":
            p = layer.lrn_param
            return "LRN", f"0=0 1={p.local_size} 2={p.alpha:.9g} 3={p.beta:.9g} 4={p.k:.9g}", b""
        case "Concat":
            return "Concat", "0=0", b""
        case "Eltwise":
            return "Eltwise", "0=1", b""
        case "BatchNorm":
            mean, variance, factor = arrays
            one, zero = np.ones_like(mean), np.zeros_like(mean)
            parts = (one, mean / factor, variance / factor, zero)
            blob = b"".join(a.astype(np.float32).tobytes() for a in parts)
            return "BatchNorm", f"0={mean.size} 1={layer.batch_norm_param.eps:.9g}", blob
        case "Scale":
            return "Scale", f"0={arrays[0].size} 1=1", b"".join(a.tobytes() for a in arrays)
        case "Softmax":
            return "Softmax", "0=0 1=1", b""
    raise ValueError(f"no ncnn twin for layer type {layer.type}")
