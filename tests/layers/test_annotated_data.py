import io

import numpy as np
import pytest
from PIL import Image

import caffelike
from caffelike.data import writing
from caffelike.data.boxes import Preparation, distort, recoloured, resized, sampled
from caffelike.errors import DataError, ModelError
from caffelike.schema import message_class

IMAGE = np.random.default_rng(1).integers(0, 256, (3, 20, 30), np.uint8)
BOXES = [(2, (0.1, 0.2, 0.5, 0.6), False), (1, (0.8, 0.5, 1.0, 0.9), True)]


def record(image, boxes, typed=True):
    message = message_class("AnnotatedDatum")()
    message.datum.channels, message.datum.height, message.datum.width = image.shape
    message.datum.data, message.datum.label = image.tobytes(), 7
    if typed:
        message.type = message.BBOX
    for i, (label, corners, difficult) in enumerate(boxes):
        group = message.annotation_group.add(group_label=label)
        box = group.annotation.add(instance_id=i).bbox
        box.xmin, box.ymin, box.xmax, box.ymax = corners
        box.difficult = difficult
    return message.SerializeToString()


TWO = (record(IMAGE, BOXES), record(IMAGE[:, ::-1], []))


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nets = []

    def make(transform="", own="", records=TWO, batch=2, seed=1, tops=2):
        if not (tmp_path / "db").exists():
            with writing.create("db") as database:
                for i, value in enumerate(records):
                    database.put(b"%08d" % i, value)
        (tmp_path / "net.prototxt").write_text(
            f'layer {{ name: "d" type: "AnnotatedData" {" ".join(TOPS[:tops])} transform_param {{ {transform} }}'
            f' data_param {{ source: "db" batch_size: {batch} backend: LMDB }} annotated_data_param {{ {own} }} }}'
        )
        caffelike.set_random_seed(seed)
        nets.append(caffelike.Net("net.prototxt", caffelike.TRAIN))
        return nets[-1]

    yield make
    for one in nets:
        one.close()


TOPS = ('top: "data"', 'top: "label"', 'top: "seg_label"')
ROWS = [[0, 2, 0, 0.1, 0.2, 0.5, 0.6, 0], [0, 1, 1, 0.8, 0.5, 1, 0.9, 1]]


def outputs(net):
    net.forward()
    return net.blobs["data"].data.copy(), net.blobs["label"].data[0, 0].copy()


def test_worked_example(net):
    data, label = outputs(net("mean_value: 10 scale: 0.5"))
    np.testing.assert_array_equal(data, (np.stack([IMAGE, IMAGE[:, ::-1]]) - np.float32(10)) * np.float32(0.5))
    np.testing.assert_allclose(label, ROWS, rtol=1e-6)


def test_without_boxes_and_without_a_type(net):
    label = outputs(net(records=[record(IMAGE, [])]))[1]
    assert label.tolist() == [[-1] * 8]


def test_records_without_a_type_give_their_labels(net):
    made = net(records=[record(IMAGE, [], typed=False)])
    made.forward()
    assert made.blobs["label"].data.tolist() == [7, 7]


def test_mirrored_and_cropped_boxes_follow_the_image(net):
    made = net("mirror: true crop_size: 16", records=[record(IMAGE, BOXES)], batch=8)
    data, label = outputs(made)
    pieces = np.lib.stride_tricks.sliding_window_view(IMAGE, (3, 16, 16))[0]
    seen = set()
    for item, image in enumerate(data):
        for mirrored in (False, True):
            whole = image[:, :, ::-1] if mirrored else image
            for top, left in np.argwhere((pieces == whole).all(axis=(2, 3, 4))):
                x = (np.array([3, 15, 24, 30]) - left) / 16
                inside = np.clip(x, 0, 1)
                want = []
                for low, high, ys in ((inside[0], inside[1], (4, 12)), (inside[2], inside[3], (10, 18))):
                    if high > low:
                        along = (1 - high, 1 - low) if mirrored else (low, high)
                        want.append([*along, *np.clip((np.array(ys) - top) / 16, 0, 1)])
                got = label[label[:, 0] == item][:, [3, 5, 4, 6]]
                np.testing.assert_allclose(got, np.reshape(want, (-1, 4)), atol=1e-6)
                seen.add((mirrored, left))
    assert len(seen) > 3


ALL = (
    "resize_param { height: 12 width: 12 interp_mode: LINEAR interp_mode: AREA interp_mode: CUBIC } mean_value: 9"
    " distort_param { brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5 contrast_upper:"
    " 1.5 hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5 saturation_upper: 1.5"
    " random_order_prob: 0.5 } expand_param { prob: 0.5 max_expand_ratio: 4 } emit_constraint { emit_type: CENTER }"
)
SAMPLER = (
    "batch_sampler { max_sample: 1 max_trials: 1 } batch_sampler { sampler { min_scale: 0.3 max_scale: 1"
    " min_aspect_ratio: 0.5 max_aspect_ratio: 2 } sample_constraint { min_jaccard_overlap: 0.1 } max_sample: 1 }"
)


