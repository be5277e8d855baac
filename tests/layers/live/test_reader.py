import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.live.publisher import publish_packet
from layers.live.reader import LARGEST_PACKET, Packets, acknowledgements, length_bytes


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=400), st.integers(1, 65_535)), max_size=30),
    st.integers(0, 9999),
)
def test_packets_are_the_same_however_the_stream_is_cut(messages, seed) -> None:
    stream = b"\xd0\x00".join(publish_packet(*one) for one in messages)
    chance, at, packets, found, ids = random.Random(seed), 0, Packets(), [], []
    while at < len(stream):
        step = chance.randrange(1, 200)
        got, numbers, _ = packets.feed(stream[at : at + step])
        found += [(one.topic, one.payload) for one in got]
        ids += numbers
        at += step
    assert found == [(topic, payload) for topic, payload, _ in messages]
    assert ids == [packet for _, _, packet in messages]


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_a_remaining_length_is_written_as_the_standard_says(length) -> None:
    written = length_bytes(length)
    assert len(written) == 1 + (length > 127) + (length > 16_383) + (length > 2_097_151)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(written)) == length


@pytest.mark.parametrize(
    "stream",
    [b"\x32\xff\xff\xff\xff\x01", b"\x32" + length_bytes(LARGEST_PACKET + 1), b"\x32\x02\x00\x09", b"\x30\x01\x00"],
)
def test_what_is_no_mqtt_is_refused(stream) -> None:
    with pytest.raises(ValueError, match=r"packet|length|publication"):
        Packets().feed(stream)


def test_qos_0_is_read_and_not_acknowledged() -> None:
    [message], [packet], _ = Packets().feed(b"\x30\x05\x00\x01xhi")
    assert (message.topic, message.payload, packet) == ("x", b"hi", 0)
    assert acknowledgements([0, 258]) == b"\x40\x02\x01\x02"
