"""Every layer type computes what BVLC Caffe 1.0, or where Caffe lacks it another engine, computed: both passes."""

import h5py
import pytest
from recorded import GOLDEN, arrays, assert_close, names, param

import caffelike

FILES = ["layers.h5", *sorted(f"engines/{path.name}" for path in (GOLDEN / "engines").glob("*.h5"))]


@pytest.mark.parametrize(
    ("file", "name"), [pytest.param(f, n, id=f"{f.removesuffix('.h5')}/{n}") for f in FILES for n in names(f)]
)
def test_layer(file, name, tmp_path):
    with h5py.File(GOLDEN / file) as cases:
        case = cases[name]
        definition = tmp_path / "net.prototxt"
        definition.write_text(case.attrs["prototxt"])
        net = caffelike.Net(definition, getattr(caffelike, case.attrs["phase"]))
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
