import logging
import time

import pytest
from google.protobuf import text_format

import caffelike
from caffelike import pycaffe
from caffelike.data.shard import ALL, shard_of
from caffelike.errors import CaffelikeError, DataError
from caffelike.proto import caffe_pb2
from caffelike.schema import TEST, TRAIN


def test_every_public_name_is_there():
    for name in caffelike.__all__:
        assert getattr(caffelike, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = caffelike.nonsense


def test_messages_and_enumerations_as_protoc_makes_them():
    net = text_format.Parse('layer { type: "Pooling" pooling_param { pool: AVE } }', caffe_pb2.NetParameter())
    assert net.layer[0].pooling_param.pool == caffe_pb2.PoolingParameter.AVE == 1
    assert caffe_pb2.PoolingParameter.PoolMethod.Name(2) == "STOCHASTIC"
    assert (caffe_pb2.TRAIN, caffe_pb2.Phase.Value("TEST")) == (TRAIN, TEST)
    assert caffe_pb2.SolverParameter.GPU == 1
    assert type(net) is type(caffelike.NetSpec().to_proto())
    assert {"NetParameter", "Phase", "TRAIN", "Datum"} <= set(dir(caffe_pb2))
    with pytest.raises(AttributeError, match="no attribute 'NetParam'"):
        _ = caffe_pb2.NetParam


def test_timer():
    timer = caffelike.Timer()
    assert timer.ms == 0
    timer.start()
    time.sleep(0.01)
    timer.stop()
    measured = timer.ms
    assert measured >= 10
    assert timer.ms == measured
    timer.stop()
    assert timer.ms == measured


def test_log_writes_a_line(caplog):
    with caplog.at_level(logging.INFO, "caffelike"):
        caffelike.log("from a script")
    assert caplog.messages == ["from a script"]


def test_solvers_share_the_records():
    assert (caffelike.solver_count(), caffelike.solver_rank()) == (1, 0)
    try:
        caffelike.set_solver_count(3)
        caffelike.set_solver_rank(2)
        caffelike.set_multiprocess(True)
        assert (caffelike.solver_count(), caffelike.solver_rank()) == (3, 2)
        assert shard_of(TRAIN) == (2, 3)
        with pytest.raises(DataError, match="rank"):
            caffelike.set_solver_rank(3)
        assert caffelike.solver_rank() == 2
    finally:
        pycaffe._share(0, 1)
    assert shard_of(TRAIN) == ALL


def test_what_needs_a_gpu_says_so():
    assert caffelike.has_nccl() is False
    for call in (caffelike.NCCL.new_uid, caffelike.NCCL):
        with pytest.raises(CaffelikeError, match="one GPU"):
            call()
    vector = pycaffe.BlobVec()
    vector.add_blob(2, 3)
    assert vector[0].shape == (2, 3)
