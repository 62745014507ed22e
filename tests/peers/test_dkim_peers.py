"""Cross-checks with other implementations: they accept what we sign, we accept what they sign, and all agree on what is
not good. Where a peer differs, `DISPUTED` says so, with the reason; a row there that is not true any more is an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from exim_dkim import crypto
from exim_dkim.dkim.sign import SigningRequest, sign
from exim_dkim.dkim.verify import verify
from exim_dkim.hashing import BodyHasher
from exim_dkim.keyrecord import format_key_record
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.names import Domain, Selector
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Trouble
from tests.support import dkim_peers, tricky
from tests.support.dkim_peers import DOMAIN, NOW, Peer, SigningRefusedError
from tests.support.dkim_unlike import unlike
from tests.support.peers import MAIL_DKIM, only_with
from tests.support.run import run

VECTORS = Path(__file__).parents[1] / "vectors"
KEYS = {name: (VECTORS / "keys" / f"{name}.pem").read_bytes() for name in ("rsa1024", "ed25519")}
RECORDS = {
    f"{name}._domainkey.{DOMAIN}": format_key_record(
        crypto.load_private_key(pem).type, crypto.load_private_key(pem).public_der()
    ).encode()
    for name, pem in KEYS.items()
}
SELECTORS = {"rsa-sha256": "rsa1024", "ed25519-sha256": "ed25519"}
CANONICALIZATIONS = [(header, body) for header in ("simple", "relaxed") for body in ("simple", "relaxed")]
PEERS = ("dkimpy", "Mail::DKIM", "libopendkim")
MESSAGES = [*tricky.table(), *tricky.drawn(120, seed=6376)]


class Case(NamedTuple):
    """One check: who, which way round (`ours` signed by us, `theirs` signed by the peer), which message, how."""

    peer: str
    direction: str
    message: str
    algorithm: str
    header: str
    body: str


class Disputed(NamedTuple):
    """Cases that a peer handles differently, and why. Fields left out stand for any."""

    reason: str
    peer: str
    messages: tuple[str, ...] = ()
    direction: str = ""
    algorithm: str = ""
    header: str = ""
    body: str = ""

    def covers(self, case: Case) -> bool:
        """Whether this row explains the case."""
        wanted = (self.peer, self.direction, self.algorithm, self.header, self.body)
        found = (case.peer, case.direction, case.algorithm, case.header, case.body)
        fits = all(not want or want == have for want, have in zip(wanted, found, strict=True))
        return fits and (not self.messages or case.message in self.messages)


DISPUTED = (
    Disputed(
        "A body without a final CRLF, which SMTP cannot carry. RFC 6376 §3.4.3 and §3.4.4 say that a CRLF is added. "
        "Mail::DKIM adds none under simple.",
        "Mail::DKIM",
        ("body no-final-newline", "body no-final-newline-blank", "body only-blanks", "body one-blank"),
        body="simple",
    ),
    Disputed(
        "The same under relaxed: libopendkim refuses to hash such a body (DKIM_STAT_SYNTAX), or leaves out the CRLF.",
        "libopendkim",
        ("body no-final-newline", "body no-final-newline-blank"),
        body="relaxed",
    ),
    Disputed(
        "The same under relaxed, with blanks at the end: dkimpy adds the CRLF after it has looked for blanks before a "
        "CRLF, so one blank stays. §3.4.4 has white space at line ends go first; libopendkim and Mail::DKIM agree.",
        "dkimpy",
        ("body no-final-newline-blank", "body only-blanks", "body one-blank"),
        body="relaxed",
    ),
    Disputed(
        "libopendkim 2.11.0 makes Ed25519 signatures under a simple header that nobody can verify, itself included.",
        "libopendkim",
        direction="theirs",
        algorithm="ed25519-sha256",
        header="simple",
    ),
)


@pytest.fixture(scope="module", params=PEERS)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Each peer in turn, one process for the whole module."""
    with dkim_peers.opened(request.param, tmp_path_factory.mktemp("peer")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _keys(peer: Peer) -> None:
    peer.set_keys(RECORDS)


def signed_by_us(message: bytes, algorithm: str, canonicalization: tuple[str, str]) -> bytes:
    """The message with our signature over every field it has."""
    parsed = parse_message(message)
    key = crypto.load_private_key(KEYS[SELECTORS[algorithm]])
    hasher = BodyHasher()
    body_hash = hasher.want("sha256", canonicalization[1])
    hasher.update(parsed.body)
    hasher.finish()
    request = SigningRequest(
        domain=Domain(DOMAIN),
        selector=Selector(SELECTORS[algorithm]),
        names=tuple(field.name for field in reversed(parsed.fields)),
        header_canonicalization=canonicalization[0],
        body_canonicalization=canonicalization[1],
        timestamp=NOW - 60,
    )
    return sign(parsed.fields, body_hash.digest(), request, key) + message


def our_verdicts(message: bytes, now: float = NOW) -> list[str]:
    """The explanations of our verdicts; `good` for a good one."""
    resolver = MemoryResolver(RECORDS)
    verdicts = run(verify(parse_message(message), resolver, VerificationPolicy(), now))
    return ["good" if verdict.result.value == "pass" else verdict.explanation for verdict in verdicts]


def cases(peer: Peer) -> Iterator[tuple[str, tricky.Message, tuple[str, str]]]:
    """Algorithm, message, canonicalisation: all for RSA; for Ed25519, where only the last step differs, a few."""
    for algorithm in peer.algorithms:
        for number, message in enumerate(MESSAGES):
            for canonicalization in CANONICALIZATIONS if algorithm == "rsa-sha256" or number % 10 == 0 else ():
                yield algorithm, message, canonicalization


def check(peer: Peer, direction: str, accept: Callable[[str, tricky.Message, tuple[str, str]], object]) -> None:
    """Every case that is not accepted is in the table, and every row of the table is needed."""
    surprising = []
    needed = set()
    for algorithm, message, canonicalization in cases(peer):
        result = accept(algorithm, message, canonicalization)
        if result is True:
            continue
        case = Case(peer.name, direction, message.name, algorithm, *canonicalization)
        rows = [row for row in DISPUTED if row.covers(case)]
        needed.update(rows)
        if not rows:
            surprising.append((case, result))
    assert not surprising
    wanted = {row for row in DISPUTED if row.peer == peer.name and row.direction in ("", direction)}
    assert wanted == needed, "the peer agrees by now: take such rows out of the table"


def test_they_accept_ours(peer: Peer) -> None:
    """Every peer calls good what we signed."""

    def accept(algorithm: str, message: tricky.Message, canonicalization: tuple[str, str]) -> object:
        result = peer.verify(signed_by_us(message.data, algorithm, canonicalization))
        return result == [True] or result

    check(peer, "ours", accept)


def test_we_accept_theirs(peer: Peer) -> None:
    """We call good what every peer signed."""

    def accept(algorithm: str, message: tricky.Message, canonicalization: tuple[str, str]) -> object:
        selector = SELECTORS[algorithm]
        try:
            field = peer.sign(message.data, KEYS[selector], selector, algorithm, canonicalization)
        except SigningRefusedError as error:
            return str(error)
        # dkimpy and Mail::DKIM put the time of day into t=
        result = our_verdicts(field + message.data, time.time())
        return result == ["good"] or result

    check(peer, "theirs", accept)


CHANGES: dict[str, tuple[bytes, bytes]] = {
    "a byte of the body": (b"all is well", b"all is hell"),
    "text after the body": (b"all is well.\r\n", b"all is well.\r\nBuy now!\r\n"),
    "a byte of a header field": (b"Subject: A", b"Subject: B"),
    "a signed field gone": (b"Date: Mon, 21 Sep 2026 15:33:19 +0000\r\n", b""),
    "another domain": (b"d=example.org", b"d=example.com"),
    "a selector without a key": (b"s=rsa1024", b"s=rsa1025"),
    "an unknown version": (b"v=1", b"v=3"),
    "an unknown algorithm": (b"a=rsa-sha256", b"a=rsa-sha999"),
    "an unknown canonicalisation": (b"c=relaxed/relaxed", b"c=nowsp/relaxed"),
    "From not signed": (b":from", b":x-from"),
    "identity elsewhere": (b"\td=", b"\ti=@example.net; d="),
    "a byte of the signature": (b" b=", b" b=ZZZZ"),
    "expired": (b" t=", b" x=1; t="),
}


@pytest.mark.parametrize("change", CHANGES)
def test_all_refuse(peer: Peer, change: str) -> None:
    """What was changed after it was signed is good for nobody."""
    old, new = CHANGES[change]
    signed = signed_by_us(MESSAGES[0].data, "rsa-sha256", ("relaxed", "relaxed"))
    assert peer.verify(signed) == [True]
    assert signed.count(old) >= 1
    changed = signed.replace(old, new, 1)
    assert our_verdicts(changed) != ["good"]
    assert peer.verify(changed) != [True]


def test_vectors(peer: Peer) -> None:
    """What the vectors say is what the peer finds, save for what `dkim_unlike.py` explains."""
    if peer.name == "Mail::DKIM":
        only_with(MAIL_DKIM)
    different = set()
    for path in sorted([*VECTORS.glob("own/*.msg"), *VECTORS.glob("rfc/*.msg")]):
        lines = path.with_suffix(".want").read_text(encoding="utf-8").splitlines()
        records: dict[str, bytes] = {}
        for line in lines:
            kind, _, rest = line.partition(" ")
            name, _, value = rest.partition(" ")
            if kind == "dns" and value not in Trouble.__members__:
                records.setdefault(name, value.encode())
        wanted = [line.split(" ")[1] == "GOOD" for line in lines if line.startswith("verdict ")]
        peer.set_keys(records)
        found = peer.verify(path.read_bytes())
        if path.stem.startswith("legacy-") and path.stem != "legacy-modern":
            assert True not in found, "no peer knows signatures of 2005"
        elif found != wanted:
            different.add(path.stem)
    assert different == unlike(peer.name)
