"""milter_server.packet: framing, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server.packet import MAX_PACKET, Packet, PacketReader, ProtocolError, format_packet


def test_the_bytes_of_a_packet() -> None:
    assert format_packet(b"c") == b"\x00\x00\x00\x01c"
    assert format_packet(b"B", b"x" * 65535) == b"\x00\x01\x00\x00B" + b"x" * 65535


def test_several_packets_at_once() -> None:
    reader = PacketReader()
    assert reader.receive(b"\0\0\0\1N\0\0\0\4Bxyz\0\0\0\1E\0\0") == [(b"N", b""), (b"B", b"xyz"), (b"E", b"")]
    assert reader.receive(b"\0\2Q") == []
    assert reader.receive(b"!") == [(b"Q", b"!")]
    assert reader.receive(b"") == []


@pytest.mark.parametrize(("data", "partial"), [(b"", False), (b"\0", True), (b"\0\0\0\1", True), (b"\0\0\0\1N", False)])
def test_a_packet_that_is_not_complete(data: bytes, partial: bool) -> None:
    reader = PacketReader()
    reader.receive(data)
    assert reader.partial == partial


@pytest.mark.parametrize("length", [0, MAX_PACKET + 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("cut", [0, 2, 3])
def test_lengths_that_cannot_be(length: int, cut: int) -> None:
    """Refused when the four bytes are there, before anything more is read or kept."""
    reader = PacketReader()
    data = b"\0\0\0\1N" + length.to_bytes(4, "big")
    assert reader.receive(data[: 5 + cut]) == [(b"N", b"")]
    with pytest.raises(ProtocolError, match=str(length)):
        reader.receive(data[5 + cut :])


def test_the_longest_packet() -> None:
    reader = PacketReader(10)
    assert reader.receive(b"\0\0\0\x0aB123456789") == [(b"B", b"123456789")]
    with pytest.raises(ProtocolError, match="the longest that is taken has 10"):
        reader.receive(b"\0\0\0\x0bB1234567890")


packets = st.lists(st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=30)), max_size=8)


@settings(max_examples=200, deadline=None)
@given(packets, st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_however_it_is_cut_it_is_the_same(expected: list[Packet], sizes: list[int]) -> None:
    data = b"".join(format_packet(letter, text) for letter, text in expected)
    reader = PacketReader()
    found: list[Packet] = []
    place = number = 0
    while place < len(data):
        size = sizes[number % len(sizes)]
        found += reader.receive(data[place : place + size])
        place, number = place + size, number + 1
    assert found == expected
    assert not reader.partial


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage(pieces: list[bytes]) -> None:
    reader = PacketReader(64)
    try:
        for piece in pieces:
            reader.receive(piece)
            assert len(reader._held) <= 64 + 4 + 40
    except ProtocolError:
        pass