def test_the_whole_recipe_depends_on_seed_and_record_alone(net):
    first = net(ALL, SAMPLER, batch=1)
    batches = [outputs(first) for _ in range(4)]
    again = outputs(net(ALL, SAMPLER, batch=4))
    np.testing.assert_array_equal(np.concatenate([data for data, _ in batches]), again[0])
    other = outputs(net(ALL, SAMPLER, batch=4, seed=2))
    assert (other[0] != again[0]).any()
    rows = again[1]
    assert ((rows[:, 3:7] >= 0) & (rows[:, 3:7] <= 1)).all()
    assert (rows[:, 5] > rows[:, 3]).all()


def test_noise_comes_last(net):
    data, label = outputs(net("noise_param { inverse: true } mean_value: 5"))
    np.testing.assert_array_equal(data[0], 250 - IMAGE.astype(np.float32))
    np.testing.assert_allclose(label, ROWS, rtol=1e-6)


YOLO = "yolo_data_type: 1 yolo_data_jitter: "
CENTRED = [[1, 0.3, 0.4, 0.4, 0.4], [0, 0.9, 0.7, 0.2, 0.4]]  # BOXES: class from 0, centre, width, height


@pytest.mark.parametrize("difficult", [True, False])
def test_yolos_labels(net, difficult):
    made = net(own=f"{YOLO} 0 train_diffcult: {str(difficult).lower()}")
    data = outputs(made)[0]
    label = made.blobs["label"].data
    np.testing.assert_array_equal(data[0], IMAGE)
    assert label.shape == (2, 1, 300, 5)
    want = CENTRED if difficult else CENTRED[:1]
    np.testing.assert_allclose(label[0, 0, : len(want)], want, rtol=1e-6)
    assert not label[0, 0, len(want) :].any()
    assert not label[1].any()


def test_yolos_jitter_cuts_image_and_boxes(net):
    """Each image is a part of IMAGE, of at least half its sides, and the box of the part covers the same pixels."""
    image = np.zeros((3, 60, 80), np.uint8)
    image[:, 20:40, 30:50] = 200
    size = "resize_param { height: 60 width: 80 interp_mode: NEAREST }"
    made = net(
        size, f"{YOLO} 0.5", records=[record(image, [(3, (30 / 80, 20 / 60, 50 / 80, 40 / 60), False)])], batch=6
    )
    data = outputs(made)[0]
    sides = []
    for one, (kind, x, y, width, height) in zip(data[:, 0], made.blobs["label"].data[:, 0, 0], strict=True):
        assert kind == 2
        rows, columns = np.nonzero(one == 200)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * (80, 60, 80, 60)
        np.testing.assert_allclose(box, found, atol=4)  # the part is cut at whole pixels, then up to twice as large
        sides.append(width)
    assert max(sides) <= 0.5 + 1e-6  # a quarter of the image is half of its half
    assert max(sides) > min(sides) >= 0.25


def test_one_of_several_sizes_for_each_batch(net):
    sizes = " ".join(f"resize_param {{ prob: {p} height: {s} width: {s} }}" for p, s in ((0.5, 8), (0.5, 12), (0, 16)))
    made = net(sizes, f"{YOLO} 0.3", batch=3)
    seen = [outputs(made)[0].shape for _ in range(12)]
    assert set(seen) == {(3, 3, 8, 8), (3, 3, 12, 12)}


def message(name, **fields):
    return message_class(name)(**fields)


def test_expanded_boxes_cover_the_same_pixels():
    param = message("TransformationParameter", mean_value=[7])
    param.expand_param.max_expand_ratio = 3
    image = np.full((20, 30, 3), 7, np.uint8)
    image[4:12, 3:15] = 200
    generator = np.random.default_rng(0)
    for _ in range(5):
        out, boxes, *_ = Preparation(param, [], "d").apply(image, np.array([[0.1, 0.2, 0.5, 0.6]]), generator)
        rows, columns = np.nonzero(out[:, :, 0] == 200)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(boxes[0] * np.tile(out.shape[1::-1], 2), found, atol=1e-9)


