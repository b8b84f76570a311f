import numpy as np
import pytest

from caffelike.data import writing
from caffelike.data.order import KeyOrder, Shuffle, ShuffledOrder
from caffelike.data.shard import ALL, Shard, set_shard, shard_of
from caffelike.data.source import open_source
from caffelike.errors import DataError
from caffelike.schema import TEST, TRAIN

COUNT = 10


@pytest.fixture(params=["lmdb", "leveldb"])
def source(request, tmp_path):
    if request.param == "leveldb":
        pytest.importorskip("plyvel")
    with writing.create(tmp_path / "db", request.param) as database:
        for i in range(COUNT):
            database.put(b"%02d" % i, b"value %d" % i)
    found = open_source(str(tmp_path / "db"), request.param.upper(), True, print)
    yield found
    found.close()


def numbers(order, count):
    entries, _ = order.take(count)
    for key, value in entries:
        assert bytes(value) == b"value %d" % int(bytes(key))
    return [int(bytes(key)) for key, _ in entries]


def test_keys_and_values(source):
    assert source.keys() == [b"%02d" % i for i in range(COUNT)]
    assert bytes(source.get(b"07")) == b"value 7"
    with pytest.raises(DataError, match="damaged"):
        source.get(b"none")


def test_shuffled_anew_in_every_pass(source):
    order = ShuffledOrder(source, ALL, 5)
    passes = [numbers(order, COUNT) for _ in range(20)]
    assert all(sorted(one) == list(range(COUNT)) for one in passes)
    assert len({tuple(one) for one in passes}) > 15
    again = ShuffledOrder(source, ALL, 5)
    assert numbers(again, 3 * COUNT) == passes[0] + passes[1] + passes[2]
    assert numbers(ShuffledOrder(source, ALL, 6), COUNT) != passes[0]


def test_passes_are_counted(source):
    order = ShuffledOrder(source, ALL, 5)
    assert [order.take(4)[1] for _ in range(5)] == [0, 0, 1, 0, 1]


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 13])
def test_shares_are_disjoint_and_complete(source, shuffled, size):
    """Dealt out in turn, the shares are the stream of a single worker, whether or not they divide the data base."""

    def make(shard):
        return ShuffledOrder(source, shard, 5) if shuffled else KeyOrder(source, shard)

    per_worker = 24
    whole = numbers(make(ALL), per_worker * size)
    orders = [make(Shard(rank, size)) for rank in range(size)]
    shares = [[n for part in (5, 7, 12) for n in numbers(order, part)] for order in orders]
    assert np.array(shares).T.ravel().tolist() == whole


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("shard", [ALL, Shard(0, 3), Shard(2, 3)])
@pytest.mark.parametrize("after", [0, 1, 3, 8, 25])
def test_going_on_after_any_record(source, shuffled, shard, after):
    def make():
        return ShuffledOrder(source, shard, 5) if shuffled else KeyOrder(source, shard)

    whole = make()
    before = whole.take(after)[0] if after else []
    other = make()
    other.take(4)
    other.seek(5, after, bytes(before[-1][0]) if before else None, shard.size - 1 if before else shard.rank)
    assert numbers(other, 20) == numbers(whole, 20)


def test_layers_that_shuffle_equally_many_records_stay_in_step():
    assert [Shuffle(9, 4).at(i) for i in range(30)] == [Shuffle(9, 4).at(i) for i in range(30)]
    plain = Shuffle(3, 4, shuffled=False)
    assert [plain.at(i) for i in range(5)] == [0, 1, 2, 0, 1]


def test_shares_are_for_training():
    set_shard(1, 3)
    try:
        assert shard_of(TRAIN) == (1, 3)
        assert shard_of(TEST) == ALL
    finally:
        set_shard(0, 1)
    for rank, size in ((3, 3), (-1, 2), (0, 0)):
        with pytest.raises(DataError, match="share's rank"):
            set_shard(rank, size)


def test_an_empty_data_base_says_so(tmp_path):
    with writing.create(tmp_path / "empty", "lmdb"):
        pass
    found = open_source(str(tmp_path / "empty"), "LMDB", True, print)
    for order in (KeyOrder(found, Shard(1, 2)), ShuffledOrder(found, ALL, 1)):
        with pytest.raises(DataError, match="holds no records"):
            order.take(1)
    found.close()
