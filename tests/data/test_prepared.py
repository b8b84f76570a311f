import numpy as np
import pytest
from google.protobuf import text_format

import caffelike
from caffelike.data import writing
from caffelike.data.transformer import Transformer
from caffelike.errors import CaffelikeError, DataError, ModelError
from caffelike.io import array_to_blobproto
from caffelike.schema import TEST, TRAIN, TransformationParameter

PICTURE = np.random.default_rng(1).integers(0, 256, (3, 30, 40), np.uint8)
ALL = (
    "mean_value: 9 distort_param { brightness_prob: 1 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5"
    " contrast_upper: 1.5 hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5"
    " saturation_upper: 1.5 }"
    " expand_param { prob: 0.5 max_expand_ratio: 3 } resize_param { height: 20 width: 24 interp_mode: LINEAR"
    " interp_mode: AREA interp_mode: CUBIC interp_mode: NEAREST interp_mode: LANCZOS4 }"
    " noise_param { saltpepper: true saltpepper_param { fraction: 0.01 value: 255 } } emit_constraint { }"
)


def transformer(text, phase=TEST, seed=1):
    return Transformer(text_format.Parse(text, TransformationParameter()), phase, seed, "data")


def outputs(text, values=PICTURE, record=0, phase=TEST, seed=1):
    made = transformer(text, phase, seed)
    out = np.empty(made.shape(values.shape), np.float32)
    made.apply([values], out[None], record)
    return out


def resize(word, **more):
    fields = " ".join(f"{key}: {value}" for key, value in more.items())
    return f"resize_param {{ height: 20 width: 24 interp_mode: {word} {fields} }}"


@pytest.mark.parametrize("values", [PICTURE, PICTURE[:1], PICTURE.astype(np.float32)])
@pytest.mark.parametrize("word", ["LINEAR", "AREA", "NEAREST", "CUBIC", "LANCZOS4"])
@pytest.mark.parametrize("size", [(20, 24), (45, 50)])
def test_warp_is_opencv_s(word, values, size):
    cv2 = pytest.importorskip("cv2")
    out = outputs(f"resize_param {{ height: {size[0]} width: {size[1]} interp_mode: {word} }} mean_value: 3", values)
    image = np.ascontiguousarray(values.transpose(1, 2, 0))
    want = cv2.resize(image, size[::-1], interpolation=getattr(cv2, f"INTER_{word}"))
    away = np.abs(out + 3 - want.reshape(*size, -1).transpose(2, 0, 1)).max()
    assert away <= (1e-3 if values.dtype != np.uint8 else word in ("AREA", "CUBIC"))


PADS = {"CONSTANT": "BORDER_CONSTANT", "MIRRORED": "BORDER_REFLECT_101", "REPEAT_NEAREST": "BORDER_REPLICATE"}


@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("picture", [PICTURE, np.ascontiguousarray(PICTURE.transpose(0, 2, 1))])
def test_fit_and_pad_is_opencv_s(pad, picture):
    cv2 = pytest.importorskip("cv2")
    text = resize("LINEAR", resize_mode="FIT_LARGE_SIZE_AND_PAD", pad_mode=pad, pad_value=7)
    rows, columns = (18, 24) if picture is PICTURE else (20, 15)  # 24 / (40 / 30); 20 * (30 / 40)
    inner = cv2.resize(np.ascontiguousarray(picture.transpose(1, 2, 0)), (columns, rows))
    above, left = (20 - rows) // 2, (24 - columns) // 2
    want = cv2.copyMakeBorder(
        inner, above, 20 - rows - above, left, 24 - columns - left, getattr(cv2, PADS[pad]), value=(7, 7, 7)
    )
    np.testing.assert_array_equal(outputs(text, picture), want.transpose(2, 0, 1))


def test_small_size_then_crop():
    cv2 = pytest.importorskip("cv2")
    text = resize("LINEAR", resize_mode="FIT_SMALL_SIZE")
    assert outputs(text).shape == (3, 20, 26)  # 20 * 40 / 30
    assert outputs(text, PICTURE[:, :, :20]).shape == (3, 36, 24)  # 24 / (20 / 30)
    middle = cv2.resize(PICTURE.transpose(1, 2, 0).copy(), (26, 20)).transpose(2, 0, 1)[:, 2:18, 5:21]
    np.testing.assert_array_equal(outputs(text + " crop_size: 16 scale: 0.5"), middle * np.float32(0.5))


def test_worked_example():
    """4x2 pixels halved to 2x1, inverted, less a mean of the new size; then the labels of the same picture."""
    values = np.array([[[10, 20, 30, 40], [50, 60, 70, 80]]], np.uint8)
    text = "resize_param { height: 1 width: 2 } noise_param { inverse: true } mean_value: 100"
    assert outputs(text, values).tolist() == [[[255 - 35 - 100, 255 - 55 - 100]]]
    padded = "resize_param { height: 4 width: 4 resize_mode: FIT_LARGE_SIZE_AND_PAD interp_mode: NEAREST pad_value: 9 }"
    assert outputs(padded, values)[0].tolist() == [[9] * 4, [10, 20, 30, 40], [50, 60, 70, 80], [9] * 4]
    place = transformer(padded).place(values.shape, 0)
    assert place.label_map(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), 255).tolist() == [
        [255] * 4, [1, 2, 3, 4], [5, 6, 7, 8], [255] * 4,
    ]  # fmt: skip
    assert place.points(np.array([[0, 0], [3, 1]])).tolist() == [[0, 1], [3, 2]]


