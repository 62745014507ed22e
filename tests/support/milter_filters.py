"""Filters made from the text of a configuration, and what an MTA makes of their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.resolver import RecordType, Trouble
from exim_dkim.system.authenticate import Authenticator, policies
from milter_server.command import Negotiation
from milter_server.configuration import read_filter
from milter_server.filter import AuthenticationFilter
from milter_server.response import AddField, ChangeField, InsertField, Modification, Response
from tests.support.milter_client import VERSION_6, MilterClient, Outcome
from tests.support.milter_world import Serving
from tests.support.samples import KEY_DIRECTORY, key_record

KEY = KEY_DIRECTORY / "rsa2048.pem"
DNS: Mapping[Key, Value] = {
    "key1._domainkey.example.org": key_record("rsa2048"),
    "rsa._domainkey.example.org": key_record("rsa2048"),
    "ed._domainkey.example.org": key_record("ed25519"),
    "silent._domainkey.example.org": Trouble.TIMEOUT,
    "example.org": "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all",
    "nobody.example": "v=spf1 -all",
    "soft.example": "v=spf1 ~all",
    "slow.example": Trouble.TIMEOUT,
    ("plain.example", RecordType.A): "192.0.2.80",
    "half.example": [],
    ("half.example", RecordType.A): Trouble.SERVFAIL,
}
SIGNER = f"""
milter_domains = example.org
dkim_selector = key1
dkim_private_key = {KEY}
milter_log_why
"""
FIELDS = (
    (b"From", b" Alice <alice@example.org>"),
    (b"To", b" bob@rx.example"),
    (b"Subject", b" A  test\n\tthat is folded"),
    (b"Date", b" Mon, 2 Nov 2026 09:15:39 +0000"),
)
BODY = b"Hello Bob,\r\n\r\n  two  blanks, one at the end \r\n.a dot\r\nAlice\r\n"


def make_filter(text: str, name: str = "dkim-filter") -> AuthenticationFilter:
    """The filter of a configuration; DNS has `DNS`."""
    configuration = read_filter(parse_configuration(text.encode(), "test.conf"), name)
    authenticator = Authenticator(MemoryResolver(DNS), policies(configuration.settings), _clock)
    return AuthenticationFilter(configuration, authenticator)


def _clock() -> float:
    return 1_793_610_939.0


def wire(fields: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A message as an MTA sends it on."""
    lines = [name + b":" + value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for name, value in fields]
    return b"\r\n".join([*lines, b"", body])


class Exchange:
    """One message through one filter: what came back, and the message with it."""

    def __init__(self, outcome: Outcome, fields: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.outcome = outcome
        self.fields = outcome.applied(fields)
        self.message = wire(self.fields, body)

    @property
    def response(self) -> Response:
        return self.outcome.response

    def values(self, name: str) -> list[str]:
        """The values of all fields of a name, unfolded."""
        return [
            " ".join(value.decode("utf-8", "replace").split())
            for written, value in self.fields
            if written.decode().lower() == name.lower()
        ]

    @property
    def results(self) -> list[str]:
        return self.values("Authentication-Results")


def pass_through(
    filter: AuthenticationFilter,
    fields: Sequence[tuple[bytes, bytes]] = FIELDS,
    body: bytes = BODY,
    *,
    address: bytes = b"127.0.0.1",
    host: bytes = b"client.example",
    sender: bytes = b"<alice@example.org>",
    macros: Mapping[str, str] | None = None,
    offer: Negotiation = VERSION_6,
    path: Path | None = None,
) -> Exchange:
    """One message through a filter over a real socket."""
    with Serving(filter, path=path) as world, MilterClient(world.address, offer) as mta:
        mta.greet(host, address)
        outcome = mta.message(fields, body, sender, macros=macros)
        if not mta.leading_space:  # the MTA writes the blank itself
            outcome.modifications = [_with_blank(change) for change in outcome.modifications]
        return Exchange(outcome, fields, body)


def _with_blank(change: Modification) -> Modification:
    if isinstance(change, InsertField | AddField | ChangeField) and change.value:
        return change._replace(value=b" " + change.value)
    return change
