"""The models that come along, and caffelike.load, which finds them and their weights."""

import hashlib
import http.server
import shutil
import subprocess
import sys
import threading
import urllib.request

import h5py
import numpy as np
import pytest
from recorded import GOLDEN, names

import caffelike
from caffelike import hub
from caffelike.errors import CaffelikeError, FileError
from caffelike.schema import text
from caffelike.summary import FIRST, describe

MODELS = ["alexnet", "caffenet", "lenet"]  # those whose numbers Caffe computed: golden/nets.h5
DEFINED = {  # written by their define.py: learnable numbers in the publications, and those of running statistics
    "densenet121": (7_978_856, 83_648 + 121),
    "densenet161": (28_681_000, 219_936 + 161),
    "densenet169": (14_149_480, 158_400 + 169),
    "densenet201": (20_013_928, 229_056 + 201),
    "googlenet": (6_998_552, 0),
    "mobilenet_v1": (4_231_976, 21_888 + 27),
    "mobilenet_v2": (3_504_872 + 1_088, 34_176 + 53),
    "nin": (7_595_176, 0),
    "overfeat": (145_920_872, 0),
    "resnet101": (44_549_160, 105_344 + 104),
    "resnet152": (60_192_808, 151_424 + 155),
    "resnet18": (11_689_512, 9_600 + 20),
    "resnet34": (21_797_672, 17_024 + 36),
    "resnet50": (25_557_032 + 64, 53_120 + 53),
    "resnext50": (25_028_904, 68_224 + 53),
    "se_resnet50": (28_088_024, 53_120 + 53),
    "squeezenet": (1_248_424, 0),
    "vgg11": (132_863_336, 0),
    "vgg11_lrn": (132_863_336, 0),
    "vgg13": (133_047_848, 0),
    "vgg16": (138_357_544, 0),
    "vgg16c": (133_638_952, 0),
    "vgg19": (143_667_240, 0),
    "xception": (22_855_952, 54_528 + 40),
    "zfnet": (62_357_608, 0),
}
SMALL = ["lenet5_1998", "resnet1001_cifar"]  # written by their define.py; a test for each
TRAININGS = [  # see test_trainings.py and examples/test_learning.py
    "c3d",
    "char_lstm",
    "cifar10_full",
    "cifar10_quick",
    "dqn",
    "face_verification",
    "finetune_style",
    "grasp",
    "image_qa",
    "lrcn",
    "m5",
    "mnist_denoiser",
    "mnist_siamese",
    "two_stream",
]
DETECTORS = ["mobilenet_ssd", "ssd300_vgg16", "ssd512_vgg16", "yolo_v1", "yolo_v2", "yolo_v3"]  # see test_detectors.py
TWO_STAGE = [  # see test_two_stage.py
    "fast_rcnn_vgg16",
    "faster_rcnn_vgg16",
    "faster_rcnn_zf",
    "mask_rcnn",
    "rcnn_caffenet",
    "rfcn_resnet50",
]
DENSE = [
    "deeplab_largefov",
    "fcn16s",
    "fcn32s",
    "fcn8s",
    "hed",
    "pspnet50",
    "segnet",
    "unet",
]  # see test_dense_models.py
SHAPES = {"alexnet": (2, 3, 227, 227), "caffenet": (2, 3, 227, 227), "lenet": (4, 1, 28, 28)}


def test_names():
    assert hub.names() == sorted([*MODELS, *DEFINED, *SMALL, *TRAININGS, *DETECTORS, *TWO_STAGE, *DENSE])


@pytest.mark.parametrize("model", MODELS)
def test_deploy_is_the_published_architecture(model, tmp_path):
    """Layer by layer as in the definitions that Caffe's recorded numbers belong to."""
    recorded = tmp_path / "recorded.prototxt"
    with h5py.File(GOLDEN / "nets.h5") as cases:
        recorded.write_text(cases[model].attrs["prototxt"])
    shape = {FIRST: SHAPES[model]}
    got, want = (describe(p, inputs=shape) for p in (hub.find(model) / "deploy.prototxt", recorded))
    assert got.layers == want.layers
    ours, theirs = (text.read_net(p).message for p in (hub.find(model) / "deploy.prototxt", recorded))
    for a, b in zip(ours.layer, theirs.layer, strict=True):
        assert list(a.bottom) == list(b.bottom)
        for options in ("pooling_param", "lrn_param", "dropout_param"):
            assert getattr(a, options) == getattr(b, options), a.name
        for field in ("kernel_size", "stride", "pad", "group", "num_output"):
            mine, recorded = (getattr(m.convolution_param, field) for m in (a, b))
            assert (mine or [1]) == (recorded or [1]), (a.name, field)


