import numpy as np
import pytest

from caffelike.blob import Blob, aligned_zeros
from caffelike.errors import ShapeError


def test_writes_through_a_held_view_take_effect():
    blob = Blob((2, 3))
    held = blob.data
    held[1, 2] = 5
    blob.data[0, 0] = 4
    assert blob.raw_data.tolist() == [[4, 0, 0], [0, 0, 5]]


def test_data_is_the_same_array_while_somebody_holds_it():
    blob = Blob((2, 3))
    held = blob.data
    assert blob.data is held


def test_memory_stays_when_a_blob_shrinks_and_moves_when_it_grows():
    blob = Blob((4, 4))
    before = blob.data.ctypes.data
    blob.reshape(2, 3)
    assert blob.data.shape == (2, 3)
    assert blob.data.ctypes.data == before
    blob.reshape(8, 8)
    assert blob.data.shape == (8, 8)


def test_version_rests_until_somebody_may_have_written():
    blob = Blob((3,))
    storage = blob.data_storage
    first = storage.version
    assert storage.version == first
    blob.data[0] = 1  # a temporary view: gone again at once
    second = storage.version
    assert second != first
    assert storage.version == second


def test_version_moves_on_while_a_view_or_a_slice_of_it_is_held():
    blob = Blob((3, 2))
    part = blob.data[1]
    storage = blob.data_storage
    assert storage.version != storage.version
    del part
    assert storage.version == storage.version


def test_internal_access_does_not_count_as_a_write():
    blob = Blob((3,))
    before = blob.data_storage.version
    blob.raw_data[0] = 1
    assert blob.data_storage.version == before


def test_shared_blobs_see_each_other():
    a, b = Blob((2, 2)), Blob((4,))
    b.share_data(a)
    a.data[1, 1] = 7
    assert b.data.tolist() == [0, 0, 0, 7]
    b.diff[...] = 1
    assert not a.diff.any()


def test_a_view_handed_out_before_memory_moved_is_not_handed_out_again():
    blob = Blob((2,))
    old = blob.data
    blob.data_storage.adopt(aligned_zeros(2))
    blob.data[...] = 3
    assert old.tolist() == [0, 0]
    assert blob.raw_data.tolist() == [3, 3]


def test_legacy_dimensions_are_one_where_an_axis_is_missing():
    blob = Blob((5, 6))
    assert (blob.num, blob.channels, blob.height, blob.width) == (5, 6, 1, 1)
    with pytest.raises(ShapeError, match=r"at most 4 axes"):
        _ = Blob((1, 2, 3, 4, 5)).num


def test_impossible_shapes_are_refused():
    with pytest.raises(ShapeError, match="none negative"):
        Blob((2, -1))
    with pytest.raises(ShapeError, match="at most 32 axes"):
        Blob((1,) * 33)


def test_scalars_and_empty_blobs_have_data():
    assert Blob(()).data.shape == ()
    assert Blob((0, 3)).data.shape == (0, 3)


def test_memory_starts_on_a_cache_line():
    assert all(aligned_zeros(n).ctypes.data % 64 == 0 for n in (1, 7, 1000))


def test_on_change_is_called_for_new_shapes_only():
    calls = []
    blob = Blob((2,), on_change=lambda: calls.append(1))
    calls.clear()
    blob.reshape(2)
    assert not calls
    blob.reshape(3)
    assert calls


@pytest.mark.parametrize("shape", [(2**16, 2**15), (2**40, 2**40), (10**6, 10**6)])
def test_sizes_beyond_caffes_are_refused_before_memory_is_taken(shape):
    blob = Blob((2,))
    with pytest.raises(ShapeError, match="2147483647"):
        blob.reshape(*shape)
    assert blob.shape == (2,)
    blob.reshape(2**40, 0)


def test_other_libraries_share_the_memory_by_dlpack():
    blob = Blob((2, 3))
    blob.data[0] = 4
    array = np.from_dlpack(blob)
    assert array.tolist() == [[4, 4, 4], [0, 0, 0]]
    assert array.ctypes.data == blob.raw_data.ctypes.data
    assert blob.data_storage.held
    del array
    assert not blob.data_storage.held
    with pytest.raises(BufferError, match="__cuda_array_interface__"):
        blob.__dlpack__(dl_device=(2, 0))


def test_pytorch_shares_the_memory():
    torch = pytest.importorskip("torch")
    blob = Blob((2, 3))
    tensor = torch.from_dlpack(blob)
    assert (tensor.shape, tensor.dtype, tensor.device.type) == ((2, 3), torch.float32, "cpu")
    tensor.mul_(0).add_(torch.arange(6.0).reshape(2, 3))
    assert blob.data.tolist() == [[0, 1, 2], [3, 4, 5]]
    version = blob.data_storage.version
    tensor[1, 2] = 9
    assert blob.raw_data[1, 2] == 9
    assert blob.data_storage.version != version  # packed weights are made anew while the tensor lives
