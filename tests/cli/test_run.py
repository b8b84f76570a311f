"""`caffelike run`."""


def test_flags_after_the_script_are_its_own(run, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import caffe, sys\ncaffe.set_mode_gpu()\nprint(sys.argv[1:])\nsys.exit(3)")
    result = run("run", "--cpu", script, "-gpu", "0", "--help", "--cpu")
    assert (result.code, result.out) == (3, "['-gpu', '0', '--help', '--cpu']\n")
    assert "this runs on the CPU" in result.err


def test_errors_of_the_script_have_a_traceback(run, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import caffe\ncaffe.Net('none.prototxt', caffe.TEST)")
    result = run("run", script)
    assert result.code == 1
    assert f'File "{script}", line 2' in result.err
    assert result.err.rstrip().endswith("FileError: Could not open file none.prototxt")


def test_modules_and_what_is_not_there(run, tmp_path, monkeypatch):
    (tmp_path / "my_module_to_run.py").write_text("import caffe, sys\nsys.exit('stopped: ' + caffe.__version__)")
    monkeypatch.syspath_prepend(tmp_path)
    result = run("run", "-m", "my_module_to_run")
    assert (result.code, result.err) == (1, "caffelike: error: stopped: 1.0.0\n")
    result = run("run", tmp_path / "none.py")
    assert (result.code, result.out) == (1, "")
    assert "Could not open file" in result.err
    assert "Traceback" not in result.err
    assert "caffelike run classify.py" in run("run", "--help").out