def test_expanded_pixels_labels_and_points_go_together():
    values = np.full((3, 10, 12), 7, np.uint8)
    values[:, 2:5, 3:9] = 200
    labels = (values[0] == 200).astype(np.int32)
    text = "mean_value: 7 expand_param { prob: 1 max_expand_ratio: 3 } resize_param { height: 60 width: 72"
    made = transformer(text + " interp_mode: NEAREST }")
    corners = set()
    for record in range(5):
        place = made.place(values.shape, record)
        out = np.empty((3, 60, 72), np.float32)
        made.fill(values, place, out)
        moved = place.label_map(labels, 0)
        np.testing.assert_array_equal(out[0] == 193, moved == 1)
        rows, columns = np.nonzero(moved)
        near = place.points(np.array([[3, 2], [8, 4]])).ravel()
        np.testing.assert_allclose([columns.min(), rows.min(), columns.max(), rows.max()], near, atol=3.5)
        corners.add((rows.min(), columns.min()))
    assert len(corners) >= 4


def test_mean_file_is_of_the_resized_picture(tmp_path):
    mean = np.random.default_rng(2).random((1, 3, 20, 24)).astype(np.float32)
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(array_to_blobproto(mean).SerializeToString())
    bare = outputs(resize("NEAREST"))
    got = outputs(resize("NEAREST") + f' mean_file: "{path}" crop_size: 10')
    np.testing.assert_array_equal(got, (bare - mean[0])[:, 5:15, 7:17])
    with pytest.raises(DataError, match="20x22"):
        transformer(f'resize_param {{ height: 20 width: 22 }} mean_file: "{path}"').shape(PICTURE.shape)


def test_the_same_for_a_record_whatever_came_before():
    first = [outputs(ALL, record=n, phase=TRAIN) for n in (0, 1, 2)]
    assert all(one.shape == (3, 20, 24) for one in first)
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(first[2], outputs(ALL, record=2, phase=TRAIN))


def test_refused():
    for text, said in (
        ("expand_param { max_expand_ratio: 2 prob: 1 }", "needs a resize_param"),
        ("resize_param { height: 3 }", "height and width"),
        ("resize_param { height: 3 width: 3 max_angle: 3 }", "max_angle"),
        ("resize_param { height: 3 width: 3 } random_resize_param { }", "exclude each other"),
    ):
        with pytest.raises(ModelError, match=said):
            transformer(text)
    with pytest.raises(DataError, match="8 bits"):
        outputs("noise_param { inverse: true }", PICTURE.astype(np.float32))
    with pytest.raises(DataError, match="3 channel"):
        outputs(resize("LINEAR", resize_mode="FIT_LARGE_SIZE_AND_PAD").replace("}", "pad_value: 1 pad_value: 2 }"))


@pytest.fixture
def layer(tmp_path, monkeypatch):
    """A net of a Data or ImageData layer with 4 pictures."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    with writing.create("db") as database:
        for i in range(4):
            database.put(b"%d" % i, caffelike.io.array_to_datum(PICTURE[:, : 30 - i], i).SerializeToString())
            Image.fromarray(PICTURE[::-1, : 30 - i].transpose(1, 2, 0)).save(f"{i}.png")
    (tmp_path / "list").write_text("".join(f"{i}.png {i}\n" for i in range(4)))
    nets = []

    def make(kind, transform, batch=2):
        source = {
            "Data": f'data_param {{ source: "db" backend: LMDB batch_size: {batch} }}',
            "ImageData": f'image_data_param {{ source: "list" batch_size: {batch} }}',
        }[kind]
        rest = f'top: "data" top: "label" {source} transform_param {{ {transform} }}'
        (tmp_path / "net.prototxt").write_text(f'layer {{ name: "data" type: "{kind}" {rest} }}')
        caffelike.set_random_seed(1)
        nets.append(caffelike.Net("net.prototxt", TRAIN))
        return nets[-1]

    yield make
    for net in nets:
        net.close()


@pytest.mark.parametrize("kind", ["Data", "ImageData"])
def test_layers(layer, kind):
    """Records of several sizes, raw or encoded, come to one; batches do not matter."""
    single = layer(kind, ALL, 1)
    one_by_one = np.concatenate([single.forward() and single.blobs["data"].data.copy() for _ in range(4)])
    whole = layer(kind, ALL, 4)
    whole.forward()
    np.testing.assert_array_equal(whole.blobs["data"].data, one_by_one)
    np.testing.assert_array_equal(
        whole.blobs["data"].data[2], outputs(ALL, PICTURE[:, :28], 2, TRAIN, whole.layers[0].seed)
    )
    assert whole.blobs["label"].data.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["Data", "ImageData"])
def test_one_of_several_sizes_for_each_batch(layer, kind):
    sizes = " ".join(f"resize_param {{ prob: {p} height: {s} width: {s} }}" for p, s in ((0.5, 8), (0.5, 12), (0, 16)))
    net = layer(kind, sizes)
    seen = set()
    for _ in range(12):
        net.forward()
        seen.add(net.blobs["data"].data.shape)
    assert seen == {(2, 3, 8, 8), (2, 3, 12, 12)}
    with pytest.raises(CaffelikeError, match="crop_size"):
        layer(kind, "resize_param { height: 8 width: 8 resize_mode: FIT_SMALL_SIZE }").forward()
