import threading
import time

import numpy as np
import pytest

from caffelike.data.prefetch import Batch, Prefetcher, Slot
from caffelike.errors import DataError


class Counter:
    """Batches 0, 1, 2, ...; fails at `bad`."""

    def __init__(self, bad=None):
        self.position = {"record": 0}
        self.bad, self.made, self.closed = bad, [], False

    def seek(self, position):
        self.position = dict(position)

    def produce(self, slot):
        number = self.position["record"]
        if number == self.bad:
            raise DataError(f"record {number} is bad")
        self.made.append(number)
        array = slot.array(0, (2, 3))
        array[...] = number
        self.position = {"record": number + 1}
        return Batch([array], [str(number)] * 2, self.position)

    def close(self):
        self.closed = True


def take(prefetcher, count):
    return [int(prefetcher.next().arrays[0][0, 0]) for _ in range(count)]


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_batches_come_in_order(depth):
    prefetcher = Prefetcher(Counter(), depth)
    for i in range(20):
        batch = prefetcher.next()
        assert (batch.arrays[0] == i).all()
        assert prefetcher.position == {"record": i + 1}
    prefetcher.close()


def test_so_many_are_made_ahead_and_no_more():
    producer = Counter()
    prefetcher = Prefetcher(producer, 4)
    assert producer.made == []
    batch = prefetcher.next()
    deadline = time.monotonic() + 5
    while len(producer.made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert producer.made == [0, 1, 2, 3, 4]
    assert (batch.arrays[0] == 0).all()
    prefetcher.close()


@pytest.mark.parametrize("depth", [0, 3])
def test_going_on_from_the_position_consumed(depth):
    first = Prefetcher(Counter(), depth)
    take(first, 5)
    state = first.position
    rest = take(first, 3)
    first.seek(state)
    assert take(first, 3) == rest
    first.close()


@pytest.mark.parametrize("depth", [0, 3])
def test_an_error_comes_at_its_batch_every_time(depth):
    prefetcher = Prefetcher(Counter(bad=2), depth)
    assert take(prefetcher, 2) == [0, 1]
    for _ in range(2):
        with pytest.raises(DataError, match="record 2 is bad"):
            prefetcher.next()
    assert prefetcher.position == {"record": 2}
    prefetcher.seek({"record": 3})
    assert take(prefetcher, 2) == [3, 4]
    prefetcher.close()


def test_closing_ends_the_thread():
    producer = Counter()
    prefetcher = Prefetcher(producer, 2)
    before = set(threading.enumerate())
    prefetcher.next()
    assert len(set(threading.enumerate()) - before) == 1
    prefetcher.close()
    prefetcher.close()
    assert not set(threading.enumerate()) - before
    assert producer.closed
    with pytest.raises(DataError, match="closed"):
        prefetcher.next()


def test_memory_of_a_slot_is_used_again():
    slot = Slot()
    first = slot.array(0, (2, 3))
    assert np.shares_memory(first, slot.array(0, (3, 2)))
    assert not np.shares_memory(first, slot.array(1, (2, 3)))
    assert slot.array(0, (4, 4)).shape == (4, 4)
