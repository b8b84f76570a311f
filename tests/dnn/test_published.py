"""The models people used with OpenCV's Caffe reader, against OpenCV, with random weights."""

import numpy as np
import pytest
from dnn.published import NETS
from dnn.test_net import close, cv2, with_weights

from caffelike import dnn


def both(name, folder):
    """A published net as OpenCV's and as ours, with the same weights, its inputs' shapes and the outputs to compare."""
    text, shapes, outputs = NETS[name]
    shaped = text
    if "dim" not in text:  # GOTURN's
        for blob, dims in shapes.items():
            known = " ".join(f"dim: {d}" for d in dims)
            shaped = shaped.replace(f'input: "{blob}"', f'input: "{blob}" input_shape {{ {known} }}')
    heads = 0.1 if name == "WeChat QR detect" else 1  # or many scores would be 1, in any order
    prototxt, model = with_weights(folder, shaped, heads=heads)
    (folder / "net.prototxt").write_text(text)  # as it was published
    return cv2.dnn.readNetFromCaffe(prototxt, model), dnn.readNetFromCaffe(prototxt, model), shapes, outputs


@pytest.mark.parametrize("name", NETS)
def test_published_nets_give_opencvs_numbers(name, tmp_path):
    theirs, ours, shapes, outputs = both(name, tmp_path)
    for question in ("getLayerNames", "getUnconnectedOutLayersNames", "getLayerTypes"):
        assert getattr(ours, question)() == getattr(theirs, question)()
    generator = np.random.default_rng(4)
    for blob, shape in shapes.items():
        values = generator.standard_normal(shape).astype(np.float32)
        theirs.setInput(values, blob)
        ours.setInput(values, blob)
    last = theirs.forward()
    assert np.any(last)
    close(ours.forward(), last)
    for output in outputs:
        close(ours.forward(output), theirs.forward(output))


def test_colours_are_put_in_as_opencvs_sample_does(tmp_path):
    theirs, ours, _, _ = both("colorization", tmp_path)
    hull = np.random.default_rng(5).uniform(-110, 110, (313, 2)).astype(np.float32)
    lightness = np.random.default_rng(6).uniform(-50, 50, (1, 1, 32, 32)).astype(np.float32)
    for net in (theirs, ours):
        net.getLayer(net.getLayerId("class8_ab")).blobs = [hull.transpose().reshape(2, 313, 1, 1)]
        net.getLayer(net.getLayerId("conv8_313_rh")).blobs = [np.full([1, 313], 2.606, np.float32)]
        net.setInput(lightness)
    close(ours.forward("class8_ab"), theirs.forward("class8_ab"))
    layer = ours.getLayer("class8_ab")
    assert np.array_equal(layer.blobs[0].ravel(), hull.T.ravel())
    assert not layer.blobs[1].any()  # what is not given is zero
    with pytest.raises(dnn.error, match=r"'class8_ab': parameter 0 has 626 values, not 4"):
        layer.blobs = [np.zeros((2, 2))]
    with pytest.raises(dnn.error, match="'class8_ab' has 2 parameters, not 3"):
        layer.blobs = [np.zeros((2, 313))] * 3


def test_inputs_without_a_shape_get_it_by_set_input(tmp_path):
    _, ours, shapes, _ = both("GOTURN", tmp_path)
    assert ours.caffe is None
    with pytest.raises(dnn.error, match="does not say the shape of data1, data2; give it by setInput first"):
        ours.forward()
    values = np.random.default_rng(7).standard_normal(shapes["data1"]).astype(np.float32)
    ours.setInput(values, "data2")
    with pytest.raises(dnn.error, match="does not say the shape of data1; give"):
        ours.getParam("fc6")
    ours.setInput(values, "data1")
    first = ours.forward()
    ours.setInput(np.repeat(values, 2, 0), "data1")
    ours.setInput(np.repeat(values, 2, 0), "data2")
    np.testing.assert_allclose(ours.forward(), np.repeat(first, 2, 0), rtol=1e-5)


def test_an_input_that_a_layer_works_on_in_place_is_there_again(tmp_path):
    _, ours, shapes, _ = both("WeChat QR detect", tmp_path)
    ours.setInput(np.random.default_rng(8).standard_normal(shapes["data"]).astype(np.float32))
    first = ours.forward("stage1")
    np.testing.assert_array_equal(ours.forward("stage1"), first)
    ours.getPerfProfile()
    np.testing.assert_array_equal(ours.forward("stage1"), first)
