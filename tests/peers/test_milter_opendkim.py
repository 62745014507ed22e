"""`dkim-filter` and OpenDKIM's filter, both as processes: each verifies what the other has signed, on 200 messages.

The messages are those on which implementations tend to disagree. Where the two differ, `DISPUTED` says why; a row there
that is not true any more is an error.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from exim_dkim.message import parse_message
from tests.support import samples, tricky
from tests.support.filter_process import MilterFilter
from tests.support.mail_world import KEY, SIGNING, results
from tests.support.milter_client import MilterClient
from tests.support.milter_filters import Exchange
from tests.support.mta import HOST_NAME
from tests.support.opendkim import SIGNER, VERIFIER, OpenDkim
from tests.support.processes import shared_directory

pytestmark = pytest.mark.peer("opendkim")

CANONICALIZATIONS = ("relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed")


def _messages() -> Iterator[tricky.Message]:
    """As many as wanted, each with an author that both sign for."""
    yield from tricky.table()
    for message in tricky.drawn(200, seed=6377):
        header, _, body = message.data.partition(b"\r\n\r\n")
        others = [field.raw for field in parse_message(header + b"\r\n\r\n").fields if field.name != b"from"]
        yield message._replace(data=tricky.FROM + b"".join(raw + b"\r\n" for raw in others) + b"\r\n" + body)


MESSAGES = list(_messages())[:200]

DISPUTED = {
    "not signed by OpenDKIM": (
        "A body without a final CRLF, which no MTA hands to its filters. libopendkim refuses it under relaxed.",
        {"body no-final-newline"},
    ),
    "signed by OpenDKIM": (
        "The same with a blank at the end: libopendkim leaves out the CRLF that RFC 6376 §3.4.4 adds.",
        {"body no-final-newline-blank"},
    ),
    "signed by dkim-filter": (
        "Both, the other way round. OpenDKIM then adds no field at all, or calls the signature bad.",
        {"body no-final-newline", "body no-final-newline-blank"},
    ),
}


class Peers(NamedTuple):
    """Connections to the filters: signers by canonicalisation."""

    our_signer: MilterClient
    our_verifier: MilterClient
    their_signers: dict[str, MilterClient]
    their_verifier: MilterClient


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(shared_directory("exim-dkim-interoperation-"))
        (directory / "zone").write_text(samples.RECORDS_ZONE)
        key = ("-k", KEY, "-s", "rsa", "--set", "dkim_canon=$h_x-canonicalization:")
        ours = MilterFilter("dkim-filter", directory, *SIGNING, *key, name="signer")
        verifying = ("-b", "v", "-H", HOST_NAME, "--set", f"dns_zone_file={directory / 'zone'}")
        our_verifier = MilterFilter("dkim-filter", directory, *verifying, name="verifier")
        for each in (ours, our_verifier):
            stack.enter_context(each)
        theirs = {
            name: stack.enter_context(
                OpenDkim(directory / name.replace("/", "-"), {**SIGNER, "Canonicalization": name})
            )
            for name in CANONICALIZATIONS
        }
        their_verifier = stack.enter_context(OpenDkim(directory / "verifying", VERIFIER))
        for each in (ours, our_verifier):
            each.wait()
        ports = [ours.port, our_verifier.port, their_verifier.port, *(each.port for each in theirs.values())]
        first, second, third, *rest = [stack.enter_context(MilterClient(("127.0.0.1", port))) for port in ports]
        for client in (first, second, third, *rest):
            client.greet(address=b"127.0.0.1")
        yield Peers(first, second, dict(zip(theirs, rest, strict=True)), third)


def passed(client: MilterClient, message: bytes) -> bytes:
    """What becomes of a message in a filter."""
    parsed = parse_message(message)
    fields = [(field.raw.partition(b":")[0].rstrip(b" \t"), field.value) for field in parsed.fields]
    return Exchange(client.message(fields, parsed.body), fields, parsed.body).message


def theirs(message: bytes) -> str:
    """OpenDKIM's result."""
    found = re.match(rb"Authentication-Results: opendkim\.test\.example;\s+dkim=(\w+)", message)
    return found[1].decode() if found else message[:200].decode("latin-1")


def cases() -> Iterator[tuple[str, str, bytes]]:
    """Name, canonicalisation and text of each message."""
    for number, (name, data) in enumerate(MESSAGES):
        canonicalization = CANONICALIZATIONS[number % 4]
        if name.startswith("body no-final"):
            canonicalization = "relaxed/relaxed"
        yield name, canonicalization, data


def explained(kind: str, found: dict[str, object]) -> None:
    """What was found is what the table has."""
    reason, expected = DISPUTED[kind]
    assert found.keys() == expected, (reason, found)


def test_they_verify_ours(peers: Peers) -> None:
    assert len(MESSAGES) == 200
    wrong: dict[str, object] = {}
    for name, canonicalization, data in cases():
        message = passed(peers.our_signer, f"X-Canonicalization: {canonicalization}\r\n".encode() + data)
        assert f"c={canonicalization};".encode() in message, name
        if (result := theirs(passed(peers.their_verifier, message))) != "pass":
            wrong[name] = canonicalization, result
    explained("signed by dkim-filter", wrong)


def test_we_verify_theirs(peers: Peers) -> None:
    wrong: dict[str, object] = {}
    unsigned: dict[str, object] = {}
    for name, canonicalization, data in cases():
        message = passed(peers.their_signers[canonicalization], data)
        if not message.startswith(b"DKIM-Signature:"):
            unsigned[name] = canonicalization
        elif (found := results(passed(peers.our_verifier, message))) != {"dkim": "pass"}:
            wrong[name] = canonicalization, found
    explained("signed by OpenDKIM", wrong)
    explained("not signed by OpenDKIM", unsigned)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"all is well", b"all is hell"),
        (rb"Subject: A", b"Subject: B"),
        (rb"(?<=[ \t])b=....", b"b=abcd"),
        (rb"d=example\.org", b"d=other.example"),
        (rb"s=rsa", b"s=ed"),
        (rb"Date: .*\r\n", b""),
    ],
)
def test_neither_accepts_what_was_changed(peers: Peers, old: bytes, new: bytes) -> None:
    plain = MESSAGES[0].data
    ours = passed(peers.our_signer, b"X-Canonicalization: simple\r\n" + plain)
    for message in (ours, passed(peers.their_signers["simple/simple"], plain)):
        changed = re.sub(old, new, message, count=1)
        assert changed != message
        assert theirs(passed(peers.their_verifier, changed)) in ("fail", "permerror", "neutral", "policy")
        assert results(passed(peers.our_verifier, changed))["dkim"] in ("fail", "permerror", "neutral")
