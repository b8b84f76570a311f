import io

import numpy as np
import pytest
from PIL import Image

from caffelike.data import datum, records, write_lmdb, writing
from caffelike.data.lmdb import LMDB
from caffelike.data.prefetch import Slot
from caffelike.data.records import RecordProducer
from caffelike.data.shard import Shard
from caffelike.data.tolerance import skipping_bad_records
from caffelike.data.transformer import Transformer
from caffelike.errors import DataError
from caffelike.schema import TEST, TRAIN, TransformationParameter

PIXELS = np.random.default_rng(1).integers(0, 256, (10, 2, 5, 6), np.uint8)


PRODUCER = {"shuffle", "shard", "threads", "vector", "rand_skip"}


def make(path, records, batch, phase=TEST, labels=1, seed=3, **options):
    if not path.exists():
        write_lmdb(path, records)
    more = {name: options.pop(name) for name in list(options) if name in PRODUCER}
    transformer = Transformer(TransformationParameter(**options), phase, seed, "data")
    return RecordProducer(LMDB(str(path)), transformer, batch, labels, **more)


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


def test_rand_skip_starts_somewhere_among_the_first(producers):
    starts = {producers(plain(), batch=1, rand_skip=3, seed=seed).produce(Slot()).keys[0][-1] for seed in range(30)}
    assert starts == {"0", "1", "2"}
    producer = producers(plain(), rand_skip=1000)
    assert producer.shapes() == [(4, 2, 5, 6), (4,)]
    numbers = [int(key) for _ in range(5) for key in producer.produce(Slot()).keys]
    assert numbers == [(numbers[0] + i) % 10 for i in range(20)]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_rand_skip_in_shares_and_going_on(producers, shuffle, after):
    """Two shares together are the stream of one worker, which goes on where it was, whatever seed it was made with."""
    whole = producers(plain(), rand_skip=7, shuffle=shuffle)
    stream = [key for _ in range(10) for key in whole.produce(Slot()).keys]
    if shuffle:
        plain_order = producers(plain(), shuffle=True)
        unskipped = [key for _ in range(11) for key in plain_order.produce(Slot()).keys]
        assert unskipped != stream
        assert any(unskipped[n : n + 30] == stream[:30] for n in range(7))
    for rank in (0, 1):
        share = producers(plain(), rand_skip=7, shuffle=shuffle, shard=Shard(rank, 2))
        for _ in range(after):
            share.produce(Slot())
        other = producers(plain(), rand_skip=7, shuffle=shuffle, shard=Shard(rank, 2), seed=99)
        other.seek(dict(share.position))
        assert other.produce(Slot()).keys == stream[8 * after + rank : 8 * after + 8 : 2]


def test_a_batch_may_be_larger_than_the_data_base(producers):
    batch = producers(plain(), batch=25).produce(Slot())
    assert [int(key) for key in batch.keys] == [*range(10), *range(10), *range(5)]
    assert len(batch.notes) == 2


def test_without_labels(producers):
    producer = producers(plain(), labels=0)
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


def jpegs(count=12):
    """Encoded pictures, as convert_imageset -encoded stores them."""
    found = []
    for i in range(count):
        out = io.BytesIO()
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (9, 11, 3), np.uint8)).save(out, "JPEG")
        found.append((out.getvalue(), i))
    return found


@pytest.mark.parametrize("augment", [{}, {"augment_param": {"rotation": 30, "noise": 5, "erase": 0.5, "hue": 9}}])
def test_any_number_of_threads_gives_the_same_bits(tmp_path, augment):
    want = None
    for threads in (1, 2, 5):
        write = [] if want else jpegs()
        options = {"mirror": True, "crop_size": 7, "phase": TRAIN, **augment}
        producer = make(tmp_path / "db", write, 5, threads=threads, **options)
        got = [array.copy() for _ in range(4) for array in producer.produce(Slot()).arrays]
        producer.close()
        for a, b in zip(want or got, got, strict=True):
            np.testing.assert_array_equal(a, b)
        want = got