@pytest.mark.parametrize(
    ("mode", "shape", "box"),
    [
        ("WARP", (10, 10), [0.1, 0.2, 0.5, 0.6]),
        ("FIT_SMALL_SIZE", (10, 15), [0.1, 0.2, 0.5, 0.6]),
        ("FIT_LARGE_SIZE_AND_PAD", (10, 10), [0.1, 0.32, 0.5, 0.56]),  # 6 rows amid 10: 2 + 6 y
    ],
)
def test_resizing(mode, shape, box):
    p = message("ResizeParameter", height=10, width=10, pad_value=[3])
    p.resize_mode = p.Resize_mode.Value(mode)
    out, boxes = resized(np.full((20, 30, 3), 99, np.uint8), np.array([[0.1, 0.2, 0.5, 0.6]]), p)
    assert out.shape == (*shape, 3)
    np.testing.assert_allclose(boxes[0], box)
    if mode == "FIT_LARGE_SIZE_AND_PAD":
        assert out[:, 0, 0].tolist() == [3, 3, *[99] * 6, 3, 3]


@pytest.mark.parametrize("mode", ["LINEAR", "AREA", "NEAREST", "CUBIC", "LANCZOS4"])
def test_every_interpolation_keeps_a_flat_image(mode):
    p = message("ResizeParameter", height=7, width=9)
    p.interp_mode.append(p.Interp_mode.Value(mode))
    assert (resized(np.full((20, 30, 3), 99, np.uint8), np.empty((0, 4)), p)[0] == 99).all()


def test_which_boxes_stay():
    param = message("TransformationParameter")
    boxes = np.array([[0, 0, 0.4, 1], [0.4, 0, 0.8, 1], [0.9, 0, 1, 1]])
    part = np.array([0.5, 0, 1, 1])

    def kept():
        return Preparation(param, [], "d").visible(boxes, part)[1].tolist()

    assert kept() == [1, 2]
    param.emit_constraint.emit_type = param.emit_constraint.MIN_OVERLAP
    param.emit_constraint.emit_overlap = 0.8  # 3 / 4 of the second is inside
    assert kept() == [2]
    param.emit_constraint.emit_type = param.emit_constraint.CENTER
    part[0] = 0.65
    assert kept() == [2]


def test_samplers_find_what_they_are_told():
    one = message("BatchSampler", max_trials=200)
    one.sampler.min_scale = 0.2
    one.sample_constraint.min_object_coverage = 1
    box = np.array([[0.4, 0.4, 0.5, 0.5]])
    generator = np.random.default_rng(0)
    for _ in range(5):
        part = sampled(box, [one], generator)
        assert (part[:2] <= 0.4).all()
        assert (part[2:] >= 0.5).all()
    one.sample_constraint.min_jaccard_overlap = 0.999
    assert sampled(box, [one], generator) is None


def test_worked_example_of_colours():
    red = np.array([[[0, 0, 200]]], np.uint8)
    assert recoloured(red, 1, 60).tolist() == [[[0, 200, 0]]]  # 60 of 180: green
    assert recoloured(red, 1, -60).tolist() == [[[200, 0, 0]]]
    assert recoloured(red, 0.5, 0).tolist() == [[[100, 100, 200]]]
    gray = np.full((1, 1, 3), 80, np.uint8)
    assert recoloured(gray, 2, 40).tolist() == gray.tolist()
    p = message("DistortionParameter", contrast_prob=1, contrast_lower=2, contrast_upper=2)
    assert distort(red, p, np.random.default_rng(0)).tolist() == [[[0, 0, 255]]]
    assert distort(red, message("DistortionParameter"), np.random.default_rng(0)).tolist() == red.tolist()


LABEL_MAP = "".join(f'item {{ name: "{n}" label: {n} label_id: {i} }}\n' for n, i in enumerate((0, 2, 1, 1)))


def with_labels(image, labels, boxes=()):
    """A record of an image and the PNG of its labels."""
    message = message_class("AnnotatedDatum").FromString(record(image, boxes))
    message.type = message.BBOXandSeg
    file = io.BytesIO()
    Image.fromarray(labels).save(file, "PNG")
    message.datum.seg_label = file.getvalue()
    return message.SerializeToString()


@pytest.fixture
def maps(tmp_path, net):
    """A net of three tops."""
    (tmp_path / "map.prototxt").write_text(LABEL_MAP)

    def make(transform, own, records, batch=1):
        made = net(transform, own, records, batch, tops=3)
        made.forward()
        return made

    return make


LABELS = np.array([[0, 1, 2, 3, 9, 9, 0, 0], [0, 1, 3, 3, 9, 9, 0, 0]] * 2, np.uint8)  # value 1: class 2, 2, 3: class 1


