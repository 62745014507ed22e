"""The services of an environment: the resolver that the configuration names, in and out of an event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.expansion import expand, parse_template
from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.services import MessageServices

TEMPLATE = parse_template(b"${lookup dnsdb{txt=example.org}}")


def environment(directory: Path) -> MessageEnvironment:
    zone = directory / "zone"
    zone.write_text("$ORIGIN example.org.\n@ 300 IN TXT found\n")
    return MessageEnvironment(parse_configuration(f"dns_zone_file = {zone}\n".encode()))


def test_the_resolver_of_the_configuration(tmp_path: Path) -> None:
    assert expand(TEMPLATE, environment(tmp_path)).text == b"found"


def test_within_an_event_loop(tmp_path: Path) -> None:
    async def look_up() -> bytes:
        return expand(TEMPLATE, environment(tmp_path)).text

    assert asyncio.run(look_up()) == b"found"


def test_a_resolver_that_cannot_be_had() -> None:
    services = MessageServices(parse_configuration(b"dns_zone_file = /none\n"))
    with pytest.raises(ServiceTrouble, match="/none"):
        services.resolve()


def test_where_nothing_is_verified() -> None:
    with pytest.raises(ServiceTrouble, match="nothing is verified here; ask for dkim results in an ACL"):
        MessageServices(parse_configuration(b"")).authenticate("dkim", b"example.org")


ZONE = """\
example.org. 300 IN TXT "v=spf1 ip4:192.0.2.1 -all"
example.org. 300 IN TXT "spf2.0/pra ip4:192.0.2.2 -all"
mx.example.org. 300 IN TXT "v=spf1 ~all"
"""


@pytest.mark.parametrize(
    ("identity", "client", "word"),
    [
        ("spf", "192.0.2.1", b"pass"),
        ("spf", "192.0.2.2", b"fail"),
        ("spf helo", "192.0.2.1", b"softfail"),
        ("senderid pra", "192.0.2.1", b"fail"),
        ("senderid pra", "192.0.2.2", b"pass"),
        ("senderid mfrom", "192.0.2.1", b"pass"),
    ],
)
def test_spf_and_sender_id(tmp_path: Path, identity: str, client: str, word: bytes) -> None:
    (tmp_path / "zone").write_text(ZONE)
    services = MessageServices(parse_configuration(f"dns_zone_file = {tmp_path}/zone\n".encode()))
    envelope = Envelope(parse_client(client.encode()), b"mx.example.org", b"a@example.org")
    assert services.judge(identity, envelope, (b"From: A\n  <a@example.org>\n",)) == word


def test_spf_without_a_usable_configuration() -> None:
    with pytest.raises(ServiceTrouble, match="spf_timeout"):
        MessageServices(parse_configuration(b"spf_timeout = 0s\n")).judge("spf", Envelope(), ())