def test_recorded_models_are_all_compared():
    assert names("nets.h5") == MODELS


@pytest.mark.parametrize("phase", [caffelike.TRAIN, caffelike.TEST])
@pytest.mark.parametrize("model", MODELS)
def test_train_val_has_deploys_parameters(model, phase):
    shape = {FIRST: SHAPES[model]}
    deploy = describe(hub.find(model) / "deploy.prototxt", inputs=shape)
    trained = describe(hub.find(model) / "train_val.prototxt", phase, shape)
    parameters = {row.name: (row.parameters, row.macs) for row in deploy.layers if row.parameters}
    assert parameters == {row.name: (row.parameters, row.macs) for row in trained.layers if row.parameters}
    assert trained.layers[-1].type == "SoftmaxWithLoss"
    assert any(row.type == "Accuracy" for row in trained.layers) == (phase == caffelike.TEST)


@pytest.mark.parametrize("model", [*MODELS, *DEFINED, *SMALL])
def test_solvers_read_a_net_beside_them(model):
    solvers = list(hub.find(model).glob("*solver.prototxt"))
    assert hub.find(model) / "solver.prototxt" in solvers
    for path in solvers:
        solver = text.read_solver(path).message
        assert (path.parent / solver.net).is_file()
        assert solver.max_iter % solver.test_interval == 0


