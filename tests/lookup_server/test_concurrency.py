"""Slow DNS holds up who asks about it, and nobody else."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from exim_dkim.config.grammar import parse_configuration
from tests.lookup_server.test_server import ask, serving
from tests.support.mail import record, signed
from tests.support.nameserver import NameServer, records

CLIENTS = 200
DNS_SECONDS = 1.0
DKIM = b"dkim example.org\ncontrol = dkim_verify\n\n"


def spf(number: int) -> bytes:
    """Each about a domain of its own, so that each has to ask."""
    return b"spf\nsender_host_address = 192.0.2.1\nsender_address = a@d%d.example\n" % number


def test_two_hundred_spf_queries_wait_together_and_dkim_does_not(tmp_path: Path) -> None:
    key = " ".join(f'"{record()[i : i + 250]}"' for i in range(0, len(record()), 250))
    table = {"sel._domainkey.example.org": records(f"@ 300 TXT {key}")}
    slow = records('@ 300 TXT "v=spf1 ip4:192.0.2.1 -all"', delay=DNS_SECONDS)

    async def timed_dkim(path: Path, number: int) -> float:
        began = time.monotonic()
        message = signed().replace(b"\r\n\r\n", b"\r\nX-Number: %d\r\n\r\n" % number, 1)
        assert await ask(path, DKIM + message) == b"good"
        return time.monotonic() - began

    async def main() -> tuple[float, float]:
        async with NameServer(table, slow) as dns:
            options = (
                f"lookup_listen = {tmp_path}/l.sock\ndns_nameservers = <; {dns.address.address} {dns.address.port}\n"
                "lookup_timeout = 60s\ndns_timeout = 30s\n"  # a busy machine is not what is tested
            )
            settings = parse_configuration(options.encode(), "test.conf")
            async with serving(settings) as (server, _):
                path = tmp_path / "l.sock"
                began = time.monotonic()
                waiting = asyncio.gather(*(ask(path, spf(number)) for number in range(CLIENTS)))
                while len(server.connections) < CLIENTS:
                    await asyncio.sleep(0.001)
                beside = [await timed_dkim(path, number) for number in range(10)]
                assert not waiting.done()
                assert await waiting == [b"pass"] * CLIENTS
                return time.monotonic() - began, max(beside)

    whole, beside = asyncio.run(main())
    assert DNS_SECONDS <= whole < CLIENTS / 10 * DNS_SECONDS  # one after the other: 200 times that
    assert beside < whole
