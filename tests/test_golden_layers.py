"""Every layer type computes what BVLC Caffe 1.0, or where Caffe lacks it another engine, computed: both passes."""

import re

import h5py
import pytest
from recorded import GOLDEN, arrays, assert_close, names, param

import caffelike
from caffelike import device, registry

FILES = ["layers.h5", *sorted(f"engines/{path.name}" for path in (GOLDEN / "engines").glob("*.h5"))]


CASES = [(file, name) for file in FILES for name in names(file)]


def gpu_cases():
    """The cases of types with CUDA kernels; one small case of each where a simulator runs them."""
    seen = set()
    for file, name in CASES:
        with h5py.File(GOLDEN / file) as cases:
            types = re.findall(r'type: *"(\w+)"', cases[name].attrs["prototxt"])
            count = sum(v.size for kind in ("in", "out", "param") for _, v in arrays(cases[name], kind))
        kinds = [registry.layers[t] for t in types if t in registry.layers]
        done = {k.stem() for k in kinds if "cuda" in device.kernel_devices(k.stem())}
        if done - seen and (not device.simulated() or count <= 500):
            seen |= done if device.simulated() else set()
            yield file, name


@pytest.mark.parametrize(
    ("on", "file", "name"),
    [
        *(pytest.param("cpu", f, n, id=f"{f.removesuffix('.h5')}/{n}") for f, n in CASES),
        *(
            pytest.param("cuda", f, n, id=f"{f.removesuffix('.h5')}/{n} cuda", marks=pytest.mark.gpu)
            for f, n in gpu_cases()
        ),
    ],
)
def test_layer(on, file, name, tmp_path):
    with h5py.File(GOLDEN / file) as cases:
        case = cases[name]
        definition = tmp_path / "net.prototxt"
        definition.write_text(case.attrs["prototxt"])
        net = caffelike.Net(definition, getattr(caffelike, case.attrs["phase"]), device=on)
        for key, values in arrays(case, "param"):
            param(net, key).data[...] = values
        for key, values in arrays(case, "in"):
            net.blobs[key].data[...] = values
        for _ in range(case.attrs["times"]):  # recurrent state and running statistics carry over
            net.forward()
        for key, values in arrays(case, "out"):
            assert_close(net.blobs[key].data, values, f"blob {key}")
        for key, values in arrays(case, "param_after"):
            assert_close(param(net, key).data, values, f"param {key} after forward")
        if "indiff" not in case and "paramdiff" not in case:
            return
        for key, values in arrays(case, "topdiff"):
            net.blobs[key].diff[...] = values
        for _ in range(case.attrs["times"]):
            net.backward()
        for key, values in arrays(case, "indiff"):
            assert_close(net.blobs[key].diff, values, f"gradient of {key}")
        for key, values in arrays(case, "paramdiff"):
            assert_close(param(net, key).diff, values, f"gradient of param {key}")
