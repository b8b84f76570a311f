import subprocess
import sys
import textwrap

import pytest

import caffelike
from caffelike import compat
from caffelike.errors import CaffelikeError, FileError


def test_import_caffe_and_what_is_below_it():
    with compat.installed():
        import caffe
        import caffe.draw
        import caffe.io
        from caffe import layers as L
        from caffe import params as P
        from caffe import to_proto
        from caffe._caffe import BlobVec, Net
        from caffe.coord_map import crop
        from caffe.proto import caffe_pb2
        from caffe.pycaffe import SGDSolver

        assert caffe.__version__ == "1.0.0"
        assert (caffe.Net, caffe.io, caffe.TEST) == (caffelike.Net, caffelike.io, caffelike.TEST)
        assert Net is caffelike.Net
        assert SGDSolver is caffelike.SGDSolver
        assert caffe.proto.caffe_pb2 is caffe_pb2 is caffelike.proto.caffe_pb2
        assert caffe.io.caffe_pb2 is caffe_pb2
        assert caffe.draw is caffelike.draw
        assert crop is caffelike.coord_map.crop
        assert BlobVec([]) == []
        top = L.Pooling(L.Input(shape={"dim": [1]}), pool=P.Pooling.AVE)
        assert caffe_pb2.NetParameter.FromString(to_proto(top).SerializeToString()).layer[1].pooling_param.pool == 1
        assert caffe.io.__spec__.name == "caffelike.io"
        assert "Classifier" in dir(caffe)
        with pytest.raises(ImportError):
            import caffe.nonsense
        with pytest.raises(AttributeError):
            _ = caffe.nonsense
    assert "caffe" not in sys.modules
    with pytest.raises(ImportError):
        import caffe


def test_what_is_there_after_import_caffe_alone():
    script = """
        from caffelike import compat
        compat.install()
        import caffe
        caffe.proto.caffe_pb2.BlobProto()
        assert caffe.io.blobproto_to_array and caffe.net_spec.Top and caffe._caffe.Net is caffe.pycaffe.Net is caffe.Net
        assert not hasattr(caffe.proto, "nonsense")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


def test_the_real_one_may_be_on_the_path_but_not_imported(tmp_path, monkeypatch):
    (tmp_path / "caffe.py").write_text("__version__ = 'another'")
    monkeypatch.syspath_prepend(tmp_path)
    with compat.installed():
        import caffe

        assert caffe.__version__ == "1.0.0"
    import caffe

    assert caffe.__version__ == "another"
    with pytest.raises(CaffelikeError, match=r"imported already \(.*caffe\.py\)"):
        compat.install()
    del sys.modules["caffe"]


def test_gpu_scripts_on_the_cpu(caplog):
    with compat.installed(cpu=True):
        import caffe

        caffe.set_device(0)
        caffe.set_mode_gpu()
    assert caplog.messages == [
        "set_device(0): this runs on the CPU, as you asked.",
        "set_mode_gpu(): this runs on the CPU, as you asked.",
    ]


def test_run_is_as_python_runs_a_script(tmp_path, capsys):
    (tmp_path / "helper.py").write_text("import caffe\nVERSION = caffe.__version__")
    (tmp_path / "script.py").write_text("import sys, helper\nprint(__name__, sys.argv[1:], helper.VERSION)")
    before = list(sys.path), list(sys.argv)
    compat.run(str(tmp_path / "script.py"), ["--gpu", "0"])
    sys.modules.pop("helper")
    assert capsys.readouterr().out == "__main__ ['--gpu', '0'] 1.0.0\n"
    assert (sys.path, sys.argv) == before
    with pytest.raises(FileError, match="Could not open file"):
        compat.run(str(tmp_path / "none.py"))


def test_python_dash_m(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        import caffe, caffelike.compat
        assert caffe.Layer is caffelike.Layer
        print(caffe.__version__, sys.argv[1])
        """)
    )
    done = subprocess.run(
        [sys.executable, "-m", "caffelike.compat", script, "-x"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.0.0 -x\n", "")
    done = subprocess.run([sys.executable, "-m", "caffelike.compat"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "usage: python -m caffelike.compat script.py [ARGUMENTS]\n")
