"""The transfer examples: what is carried over, what learns at which rate, and that it is of use; on made pictures.

What the recipes reach on CIFAR-10 stands in examples/transfer/README.md.
"""

import gzip
import importlib
from pathlib import Path

import numpy as np
import pytest

import caffelike

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "transfer"
LOWER = ("conv1", "conv2", "conv3", "ip1")


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As Python sets it for `python examples/transfer/NAME.py`."""
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def carry():
    return importlib.import_module("carry")


def made(carry, count, seed=0, colors=((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2))):
    """Pictures whose class is told by the order of their colours' strengths."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(colors)
    strength = np.array([-80, 0, 80])[np.array(colors)[labels]]
    noise = rng.normal(0, 10, (count, 3, 32, 32))
    return carry.Pictures((strength[:, :, None, None] + noise).astype(np.float32), labels)


@pytest.fixture
def weights(carry, tmp_path):
    """A base with random weights that every layer passes something on with, about 4 for pixels of 80."""
    net = caffelike.Net.build(carry.network(), caffelike.TRAIN)
    rng = np.random.default_rng(0)
    for blobs in net.params.values():
        fan = blobs[0].count / blobs[0].shape[0]
        blobs[0].data[...] = rng.normal(0, (2 / fan) ** 0.5, blobs[0].shape)
    net.params["conv1"][0].data[...] /= 20
    net.save(tmp_path / "base.caffemodel")
    return tmp_path / "base.caffemodel"


def values(net):
    """First blob of each layer, by name."""
    return {name: blobs[0].data.copy() for name, blobs in net.params.items()}


def loaded(carry, weights):
    return values(caffelike.Net.build(carry.network(), caffelike.TEST, weights=weights))


def test_reads_its_half_of_cifar(carry, tmp_path):
    labels = np.array([8, 0, 2, 9, 3], np.uint8)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3072), dtype=np.uint8)
    records = np.column_stack([labels, pixels])
    (tmp_path / "data_batch_1.bin").write_bytes(records[:2].tobytes())
    (tmp_path / "data_batch_2.bin.gz").write_bytes(gzip.compress(records[2:].tobytes()))
    found = carry.read(tmp_path, "data_batch_*", carry.TARGET)
    assert found.labels.tolist() == [3, 0, 4]  # ship, bird, truck among (2, 5, 7, 8, 9)
    np.testing.assert_array_equal(found.images.reshape(3, -1) + 120, pixels[[0, 2, 3]])


def test_the_same_number_of_each_class(carry):
    few = made(carry, 50).some(3, seed=1)
    assert np.bincount(few.labels).tolist() == [3] * 5


def test_new_last_layer_learns_alone(carry, weights):
    recipes = importlib.import_module("recipes")
    before = loaded(carry, weights)
    message = carry.network(recipes.FROZEN, fresh=[recipes.LAST])
    after = values(carry.train(message, made(carry, 50), 2, weights=weights))
    for name in LOWER:
        np.testing.assert_array_equal(after[name], before[name], name)
    first = values(carry.train(message, made(carry, 50), 0, weights=weights))
    assert "ip2" not in after
    assert not np.array_equal(after["ip2_new"], first["ip2_new"])


def test_upper_layers_learn_at_a_tenth(carry, weights):
    """Of the step that they would make at the full rate; the lower ones make none."""
    recipes = importlib.import_module("recipes")
    data, before = made(carry, 50), loaded(carry, weights)
    tenth, full = (
        values(carry.train(carry.network(rates, fresh=["ip2"]), data, 1, weights=weights))
        for rates in (recipes.TENTH, {})
    )
    for name, share in (("conv1", 0), ("conv2", 0), ("conv3", 0.1), ("ip1", 0.1)):
        step = full[name] - before[name]
        assert np.abs(step).max() > 1e-5, name
        np.testing.assert_allclose(tenth[name] - before[name], share * step, rtol=1e-3, atol=2e-8, err_msg=name)
    np.testing.assert_array_equal(tenth["ip2_new"], full["ip2_new"])


@pytest.mark.parametrize(("kind", "n"), [("AnB", 2), ("AnB+", 2), ("BnB", 4)])
def test_yosinskis_nets_take_n_layers(carry, weights, kind, n):
    yosinski = importlib.import_module("yosinski")
    before = loaded(carry, weights)
    nets = {kind[0]: weights}  # the other net is not looked at
    start, end = (values(yosinski.treated(kind, n, nets, made(carry, 50), its, seed=0)) for its in (0, 1))
    taken, anew = carry.LAYERS[:n], carry.LAYERS[n:]
    assert set(start) == {*taken, *(f"{name}_new" for name in anew)}
    for name in taken:
        np.testing.assert_array_equal(start[name], before[name], name)
        assert np.array_equal(end[name], before[name]) == (not kind.endswith("+")), name


def test_features_tell_classes_apart(carry, weights):
    recipes = importlib.import_module("recipes")
    few, test = made(carry, 25), made(carry, 50, seed=1)
    assert recipes.features(weights, few, test) > 0.9
    shuffled = carry.Pictures(few.images, np.random.default_rng(0).permutation(few.labels))
    assert recipes.features(weights, shuffled, test) < 0.6


def test_every_training_learns(carry, weights):
    recipes = importlib.import_module("recipes")
    few, test = made(carry, 25), made(carry, 50, seed=1)
    assert recipes.last_layer(weights, few, test, 40, seed=0) > 0.9
    assert recipes.fine_tuned(weights, few, test, 40, seed=0) > 0.9
    assert recipes.from_nothing(few, test, 40, seed=0) > 0.9


def test_accuracy_counts(carry):
    net = caffelike.Net.build(carry.network(), caffelike.TEST)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = 0
    net.params["ip2"][1].data[...] = [0, 0, 1, 0, 0]
    assert carry.accuracy(net, made(carry, 60)) == pytest.approx(0.2)


def test_curve_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from PIL import Image

    yosinski = importlib.import_module("yosinski")
    found = {kind: np.full((2, 4), 0.5 + i / 10) for i, kind in enumerate(yosinski.KINDS)}
    yosinski.draw(tmp_path / "curve.png", np.array([0.4, 0.5]), found)
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (640, 400)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 10  # lines in two colours, smoothed
