import io

import numpy as np
import pytest
from PIL import Image

from caffelike.data import datum, write_lmdb
from caffelike.data.lmdb import LMDB
from caffelike.data.prefetch import Slot
from caffelike.data.records import RecordProducer
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError
from caffelike.schema import TEST, TRAIN, TransformationParameter

PIXELS = np.random.default_rng(1).integers(0, 256, (10, 2, 5, 6), np.uint8)


def make(path, records, batch, phase=TEST, labels=True, seed=3, **options):
    if not path.exists():
        write_lmdb(path, records)
    transformer = Transformer(TransformationParameter(**options), phase, seed, "data")
    return RecordProducer(LMDB(str(path)), transformer, batch, labels)


@pytest.fixture
def producers(tmp_path):
    """Makes producers over one data base, and closes them."""
    made = []

    def build(records, batch=4, **options):
        made.append(make(tmp_path / "db", records, batch, **options))
        return made[-1]

    yield build
    for producer in made:
        producer.close()


def plain():
    return [(pixels, i % 3 - 1) for i, pixels in enumerate(PIXELS)]


def test_batches_wrap_inside_and_say_so(producers):
    producer = producers(plain())
    assert producer.shapes() == [(4, 2, 5, 6), (4,)]
    order = []
    for i in range(6):
        batch = producer.produce(Slot())
        numbers = [int(key) for key in batch.keys]
        np.testing.assert_array_equal(batch.arrays[0], PIXELS[numbers])
        assert batch.arrays[1].tolist() == [n % 3 - 1 for n in numbers]
        assert [text for _, text in batch.notes] == (["Restarting data prefetching from start."] if i in (2, 5) else [])
        order += numbers
    assert order == list(range(10)) * 2 + [0, 1, 2, 3]


def test_a_batch_may_be_larger_than_the_data_base(producers):
    batch = producers(plain(), batch=25).produce(Slot())
    assert [int(key) for key in batch.keys] == [*range(10), *range(10), *range(5)]
    assert len(batch.notes) == 2


def test_without_labels(producers):
    producer = producers(plain(), labels=False)
    assert producer.shapes() == [(4, 2, 5, 6)]
    assert len(producer.produce(Slot()).arrays) == 1


@pytest.mark.parametrize("after", [0, 1, 2, 3, 7])
def test_going_on_gives_the_same_batches(producers, after):
    options = {"phase": TRAIN, "mirror": True, "crop_size": 3}
    whole = producers(plain(), **options)
    for _ in range(after):
        whole.produce(Slot())
    position = dict(whole.position)
    other = producers(plain(), seed=99, **options)
    other.seek(position)
    for _ in range(4):
        a, b = whole.produce(Slot()), other.produce(Slot())
        assert a.keys == b.keys
        assert a.position == b.position
        for x, y in zip(a.arrays, b.arrays, strict=True):
            np.testing.assert_array_equal(x, y)


def test_records_of_all_kinds_in_one_batch(producers):
    image = Image.fromarray(PIXELS[0, 0])
    out = io.BytesIO()
    image.save(out, "PNG")
    gray = PIXELS[:, :1]
    mixed = [(gray[0], 1), (gray[1].astype(np.float32) / 3, 2), (out.getvalue(), 3), (gray[2], 1), (gray[3], -5)]
    batch = producers(mixed, batch=5).produce(Slot())
    want = [gray[0], gray[1].astype(np.float32) / 3, gray[0], gray[2], gray[3]]
    np.testing.assert_array_equal(batch.arrays[0], np.array(want, np.float32))
    assert batch.arrays[1].tolist() == [1, 2, 3, 1, -5]


def test_the_short_cut_is_not_fooled_by_other_shapes_or_lengths(producers):
    turned = PIXELS[1].reshape(2, 6, 5)
    records = [(PIXELS[0], 1), (turned, 1), (PIXELS[2, :1], 1), (PIXELS[3], 1)]
    batch = producers(records, batch=4, crop_size=5)
    with pytest.raises(DataError, match="record '00000002' is 1x5x5"):
        batch.produce(Slot())


def test_sizes_may_differ_when_they_are_cropped(producers):
    batch = producers([(PIXELS[0], 0), (PIXELS[1].reshape(2, 6, 5), 0)], batch=2, crop_size=5).produce(Slot())
    np.testing.assert_array_equal(batch.arrays[0][1], PIXELS[1].reshape(2, 6, 5)[:, :5])


def test_sizes_that_differ_in_a_batch_are_named(producers):
    producer = producers([(PIXELS[0], 0), (PIXELS[1].reshape(2, 6, 5), 0)], batch=2)
    with pytest.raises(DataError, match=r"record '00000001' is 2x6x5 .* '00000000', 2x5x6"):
        producer.produce(Slot())


def test_the_shape_is_each_batch_s_own(producers):
    producer = producers([(PIXELS[0], 0), (PIXELS[1].reshape(2, 6, 5), 0)], batch=1)
    assert [producer.produce(Slot()).arrays[0].shape for _ in range(3)] == [(1, 2, 5, 6), (1, 2, 6, 5), (1, 2, 5, 6)]


@pytest.mark.parametrize("number", [0, 3])
def test_a_damaged_record_is_named(tmp_path, number):
    import lmdb

    write_lmdb(tmp_path / "db", plain())
    with lmdb.open(str(tmp_path / "db"), lock=False) as env, env.begin(write=True) as transaction:
        key = b"%08d" % number
        transaction.put(key, bytes(transaction.get(key))[:40])
    producer = make(tmp_path / "db", [], 4)
    with pytest.raises(DataError, match=f"db: record '0000000{number}' cannot be used: its 40 bytes are no Datum"):
        producer.produce(Slot())
    producer.close()


def test_an_image_that_cannot_be_decoded_is_named(producers):
    producer = producers([(b"not an image", 0)], batch=1)
    with pytest.raises(DataError, match="record '00000000' cannot be used: it is no image"):
        producer.shapes()


def test_an_empty_data_base(producers):
    producer = producers([], batch=1)
    for step in (producer.shapes, lambda: producer.produce(Slot())):
        with pytest.raises(DataError, match="holds no records"):
            step()


def test_keys_may_be_any_bytes(tmp_path):
    import lmdb

    with lmdb.open(str(tmp_path / "db"), map_size=1 << 20) as env, env.begin(write=True) as transaction:
        for key in (b"\x00\xff", "ä_1.jpg".encode(), b"\xfe\x01"):
            transaction.put(key, datum.to_bytes(PIXELS[0], 1))
    producer = make(tmp_path / "db", [], 2)
    assert producer.produce(Slot()).keys == ["\x00\ufffd", "ä_1.jpg"]
    other = make(tmp_path / "db", [], 2)
    other.seek(producer.position)
    assert other.produce(Slot()).keys == ["\ufffd\x01", "\x00\ufffd"]
    producer.close()
    other.close()
