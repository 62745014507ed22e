"""Packets of the milter protocol: four bytes of length (network order), one letter, and that many bytes less one.

Contract: a length beyond `max_packet` is refused when its four bytes are there, before anything is kept for it; what
is kept of a packet that is not complete yet never exceeds that limit.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from exim_dkim.errors import EximDkimError

MAX_PACKET: Final = 1024 * 1024
"""The longest packet that is taken. MTAs send bodies in chunks of 65,535 bytes, and up to 1 MiB where that was agreed
on; Postfix sends header fields of up to 100 KiB (header_size_limit)."""

CHUNK: Final = 65535
"""The most that Sendmail takes as data of one packet (MILTER_CHUNK_SIZE)."""

_LENGTH: Final = Struct("!I")
_LENGTH_SIZE: Final = 4

Packet = tuple[bytes, bytes]
"""Letter and data."""


class ProtocolError(EximDkimError):
    """The peer does not speak the milter protocol; the connection is of no more use."""


def format_packet(letter: bytes, data: bytes = b"") -> bytes:
    """The bytes of a packet."""
    return _LENGTH.pack(len(data) + 1) + letter + data


class PacketReader:
    """Cuts what comes into packets."""

    __slots__ = ("_held", "_max", "_wanted")

    def __init__(self, max_packet: int = MAX_PACKET) -> None:
        self._max = max_packet
        self._held = bytearray()
        self._wanted = 0

    @property
    def partial(self) -> bool:
        """Whether a packet has begun that is not complete."""
        return bool(self._held)

    def receive(self, data: bytes) -> list[Packet]:
        """The packets that are complete now. `ProtocolError` for a length that cannot be."""
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._held.clear()
        packets: list[Packet] = []
        start, size = 0, len(data)
        unpack = _LENGTH.unpack_from
        while size - start >= _LENGTH_SIZE:
            (length,) = unpack(data, start)
            if not 0 < length <= self._max:
                raise ProtocolError(f"a packet of {length} bytes; the longest that is taken has {self._max}")
            end = start + _LENGTH_SIZE + length
            if end > size:
                self._hold(data, start, end - start)
                return packets
            letter = start + _LENGTH_SIZE
            packets.append((data[letter : letter + 1], data[letter + 1 : end]))
            start = end
        if start < size:
            self._hold(data, start, _LENGTH_SIZE)
        return packets

    def _hold(self, data: bytes, start: int, wanted: int) -> None:
        """Keeps the beginning of a packet until there are `wanted` bytes."""
        self._held += data[start:]
        self._wanted = wanted
