"""Who is told: the domain that has asked, and nobody else."""

from __future__ import annotations

import pytest

from exim_dkim.authres import MethodResult
from exim_dkim.memory import MemoryResolver, Value
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain
from exim_dkim.reports.failure import AuthFailure, Failure
from exim_dkim.reports.recipient import find_recipient
from exim_dkim.reports.record import ReportKind
from exim_dkim.resolver import Trouble
from tests.support.run import run

NAME = "_report._domainkey.example.org"


def failure(kind: ReportKind | None = ReportKind.VERIFICATION, address: bytes = b"") -> Failure:
    field = HeaderField(b"dkim-signature", b"DKIM-Signature: x")
    result = MethodResult("dkim", "fail")
    return Failure(Domain("example.org"), AuthFailure.SIGNATURE, result, field, kind=kind, address=address)


@pytest.mark.parametrize(
    ("record", "chance", "recipient"),
    [
        ("ra=dkim", 99, "dkim@example.org"),
        ("ra=dkim; rp=100", 99, "dkim@example.org"),
        ("ra=dkim; rp=10", 9, "dkim@example.org"),
        ("ra=dkim; rp=10", 10, None),
        ("ra=dkim; rp=0", 0, None),
        ("ra=dkim; rr=v", 0, "dkim@example.org"),
        ("ra=dkim; rr=d:o:p:s:u:x", 0, None),
        (["ra=dkim", "ra=dkim"], 0, None),
        (["ra=dkim", "v=spf1 -all"], 0, None),
        ("rp=100", 0, None),
        ("v=spf1 -all", 0, None),
        ([], 0, None),
        (Trouble.NXDOMAIN, 0, None),
        (Trouble.TIMEOUT, 0, None),
        (Trouble.SERVFAIL, 0, None),
    ],
)
def test_the_algorithm_of_the_rfc(record: Value, chance: int, recipient: str | None) -> None:
    dns = MemoryResolver({NAME: record})
    assert run(find_recipient(failure(), dns, chance)) == recipient
    assert [question.name for question in dns.asked] == [NAME]


@pytest.mark.parametrize("kind", ReportKind)
def test_every_kind(kind: ReportKind) -> None:
    others = ":".join(other.value for other in ReportKind if other is not kind)
    assert run(find_recipient(failure(kind), MemoryResolver({NAME: f"ra=a; rr={kind.value}"}), 0)) == "a@example.org"
    assert run(find_recipient(failure(kind), MemoryResolver({NAME: f"ra=a; rr={others}"}), 0)) is None


@pytest.mark.parametrize(
    ("address", "recipient"),
    [(b"dk@example.org", "dk@example.org"), (b"dk@victim.example", None), (b"nobody", None)],
)
def test_domainkeys_name_their_own_addresses(address: bytes, recipient: str | None) -> None:
    dns = MemoryResolver({})
    assert run(find_recipient(failure(None, address), dns, 99)) == recipient
    assert not dns.asked
