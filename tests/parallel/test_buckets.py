import pytest

import caffelike
from caffelike.parallel.buckets import Bucket, cut, join

NET = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 8 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } inner_product_param { num_output: 8 } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 4 } }
layer { name: "c" type: "InnerProduct" bottom: "a" top: "c" param { name: "w" } inner_product_param { num_output: 8 } }
"""


def test_neighbours_are_joined_from_the_end():
    parameters = [(1, 0, 10), (1, 10, 12), (3, 12, 20), (5, 20, 21)]
    assert join(parameters, 4) == [Bucket(5, 20, 21), Bucket(3, 12, 20), Bucket(1, 10, 12), Bucket(1, 0, 10)]
    assert join(parameters, 8) == [Bucket(3, 12, 21), Bucket(1, 10, 12), Bucket(1, 0, 10)]
    assert join(parameters, 1000) == [Bucket(1, 0, 21)]


@pytest.mark.parametrize("least", [4, 100, 10**6])
def test_buckets_cover_the_arena_and_wait_for_the_first_user(tmp_path, least):
    (tmp_path / "net.prototxt").write_text("force_backward: true\n" + NET)
    net = caffelike.Net(tmp_path / "net.prototxt", caffelike.TRAIN)
    buckets = cut(net, least)
    for own in net.learnable:  # each in one bucket, and in no other
        inside = [b for b in buckets if b.start < own.offset + own.count and own.offset < b.end]
        assert len(inside) == 1
        assert inside[0].start <= own.offset
        assert own.offset + own.count <= inside[0].end
    assert [bucket.ready for bucket in buckets] == sorted((bucket.ready for bucket in buckets), reverse=True)
    owner = next(own for own in net.learnable if own.layer == "a" and own.index == 0)
    bucket = next(b for b in buckets if b.start <= owner.offset < b.end)
    assert bucket.ready <= net._layer_names.index("a")
