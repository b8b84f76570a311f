import numpy as np
import pytest

from caffelike.data import datum
from caffelike.errors import DataError
from caffelike.schema import Datum

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("label", [0, 9, 300, -1])
@pytest.mark.parametrize("values", [PIXELS, PIXELS * np.float32(0.5), (PIXELS * 0.5)])
def test_written_as_protobuf_writes_it(values, label):
    message = Datum(channels=2, height=3, width=4, label=label)
    if values.dtype == np.uint8:
        message.data = values.tobytes()
    else:
        message.float_data.extend(values.ravel())
    assert datum.to_bytes(values, label) == message.SerializeToString()


@pytest.mark.parametrize("values", [PIXELS, PIXELS * np.float32(0.5)])
def test_read_back(values):
    record = datum.parse(memoryview(datum.to_bytes(values, -7)))
    assert (record.label, record.encoded, record.pixels().dtype) == (-7, False, values.dtype)
    np.testing.assert_array_equal(record.pixels(), values)


def test_encoded_image_is_kept_as_it_is():
    record = datum.parse(datum.to_bytes(b"an image file", 3))
    assert (bytes(record.data), record.label, record.encoded) == (b"an image file", 3, True)


def test_other_orders_and_unknown_fields_are_read():
    parts = [Datum(label=5), Datum(data=PIXELS.tobytes()), Datum(width=4, height=3), Datum(record_id=77, channels=2)]
    record = datum.parse(b"".join(part.SerializeToString() for part in parts) + b"\x79" + bytes(8) + b"\x7d" + bytes(4))
    assert record.label == 5
    np.testing.assert_array_equal(record.pixels(), PIXELS)


def test_packed_and_split_floats_are_read():
    single = Datum(channels=1, height=1, width=3, float_data=[1.5]).SerializeToString()
    packed = datum.field(6, np.array([2.5, 3.5], "<f4").tobytes())
    assert datum.parse(single + packed).pixels().tolist() == [[[1.5, 2.5, 3.5]]]


@pytest.mark.parametrize("values", [PIXELS, PIXELS * np.float32(0.5)])
def test_every_truncation_is_an_error_and_never_a_crash(values):
    whole = datum.to_bytes(values, 300)
    for length in range(len(whole)):
        try:
            record = datum.parse(whole[:length])
            pixels = record.pixels()
        except DataError:
            continue
        assert pixels.shape == values.shape  # only the label is missing or cut
        assert record.label != 300


def test_garbage_is_an_error():
    generator = np.random.default_rng(0)
    for length in (1, 7, 50, 400):
        for _ in range(50):
            with pytest.raises(DataError):
                datum.parse(generator.integers(0, 256, length, np.uint8).tobytes()).pixels()
    with pytest.raises(DataError, match="no Datum"):
        datum.parse(b"\x08" + b"\xff" * 20)


def test_sizes_that_do_not_fit_are_named():
    message = Datum(channels=2, height=3, width=5, data=PIXELS.tobytes())
    with pytest.raises(DataError, match="2x3x5, which is 30 values, but holds 24"):
        datum.parse(message.SerializeToString()).pixels()
    with pytest.raises(DataError, match="neither data nor float_data"):
        datum.parse(b"").pixels()


@pytest.mark.parametrize(
    ("values", "label", "words"),
    [
        (np.zeros((3, 4)), 0, "channels, height, width"),
        (np.zeros((0, 3, 4)), 0, "channels, height, width"),
        (np.zeros((1, 3, 4), np.int64), 0, "not int64"),
        (PIXELS, 2**31, "whole number of 32 bits"),
        (PIXELS, 1.5, "whole number of 32 bits"),
    ],
)
def test_what_is_no_record_cannot_be_written(values, label, words):
    with pytest.raises(DataError, match=words):
        datum.to_bytes(values, label)