def test_maps_of_labels_worked_example(maps):
    """4x8 pixels at scale 2: each of 2x4 is the mean of four pixels, for two classes."""
    image = np.zeros((3, 4, 8), np.uint8)
    made = maps("", 'label_map_file: "map.prototxt" single_class: false seg_scales: 2', [with_labels(image, LABELS)])
    label = made.blobs["seg_label"].data
    assert label.shape == (1, 2, 2, 4)
    half = np.float32(128) / np.float32(255)  # 127.5 is rounded up to a whole number
    np.testing.assert_allclose(label[0, 0], [[0, 1, 0, 0]] * 2, atol=1e-6)
    np.testing.assert_allclose(label[0, 1], [[half, 0, 0, 0]] * 2, atol=1e-6)
    assert made.blobs["label"].data.tolist() == [[[[-1] * 8]]]
    size = "seg_resize_height: 4 seg_resize_width: 8"
    made = maps(
        "mirror: true resize_param { height: 6 width: 6 }",
        f'label_map_file: "map.prototxt" single_class: false {size}',
        [with_labels(image, LABELS)],
        4,
    )
    seen = {one.tobytes() for one in made.blobs["seg_label"].data[:, 1]}
    want = (LABELS == 1).astype(np.float32)
    assert seen == {want.tobytes(), want[:, ::-1].tobytes()}


def test_maps_of_one_class(maps):
    image = np.zeros((3, 4, 8), np.uint8)
    bright = np.array([[0, 100, 101, 255, 0, 0, 90, 120]] * 4, np.uint8)
    made = maps("", "seg_scales: 1", [with_labels(image, bright)])
    assert made.blobs["seg_label"].data[0, 0].tolist() == [[0, 0, 1, 1, 0, 0, 0, 1]] * 4


def test_maps_follow_the_image(maps):
    """Where the image was 200 the map is 1, whatever was cut out, put on a canvas and mirrored."""
    labels = np.zeros((40, 60), np.uint8)
    labels[10:26, 20:44] = 3
    image = np.where(labels == 3, 200, 50).astype(np.uint8)[None].repeat(3, axis=0)
    transform = (
        "mirror: true resize_param { height: 40 width: 60 interp_mode: NEAREST } expand_param { prob: 0.5"
        " max_expand_ratio: 2 }"
    )
    own = (
        'label_map_file: "map.prototxt" single_class: false seg_scales: 1 batch_sampler { sampler { min_scale: 0.5 } }'
    )
    record_ = with_labels(image, labels, [(1, (20 / 60, 10 / 40, 44 / 60, 26 / 40), False)])
    made = maps(transform, own, [record_], 12)
    same = (made.blobs["data"].data[:, 0] == 200) == (made.blobs["seg_label"].data[:, 0] > 0.5)
    assert same.mean() > 0.97  # nearest and bilinear differ at borders
    assert len({one.tobytes() for one in made.blobs["data"].data}) == 12


def test_maps_refused(maps):
    image = np.zeros((3, 4, 8), np.uint8)
    records = [with_labels(image, LABELS)]
    for transform, own, said in (
        ("crop_size: 2", "", "without crop_size"),
        ("", "seg_scales: 0", "seg_scales"),
        ("", "single_class: false", "label_map_file"),
    ):
        with pytest.raises(ModelError, match=said):
            maps(transform, own, records)
    with pytest.raises(DataError, match="seg_scales 8 leaves nothing of an image of 4x8"):
        maps("", "", records)


def test_maps_of_another_size(maps):
    with pytest.raises(DataError, match=r"seg_label is \(4, 8\)"):
        maps("", "", [with_labels(IMAGE, LABELS)])


def test_maps_of_records_without_label_images(maps):
    with pytest.raises(DataError, match="no seg_label"):
        maps("", "", [record(IMAGE, BOXES)])


def test_a_record_of_another_kind(net):
    with pytest.raises(DataError, match="record '00000000'"):
        net(records=[b"\xff\xff"])


def test_refused(net):
    for transform, own, said in (
        ("resize_param { height: 3 }", "", "height and width"),
        ("expand_param { max_expand_ratio: 0.5 }", "", "1 or more"),
        ("distort_param { contrast_prob: 1 contrast_lower: 2 contrast_upper: 1 }", "", "contrast_lower"),
        ("", "batch_sampler { sampler { min_scale: 0 } }", "min_scale"),
        ("noise_param { convert_to_lab: true }", "", "convert_to_lab"),
        ("", "yolo_data_type: 2", "0 or 1"),
        ("", "yolo_data_type: 1 yolo_data_jitter: 1", "less than 1"),
        ("", "difficult_label_warmup: true", "difficult_label_warmup"),
        ("resize_param { height: 3 width: 3 prob: 0 } resize_param { height: 3 width: 3 prob: 0 }", "", "above 0"),
        ("", "anno_type: LANE", "lanes are not read"),
    ):
        with pytest.raises(ModelError, match=said):
            net(transform, own)
