"""A name server for tests, in the test's own event loop, on loopback UDP and TCP: it answers from a table, or fails.

async with NameServer({"sel._domainkey.example.org": Zone('300 IN TXT "v=DKIM1"')}) as server:
    resolver = DnsResolver([server.address])
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from exim_dkim.system.nameservers import NameServer as Address

Reply = Callable[[dns.message.Message, bool], Sequence[tuple[float, bytes]]]
"""From a query (and whether it came over TCP) to packets, each with the seconds to wait before it is sent."""

SOA = "ns.example. hostmaster.example. 1 7200 900 86400 {minimum}"


def records(*lines: str, authority: Sequence[str] = (), rcode: str = "NOERROR", delay: float = 0.0) -> Reply:
    """Answers with records `[OWNER|@] TTL TYPE DATA`, where @ is the name asked for."""

    def reply(query: dns.message.Message, tcp: bool) -> Sequence[tuple[float, bytes]]:
        response = dns.message.make_response(query, recursion_available=True)
        response.set_rcode(dns.rcode.from_text(rcode))
        for section, texts in ((response.answer, lines), (response.authority, authority)):
            for text in texts:
                owner, ttl, kind, data = text.split(" ", 3)
                name = query.question[0].name if owner == "@" else dns.name.from_text(owner)
                section.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
        return [(delay, response.to_wire())]

    return reply


def nxdomain(minimum: int = 60) -> Reply:
    """The name does not exist; the SOA says for how long."""
    return records(authority=[f". 3600 SOA {SOA.format(minimum=minimum)}"], rcode="NXDOMAIN")


def no_data(minimum: int = 60) -> Reply:
    """The name has no such record; the SOA says for how long."""
    return records(authority=[f". 3600 SOA {SOA.format(minimum=minimum)}"])


def failure(rcode: str) -> Reply:
    """An error code such as SERVFAIL or REFUSED, without an answer."""
    return records(rcode=rcode)


def silence(query: dns.message.Message, tcp: bool) -> Sequence[tuple[float, bytes]]:
    """No answer, ever."""
    return []


def raw(*packets: bytes) -> Reply:
    """These bytes, whatever was asked."""
    return lambda query, tcp: [(0.0, packet) for packet in packets]


def over_udp_truncated(then: Reply) -> Reply:
    """Over UDP an empty answer that says it was cut; over TCP `then`."""

    def reply(query: dns.message.Message, tcp: bool) -> Sequence[tuple[float, bytes]]:
        if tcp:
            return then(query, tcp)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.TC
        return [(0.0, response.to_wire())]

    return reply


def preceded(forgery: Callable[[bytes], bytes], by: Reply) -> Reply:
    """`by`, and before each of its packets what `forgery` makes of it."""

    def reply(query: dns.message.Message, tcp: bool) -> Sequence[tuple[float, bytes]]:
        return [(delay, each) for delay, packet in by(query, tcp) for each in (forgery(packet), packet)]

    return reply


def in_turn(*replies: Reply) -> Reply:
    """The first reply for the first query, and so on; the last one from then on."""
    left = list(replies)

    def reply(query: dns.message.Message, tcp: bool) -> Sequence[tuple[float, bytes]]:
        return (left.pop(0) if len(left) > 1 else left[0])(query, tcp)

    return reply


class Seen(NamedTuple):
    """A query that arrived."""

    name: str
    tcp: bool
    edns: bool


def _same_port() -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket on one free port. A port that is free for one may be taken for the other."""
    for _ in range(100):
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
        else:
            return tcp, udp
    raise AssertionError("no port is free for TCP and UDP")


class NameServer(asyncio.DatagramProtocol):
    """The server; `table` is by name in lower case without the final dot. Other names do not exist."""

    def __init__(self, table: Mapping[str, Reply], default: Reply | None = None) -> None:
        self.table = dict(table)
        self.default = default or nxdomain()
        self.seen: list[Seen] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        tcp, udp = _same_port()
        self.address = Address("127.0.0.1", tcp.getsockname()[1])
        self._tcp = await asyncio.start_server(self._serve_tcp, sock=tcp)
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=udp)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await self._tcp.wait_closed()

    def _replies(self, data: bytes, tcp: bool) -> Sequence[tuple[float, bytes]]:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        self.seen.append(Seen(name, tcp, query.edns >= 0))
        return self.table.get(name, self.default)(query, tcp)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for delay, packet in self._replies(data, tcp=False):
            if delay:
                task = asyncio.ensure_future(self._send_late(delay, packet, addr))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                self._udp.sendto(packet, addr)

    async def _send_late(self, delay: float, packet: bytes, addr: tuple[str, int]) -> None:
        await asyncio.sleep(delay)
        self._udp.sendto(packet, addr)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        for delay, packet in self._replies(await reader.readexactly(length), tcp=True):
            await asyncio.sleep(delay)
            writer.write(len(packet).to_bytes(2, "big") + packet)
        await writer.drain()
        writer.close()
