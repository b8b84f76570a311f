import numpy as np

from caffelike import rng


def test_bits_are_philox4x32_10_of_the_published_test_vector():
    # Random123's kat_vectors: counter 0, key 0.
    first = rng.bits(np.zeros(3, np.uint64), 4)
    assert [hex(v) for v in first] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]


def test_an_element_depends_on_key_and_position_alone():
    key = rng.new_key(7, "drop6")
    assert np.array_equal(rng.bits(key, 5), rng.bits(key, 103)[:5])


def test_every_part_of_the_key_counts():
    streams = [rng.bits(rng.new_key(seed, name), 8).tolist() for seed in (1, 2, 1 << 40) for name in ("a", "b")]
    later = rng.new_key(1, "a")
    later[2] = 1
    streams.append(rng.bits(later, 8).tolist())
    assert len({tuple(s) for s in streams}) == len(streams)


def test_uniform_is_flat_in_the_unit_interval():
    sample = rng.uniform(rng.new_key(3, "x"), 100_000)
    assert sample.dtype == np.float32
    assert sample.min() >= 0
    assert sample.max() < 1
    counts = np.histogram(sample, bins=10, range=(0, 1))[0]
    assert abs(counts - 10_000).max() < 500


def test_a_seed_gives_the_same_sequence_of_net_seeds():
    rng.set_random_seed(5)
    first = [rng.next_seed() for _ in range(3)]
    rng.set_random_seed(5)
    assert [rng.next_seed() for _ in range(3)] == first
    assert len(set(first)) == 3


def test_generators_differ_by_seed_name_and_index():
    names = ("conv1", "ip1", "data/order")  # the hash of the last two is above 2**31
    first = {rng.generator(seed, name, i).random() for seed in (1, 2**63 + 1) for name in names for i in range(3)}
    assert len(first) == 18