@pytest.mark.parametrize("model", MODELS)
def test_readme_shows_what_summary_prints(model):
    readme = (hub.find(model) / "README.md").read_text(encoding="utf-8")
    shape = ",".join(map(str, (1, *SHAPES[model][1:])))
    printed = subprocess.run(
        [sys.executable, "-m", "caffelike", "summary", model, "--input", shape],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert f"`caffelike summary {model} --input {shape}`" in readme
    assert printed.strip() in readme


@pytest.mark.parametrize("model", [*DEFINED, *SMALL])
def test_definitions_are_what_their_scripts_give(model):
    subprocess.run([sys.executable, hub.find(model) / "define.py", "--check"], check=True)


@pytest.mark.parametrize("model", DEFINED)
def test_counts_are_the_published_ones(model):
    folder = hub.find(model)
    size = {"overfeat": 231, "squeezenet": 227, "xception": 299}.get(model, 224)
    shape = {FIRST: (1, 3, size, size)}
    deploy = describe(folder / "deploy.prototxt", inputs=shape)
    assert deploy.totals["parameters"] == sum(DEFINED[model])
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for value in deploy.totals.values():
        assert f"{value:,}" in readme
    own = {row.name: row.parameters for row in deploy.layers if row.parameters}
    for phase in (caffelike.TRAIN, caffelike.TEST):
        trained = describe(folder / "train_val.prototxt", phase, {"data": (2, *shape[FIRST][1:]), "label": (2,)})
        assert own.items() <= {row.name: row.parameters for row in trained.layers}.items()
        assert any(row.type == "Accuracy" for row in trained.layers) == (phase == caffelike.TEST)
    loss = [row.name for row in trained.layers if row.type == "SoftmaxWithLoss"]
    assert len(loss) == (3 if model == "googlenet" else 1)


def test_lenet5_has_the_papers_parameters():
    """LeCun et al. 1998, section II: those of C1 to F6 layer by layer, 60,000 in all; here with ten scores behind."""
    folder = hub.find("lenet5_1998")
    deploy = describe(folder / "deploy.prototxt", inputs={FIRST: (1, 1, 32, 32)})
    found: dict[str, int] = {}
    for row in deploy.layers:
        stage = row.name.split("_")[0]
        found[stage] = found.get(stage, 0) + row.parameters
    paper = {"C1": 156, "S2": 12, "C3": 1_516, "S4": 32, "C5": 48_120, "F6": 10_164}
    assert sum(paper.values()) == 60_000
    assert {stage: count for stage, count in found.items() if count} == paper | {"scores": 850}
    shapes = {"C1": (6, 28, 28), "S2": (6, 14, 14), "C3": (16, 10, 10), "S4": (16, 5, 5), "C5": (120, 1, 1)}
    tops = {top: shape for row in deploy.layers for top, shape in row.tops.items()}
    assert {name: tops[name][1:] for name in shapes} == shapes
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for value in deploy.totals.values():
        assert f"{value:,}" in readme
    own = {row.name: row.parameters for row in deploy.layers if row.parameters}
    for phase in (caffelike.TRAIN, caffelike.TEST):
        trained = describe(folder / "train_val.prototxt", phase, {"data": (2, 1, 28, 28), "label": (2,)})
        assert {r.name: r.parameters for r in trained.layers if r.parameters} == own | {"padded": 1}


def test_lenet5_is_connected_as_in_table_1():
    """Rows: the maps of S2; columns: those of C3. Moving a map moves those that read it."""
    table = (
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    )
    net = caffelike.load("lenet5_1998")
    bias = net.params["S2"][1].data
    data = np.random.default_rng(0).integers(0, 256, (1, 1, 32, 32))
    net.forward(data=data)
    before = net.blobs["C3"].data.copy()
    for moved, row in enumerate(table):
        bias[...] = np.arange(6) == moved
        net.forward(data=data)
        changed = (net.blobs["C3"].data != before).any(axis=(0, 2, 3))
        assert "".join("X" if yes else "." for yes in changed) == row


def test_lenet5_squashes_as_the_paper():
    """Ground -0.1 and ink 1.175 come in; f(1) = 1 and f(-1) = -1 with f(a) = 1.7159 tanh(2/3 a)."""
    net = caffelike.load("lenet5_1998")
    weight, bias = net.params["C1"]
    weight.data[...], bias.data[...] = 0, [1, -1, 0, 2, -2, 10]
    net.forward(data=np.where(np.arange(32) < 16, 255, 0).reshape(1, 1, 1, 32).repeat(32, axis=2))
    np.testing.assert_allclose(net.blobs["input"].data[0, 0, 5, [0, 15, 16, 31]], [1.175, 1.175, -0.1, -0.1], atol=1e-6)
    expected = [1, -1, 0, 1.4929, -1.4929, 1.7159]
    np.testing.assert_allclose(net.blobs["C1_out"].data[0, :, 3, 3], expected, atol=1e-4)


def test_resnet1001_is_the_published_one():
    """10.2 M parameters without the normalisations'; 1001 layers without the convolutions on shortcuts.

    train_val is compared as text: thousands of layers take seconds to build.
    """
    folder = hub.find("resnet1001_cifar")
    deploy = describe(folder / "deploy.prototxt", inputs={FIRST: (1, 3, 32, 32)})
    weighted = [row for row in deploy.layers if row.type in ("Convolution", "InnerProduct")]
    assert len([row for row in weighted if not row.name.endswith("shortcut")]) == 1001
    assert sum(row.parameters for row in weighted) == 10_178_490
    assert deploy.totals["parameters"] == 10_178_490 + 149_216 + 150_216
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for value in deploy.totals.values():
        assert f"{value:,}" in readme
    sums = {row.name: row.tops[row.name] for row in deploy.layers if row.type == "Eltwise"}
    assert len(sums) == 333
    assert [sums[f"res{stage}_111"] for stage in (2, 3, 4)] == [(1, 64, 32, 32), (1, 128, 16, 16), (1, 256, 8, 8)]
    ours, trained = (
        list(text.read_net(folder / file).message.layer) for file in ("deploy.prototxt", "train_val.prototxt")
    )
    assert ours[1:-1] == [layer for layer in trained if layer.type not in ("Data", "Accuracy", "SoftmaxWithLoss")]


def test_load_by_either_name():
    net = caffelike.load("lenet")
    assert net.name == "LeNet"
    assert net.phase == caffelike.TEST
    assert caffelike.load("lenet", phase=caffelike.TRAIN).phase == caffelike.TRAIN
    assert hub.find("bvlc_reference_caffenet") == hub.find("caffenet")


def test_load_takes_weights(tmp_path):
    net = caffelike.load("lenet")
    net.params["ip2"][1].data[...] = np.arange(10)
    net.save(tmp_path / "lenet.caffemodel")
    loaded = caffelike.load("lenet", weights=tmp_path / "lenet.caffemodel")
    assert loaded.params["ip2"][1].data.tolist() == list(range(10))
    with pytest.raises(CaffelikeError, match="nowhere"):
        caffelike.load("lenet", weights=tmp_path / "nowhere.caffemodel")


def test_unknown_model():
    with pytest.raises(CaffelikeError, match=r"no model called 'alexnt'. Did you mean alexnet"):
        caffelike.load("alexnt")


def test_lenet_has_no_published_weights():
    with pytest.raises(CaffelikeError, match="No weights are published for lenet"):
        caffelike.load("lenet", weights="download")


def test_published_hashes():
    """The SHA-1 sums that Caffe published with its weights."""
    assert hub.facts(hub.find("alexnet"))["sha1"] == "9116a64c0fbe4459d18f4bb6b56d647b63920377"
    assert hub.facts(hub.find("caffenet"))["sha1"] == "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46"
    for model in ("alexnet", "caffenet"):
        assert hub.facts(hub.find(model))["caffemodel_url"].startswith("https://")


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A model "small" with published weights; returns the folder they are published in, and an empty cache."""
    site, models, cache = (tmp_path / name for name in ("site", "models", "cache"))
    site.mkdir()
    net = caffelike.load("lenet")
    net.params["ip2"][1].data[...] = np.arange(10)
    net.save(site / "small.caffemodel")
    shutil.copytree(hub.find("lenet"), models / "small")
    digest = hashlib.sha1((site / "small.caffemodel").read_bytes()).hexdigest()
    (models / "small" / "README.md").write_text(
        "---\nname: Small\ncaffemodel: small.caffemodel\n"
        f"caffemodel_url: https://127.0.0.1:9/small.caffemodel\nsha1: {digest}\n---\n"
    )
    monkeypatch.setattr(hub, "root", lambda: models)
    monkeypatch.setenv("CAFFELIKE_CACHE_DIR", str(cache))
    monkeypatch.delenv(hub.MIRROR, raising=False)
    return site, cache


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "/nowhere {}"])
def test_download_from_a_mirror(published, monkeypatch, form):
    site, cache = published
    monkeypatch.setenv(hub.MIRROR, form.format(site))
    net = caffelike.load("small", weights="download")
    assert net.params["ip2"][1].data.tolist() == list(range(10))
    assert sorted(p.name for p in (cache / "weights").iterdir()) == ["small.caffemodel", "small.lock"]
    shutil.rmtree(site)
    assert hub.fetch("small") == cache / "weights" / "small.caffemodel"  # from the cache


def test_download_offline_says_how_to_go_on(published):
    _, cache = published
    with pytest.raises(FileError) as caught:
        caffelike.load("small", weights="download")
    message = str(caught.value)
    assert "https://127.0.0.1:9/small.caffemodel: " in message
    assert 'caffelike.load("small", weights="/your/folder/small.caffemodel")' in message
    assert str(cache / "weights" / "small.caffemodel") in message
    assert hub.MIRROR in message


def test_download_of_another_file_is_thrown_away(published, monkeypatch):
    site, cache = published
    (site / "small.caffemodel").write_bytes(b"something else")
    monkeypatch.setenv(hub.MIRROR, str(site))
    with pytest.raises(FileError, match="not the published one"):
        hub.fetch("small")
    assert [p.name for p in (cache / "weights").iterdir()] == ["small.lock"]


def test_damaged_file_in_the_cache_is_fetched_anew(published, monkeypatch):
    site, _ = published
    monkeypatch.setenv(hub.MIRROR, str(site))
    hub.fetch("small").write_bytes(b"damaged")
    assert hub.fetch("small").read_bytes() == (site / "small.caffemodel").read_bytes()


def test_plain_http_is_refused(published, monkeypatch):
    monkeypatch.setenv(hub.MIRROR, "http://127.0.0.1:9")
    with pytest.raises(FileError, match="only https://, file:// and folders"):
        hub.fetch("small")


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`; breaks off after `limit` bytes; understands Range if `ranges`."""

    content, limit, ranges, asked = b"", None, True, []

    def do_GET(self):
        self.asked.append(self.headers.get("Range"))
        start = 0
        if self.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start and start >= len(self.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start:][: self.limit])

    def log_message(self, *arguments):
        """Nothing: tests are quiet."""


@pytest.fixture
def server(published, monkeypatch):
    """`published`, with the published address served on this machine (without the s of https)."""
    site, _ = published
    handler = type("Handler", (Server,), {"content": (site / "small.caffemodel").read_bytes(), "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        real = urllib.request.urlopen

        def open_here(request, **options):
            request.full_url = f"http://127.0.0.1:{running.server_port}/small.caffemodel"
            return real(request, **options)

        monkeypatch.setattr(urllib.request, "urlopen", open_here)
        yield handler
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_download_goes_on(server, ranges):
    server.ranges = ranges
    server.limit = 1000
    with pytest.raises(FileError, match=r"the connection broke with \d+ bytes missing"):
        hub.fetch("small")
    server.limit = None
    assert hub.fetch("small").read_bytes() == server.content
    assert server.asked == [None, "bytes=1000-"]


def test_whole_part_of_an_interrupted_download_is_used(server, published):
    _, cache = published
    hub.cache_folder()
    (cache / "weights" / "small.caffemodel.part").write_bytes(server.content)
    assert hub.fetch("small").read_bytes() == server.content