def test_the_first_record_that_cannot_be_used_is_named_by_threads_too(tmp_path):
    bad = [(value[: len(value) // 2], i) if i in (3, 5) else (value, i) for value, i in jpegs()]
    producer = make(tmp_path / "db", bad, 12, threads=4)
    for _ in range(3):
        with pytest.raises(DataError, match=r"record '00000003' .*cannot be decoded"):
            producer.produce(Slot())
    producer.close()


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_share_s_records_are_transformed_as_the_whole_s(tmp_path, shuffle):
    options = {"phase": TRAIN, "mirror": True, "crop_size": 3, "shuffle": shuffle}
    whole = make(tmp_path / "db", plain(), 6, **options).produce(Slot())
    for rank in range(2):
        share = make(tmp_path / "db", [], 3, shard=Shard(rank, 2), **options).produce(Slot())
        assert share.keys == whole.keys[rank::2]
        for a, b in zip(share.arrays, whole.arrays, strict=True):
            np.testing.assert_array_equal(a, b[rank::2])


@pytest.mark.parametrize("after", [0, 1, 2, 3, 7])
def test_going_on_in_a_shuffled_order(tmp_path, after):
    options = {"phase": TRAIN, "mirror": True, "shuffle": True}
    whole = make(tmp_path / "db", plain(), 4, **options)
    for _ in range(after):
        whole.produce(Slot())
    other = make(tmp_path / "db", [], 4, **options, seed=99)
    other.produce(Slot())
    other.seek(dict(whole.position))
    for _ in range(4):
        a, b = whole.produce(Slot()), other.produce(Slot())
        assert a.keys == b.keys
        np.testing.assert_array_equal(a.arrays[0], b.arrays[0])
    whole.close()
    other.close()


def with_labels(path, vectors):
    """Records with pixels in `data` and labels in `float_data`."""
    with writing.create(path) as database:
        for i, vector in enumerate(vectors):
            floats = np.array(vector, np.float32).tobytes()
            database.put(b"%d" % i, datum.to_bytes(PIXELS[i]) + (datum.field(6, floats) if vector else b""))


def test_several_labels_stand_in_float_data(tmp_path):
    with_labels(tmp_path / "db", [[1, 0.5, -3], [2, 0, 1e6]])
    producer = make(tmp_path / "db", [], 3, labels=3)
    assert producer.shapes() == [(3, 2, 5, 6), (3, 3)]
    batch = producer.produce(Slot())
    assert batch.arrays[1].tolist() == [[1, 0.5, -3], [2, 0, 1e6], [1, 0.5, -3]]
    np.testing.assert_array_equal(batch.arrays[0][1], PIXELS[1])
    producer.close()


def test_one_label_may_be_a_vector_too_and_its_absence_is_named(tmp_path):
    with_labels(tmp_path / "db", [[0.25], []])
    producer = make(tmp_path / "db", [], 1, labels=1, vector=True)
    assert producer.produce(Slot()).arrays[1].tolist() == [[0.25]]
    with pytest.raises(DataError, match=r"record '1' .* 0 labels in float_data beside its pixels, 1 are wanted"):
        producer.produce(Slot())
    producer.close()


def with_bad_ones(path, bad):
    """Twelve pictures of which some are cut off."""
    write_lmdb(path, [(value[: len(value) // 2], i) if i in bad else (value, i) for value, i in jpegs()])


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("bad", [{0}, {3, 4, 11}])
def test_bad_records_are_left_out_and_named_once(tmp_path, caplog, shuffle, bad):
    with_bad_ones(tmp_path / "db", bad)
    with skipping_bad_records(3):
        producer, other = (make(tmp_path / "db", [], 5, threads=3, shuffle=shuffle, seed=s) for s in (3, 9))
    assert producer.shapes() == [(5, 3, 9, 11), (5,)]
    order = []
    for i in range(6):
        if i == 2:
            other.seek(dict(producer.position))
        order += producer.produce(Slot()).arrays[1].astype(int).tolist()
    good = 12 - len(bad)
    assert sorted(order[:good]) == sorted(set(range(12)) - bad)
    assert caplog.text.count("Skipped (") == len(bad)
    assert f"Skipped ({len(bad)} of at most 3): {tmp_path / 'db'}: record" in caplog.text
    rest = [int(label) for _ in range(4) for label in other.produce(Slot()).arrays[1]]
    assert rest == order[10:]
    producer.close()
    other.close()


def test_one_bad_record_too_many_is_an_error(tmp_path):
    with_bad_ones(tmp_path / "db", {3, 4, 11})
    with skipping_bad_records(2):
        producer = make(tmp_path / "db", [], 12)
    with pytest.raises(DataError, match=r"record '00000011' .* 2 others were skipped before"):
        producer.produce(Slot())
    producer.close()
    with_bad_ones(tmp_path / "all", range(12))
    with skipping_bad_records(100):
        producer = make(tmp_path / "all", [], 5)
    with pytest.raises(DataError, match="cannot be used"):
        producer.produce(Slot())
    producer.close()
    with pytest.raises(DataError, match="0 or more"), skipping_bad_records(-1):
        pass


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("mean", [[], [7.0, 90.0]])
def test_records_filled_together_are_as_one_by_one(producers, mean, short, monkeypatch):
    options = {"phase": TRAIN, "mirror": True, "crop_size": 3, "scale": 0.5, "mean_value": mean}
    together, alone = producers(plain(), batch=10, **options), producers(plain(), batch=10, **options)
    if not short:
        monkeypatch.setattr(records, "_SHORT", 0)
    filled = []
    fill_all = Transformer.fill_all
    monkeypatch.setattr(Transformer, "fill_all", lambda *given: (filled.append(1), fill_all(*given)))
    monkeypatch.setattr(alone._plain, "find_all", lambda values: None)
    for _ in range(2):  # the endings have to be seen once
        a, b = together.produce(Slot()), alone.produce(Slot())
        assert a.keys == b.keys
        for x, y in zip(a.arrays, b.arrays, strict=True):
            np.testing.assert_array_equal(x, y)
    assert filled
