"""Sender ID compared with Mail::SPF: some hundred records by hand and drawn, for both scopes.

Each check is made twice: with the records as they are, and with none but the one that RFC 4406 §4.4 selects, so that a
difference in selection hides none in evaluation. What Mail::SPF does otherwise is in `SELECTION` and `EVALUATION`, with
the reason; a row that explains nothing any more is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import pytest

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.message import parse_header
from exim_dkim.outcome import SenderIdReason
from exim_dkim.senderid.evaluate import SenderIdVerdict, evaluate
from exim_dkim.senderid.record import SPF1_SCOPES, Scope, Version, parse_version, select_record
from exim_dkim.spf import SpfPolicy
from tests.support import mail_spf
from tests.support.mail_spf import MailSpf
from tests.support.run import run
from tests.support.senderid_cases import HELO, Check, Zone, by_hand, drawn

CHECKS = [*by_hand(), *drawn(700, seed=4406)]


class Unlike(NamedTuple):
    """Something that Mail::SPF 2.9.0 does otherwise, and which checks it can be seen in."""

    reason: str
    applies: Callable[[Check], bool]


def texts(check: Check) -> Iterator[list[bytes]]:
    """The TXT records of each name."""
    for held in check.zone.values():
        if not isinstance(held, str):
            yield [text.encode() for text in held.get("TXT", [])]


def versions(check: Check) -> list[tuple[bytes, Version]]:
    """Every record of the zone that has a version of ours."""
    return [(text, version) for records in texts(check) for text in records if (version := parse_version(text))]


def scope_text(record: bytes) -> bytes:
    """What stands behind the slash of the version."""
    return record.partition(b" ")[0].partition(b"/")[2]


def selects_spf1(check: Check) -> bool:
    selected = [set(select_record(Scope(check.scope), True, records)) for records in texts(check)]
    without = [set(select_record(Scope(check.scope), False, records)) for records in texts(check)]
    return check.scope == "pra" and selected != without


def lists_spf1_first(check: Check) -> bool:
    wanted = check.scope.encode()
    orders = [
        [version.number for version in map(parse_version, records) if version and wanted in version.scopes]
        for records in texts(check)
    ]
    return check.scope == "mfrom" and any(order[:1] == [1] and 2 in order for order in orders)


@cache
def is_malformed(terms: bytes) -> bool:
    zone: Zone = {"d.example": {"TXT": [f"spf2.0/pra{terms.decode()}"]}}
    return judge(Check("", zone)).reason is SenderIdReason.BAD_SYNTAX


def has_malformed_other(check: Check) -> bool:
    for records in texts(check):
        selected = select_record(Scope(check.scope), True, records)
        for version in map(parse_version, records):
            if version and version.terms not in selected and is_malformed(version.terms):
                return True
    return False


SELECTION = (
    Unlike(
        "For the scope pra it looks at spf2.0 records only. RFC 4406 §3.4 (SHOULD) and §4.4 step 4 let v=spf1 do.",
        selects_spf1,
    ),
    Unlike(
        "Of spf2.0 and v=spf1 records it takes the version of the one that the answer of DNS happens to list first. "
        "RFC 4406 §4.4 step 4: spf2.0 takes precedence.",
        lists_spf1_first,
    ),
    Unlike(
        "It knows no scopes but mfrom and pra and discards a record that names others, too. "
        "RFC 4406 §4.4 step 3 has an example of such a record that is retained.",
        lambda check: any(version.scopes - SPF1_SCOPES for _, version in versions(check)),
    ),
    Unlike(
        "It discards minor versions other than 0. RFC 4406 §4.4 step 2: well-formed ones are retained and ignored.",
        lambda check: any(
            version.number == 2 and not record.lower().startswith(b"spf2.0/") for record, version in versions(check)
        ),
    ),
    Unlike(
        "It takes capitals in a scope for an error of the record. Strings in ABNF match in any letter case.",
        lambda check: any(scope_text(record) != scope_text(record).lower() for record, _ in versions(check)),
    ),
    Unlike(
        "It parses all records before it selects one, so an error in a record for the other scope is a permerror.",
        has_malformed_other,
    ),
)

EVALUATION = (
    Unlike(
        "It does not tell a domain that does not exist from one without record. RFC 4406 §4.3: the PRA check fails.",
        lambda check: check.scope == "pra" and check.address.lower().rpartition("@")[2] not in check.zone,
    ),
    Unlike(
        "Macros of an address with capitals in the domain: it lowers the domain, but not in %{s}. We lower the domain "
        "of a PRA everywhere, that of a reverse-path nowhere.",
        lambda check: check.address != check.address.lower(),
    ),
    Unlike(
        "With `ptr` it leaves names outside of the domain alone, so they make no void look-ups. RFC 7208 §5.5 looks up "
        "the addresses of each name first.",
        lambda check: any("ptr" in text.decode() for records in texts(check) for text in records),
    ),
)


def judge(check: Check) -> SenderIdVerdict:
    """Our verdict, of a message whose PRA and reverse-path are the address."""
    fields = parse_header(b"From: " + check.address.encode())
    envelope = Envelope(parse_client(check.client.encode()), HELO.encode(), check.address.encode())
    return run(evaluate(fields, envelope, check.resolver, SpfPolicy(), Scope(check.scope)))


def selected(check: Check) -> Check:
    """The same with only the records that RFC 4406 selects, written so that Mail::SPF selects them too."""
    zone: Zone = {}
    for name, held in check.zone.items():
        zone[name] = held
        if not isinstance(held, str) and any(map(parse_version, [text.encode() for text in held.get("TXT", [])])):
            terms = select_record(Scope(check.scope), True, [text.encode() for text in held["TXT"]])
            zone[name] = held | {"TXT": [f"spf2.0/{check.scope}{each.decode()}" for each in terms]}
    return check._replace(zone=zone)


def unexplained(peer: MailSpf, checks: Sequence[Check], rows: Sequence[Unlike]) -> list[str]:
    """The disagreements that no row explains, and the rows that explain none alone."""
    problems = []
    idle = dict.fromkeys(row.reason for row in rows)
    for check in checks:
        ours, theirs = judge(check), peer.ask(check)
        if (ours.result.value, ours.text) == (theirs.result, theirs.text):
            continue
        reasons = [row.reason for row in rows if row.applies(check)]
        if not reasons:
            problems.append(f"{check}: {ours} but {theirs}")
        if len(reasons) == 1:
            idle.pop(reasons[0], None)
    return problems + [f"not true any more: {reason}" for reason in idle]


@pytest.fixture(scope="module")
def peer() -> Iterator[MailSpf]:
    with mail_spf.opened() as worker:
        yield worker


def test_there_are_many_checks_with_every_result() -> None:
    assert len(CHECKS) > 800
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    verdicts = [judge(check) for check in CHECKS]
    counts = {reason.result.value: 0 for reason in SenderIdReason}
    for verdict in verdicts:
        counts[verdict.result.value] += 1
    assert min(counts.values()) >= 15, counts


def test_evaluation_of_selected_records(peer: MailSpf) -> None:
    assert unexplained(peer, [selected(check) for check in CHECKS], EVALUATION) == []


def test_selection_and_evaluation(peer: MailSpf) -> None:
    problems = unexplained(peer, CHECKS, SELECTION + EVALUATION)
    # Rows on evaluation need not be seen here once more.
    assert [problem for problem in problems if not any(row.reason in problem for row in EVALUATION)] == []
