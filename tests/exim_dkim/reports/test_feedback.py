"""The report as a message: read back by Python's email package, and by Sisimai, which is made for such mail."""

from __future__ import annotations

import email
import email.policy
import json
import subprocess
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.authres import MethodResult, Property, parse_authres
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain
from exim_dkim.reports.failure import AuthFailure, Failure
from exim_dkim.reports.feedback import FailureReport, date, format_report
from exim_dkim.reports.record import ReportKind
from tests.support import peers

NOW = 1_793_610_939.0

DKIM = Failure(
    Domain("example.org"),
    AuthFailure.BODYHASH,
    MethodResult("dkim", "fail", (Property("header", "d", "example.org"),), comments=("the body was changed",)),
    HeaderField(b"dkim-signature", b"DKIM-Signature: v=1"),
    kind=ReportKind.VERIFICATION,
    identity="alice@example.org",
    selector="sel",
)
DOMAINKEYS = Failure(
    Domain("example.org"),
    AuthFailure.SIGNATURE,
    MethodResult("domainkeys", "fail"),
    HeaderField(b"domainkey-signature", b"DomainKey-Signature: a=rsa-sha1"),
    address=b"dk@example.org",
)
FIELDS = (b"From: Alice <alice@example.org>", b"Subject: A\r\n\ttest")
REPORT = FailureReport(
    DKIM, "postmaster@mx.rx.example", "dkim@example.org", "mx.rx.example", NOW - 5, b"alice@example.org", "192.0.2.1",
    "reject", 3, FIELDS, "exim-dkim/1",
)  # fmt: skip


def parsed(report: FailureReport) -> EmailMessage:
    """The report as Python reads it; what it finds wrong is an error."""
    text = format_report(report, NOW, "abc123")
    assert text.isascii()
    assert b"\r" not in text.replace(b"\r\n", b"")
    assert b"\n" not in text.replace(b"\r\n", b"")
    assert max(map(len, text.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(text, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def facts(message: EmailMessage) -> dict[str, str]:
    """The fields of the second part."""
    text = message.get_payload(1).get_payload(0).items()  # type: ignore[union-attr]
    return {name: str(value) for name, value in text}


def test_the_message() -> None:
    message = parsed(REPORT)
    assert {name: str(value) for name, value in message.items()} == {
        "From": "postmaster@mx.rx.example",
        "To": "dkim@example.org",
        "Subject": "DKIM failure report for example.org",
        "Date": "Mon, 02 Nov 2026 09:15:39 +0000",
        "Message-ID": "<abc123.report@mx.rx.example>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/report; report-type="feedback-report"; boundary="report-abc123"',
    }
    types = [part.get_content_type() for part in message.iter_parts()]
    assert types == ["text/plain", "message/feedback-report", "text/rfc822-headers"]


def test_the_facts() -> None:
    found = facts(parsed(REPORT))
    results = parse_authres(found.pop("Authentication-Results").encode())
    assert (results.authserv_id, results.results) == ("mx.rx.example", (DKIM.result,))
    assert found == {
        "Feedback-Type": "auth-failure",
        "User-Agent": "exim-dkim/1",
        "Version": "1",
        "Auth-Failure": "bodyhash",
        "Original-Mail-From": "<alice@example.org>",
        "Arrival-Date": "Mon, 02 Nov 2026 09:15:34 +0000",
        "Source-IP": "192.0.2.1",
        "Reported-Domain": "example.org",
        "Delivery-Result": "reject",
        "Incidents": "3",
        "DKIM-Domain": "example.org",
        "DKIM-Identity": "alice@example.org",
        "DKIM-Selector": "sel",
    }


def test_what_is_not_known_is_not_said() -> None:
    found = facts(parsed(REPORT._replace(client="", delivery="", incidents=1, mail_from=b"x")))
    assert not {"Source-IP", "Delivery-Result", "Incidents"} & set(found)


def test_domainkeys() -> None:
    message = parsed(REPORT._replace(failure=DOMAINKEYS))
    assert message["Subject"] == "DomainKeys failure report for example.org"
    found = facts(message)
    assert found["Authentication-Results"].endswith("domainkeys=fail")
    assert not {"DKIM-Domain", "DKIM-Identity", "DKIM-Selector"} & set(found)
    assert "policy record (RFC 4870)" in message.get_payload(0).get_content()  # type: ignore[union-attr]


def test_for_people() -> None:
    text = parsed(REPORT).get_payload(0).get_content()  # type: ignore[union-attr]
    for words in ("mx.rx.example", "192.0.2.1", "the body was changed", "example.org", "report record (RFC 6651)"):
        assert words in text


def header_of(message: EmailMessage) -> bytes:
    """What the third part holds."""
    payload = message.get_payload(2).get_payload(decode=True)  # type: ignore[union-attr]
    assert isinstance(payload, bytes)
    return payload


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=1200), max_size=4),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.text(max_size=20),
)
def test_whatever_the_message_held(fields: list[bytes], identity: str, sender: bytes, comment: str) -> None:
    """No value breaks out of its field, and the header arrives byte for byte."""
    failure = DKIM._replace(identity=identity, selector=identity, result=DKIM.result._replace(comments=(comment,)))
    message = parsed(REPORT._replace(failure=failure, fields=fields, mail_from=sender, client=identity))
    assert len(message.get_payload()) == 3
    assert {"Feedback-Type", "Auth-Failure", "Reported-Domain"} <= set(facts(message))
    assert set(facts(message)) <= {
        "Feedback-Type", "User-Agent", "Version", "Auth-Failure", "Original-Mail-From", "Arrival-Date", "Source-IP",
        "Reported-Domain", "Delivery-Result", "Incidents", "DKIM-Domain", "DKIM-Identity", "DKIM-Selector",
        "Authentication-Results",
    }  # fmt: skip
    told = header_of(message)
    if message.get_payload(2)["Content-Transfer-Encoding"] == "base64":  # type: ignore[index]
        assert told == b"".join(field + b"\r\n" for field in fields)


@pytest.mark.parametrize(
    ("field", "encoding"),
    [
        (b"Subject: plain", "7bit"),
        ("Subject: bücher".encode(), "base64"),
        (b"Subject: " + b"x" * 1000, "base64"),
        (b"Subject: a\0b", "base64"),
        (b"Subject: a\nb", "base64"),
    ],
)
def test_a_header_that_mail_cannot_carry_is_encoded(field: bytes, encoding: str) -> None:
    message = parsed(REPORT._replace(fields=[field]))
    assert message.get_payload(2)["Content-Transfer-Encoding"] == encoding  # type: ignore[index]
    assert header_of(message).replace(b"\r\n", b"\n").strip() == field


@pytest.mark.parametrize("instant", [0, NOW, 951_782_400, 2_147_483_648])
def test_dates(instant: float) -> None:
    from email.utils import formatdate

    assert date(instant) == formatdate(instant).replace("-0000", "+0000")


SISIMAI = r"""
local $/; my $mail = <STDIN>; my ($made) = @{Sisimai->make(\$mail) || []};
my %said = map { $_ => "$made->{$_}" } qw(reason feedbacktype subject diagnosticcode);
print JSON::encode_json({%said, addresser => $made->addresser->address});
"""


@pytest.mark.peer("sisimai")
def test_against_sisimai() -> None:
    """It knows the report for one about authentication, and finds in it what it looks for."""
    peers.only_with(peers.SISIMAI)
    perl = peers.program("perl", "perl")
    if subprocess.run([perl, "-MSisimai", "-MJSON", "-e", "1"], capture_output=True, check=False).returncode:
        peers.missing("Sisimai is not installed", "apt-get install libsisimai-perl libjson-perl")
    fields = (*FIELDS, b"To: redacted-0123456789abcdef@rx.example", b"Date: Mon, 2 Nov 2026 09:15:39 +0000")
    wire = format_report(REPORT._replace(fields=fields), NOW, "abc")
    mailbox = b"From postmaster@mx.rx.example Mon Nov  2 09:15:39 2026\n" + wire.replace(b"\r\n", b"\n")
    command = [perl, "-MSisimai", "-MJSON", "-e", SISIMAI]
    done = subprocess.run(command, input=mailbox, capture_output=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found.pop("diagnosticcode").startswith("This is an authentication failure report")
    assert found == {
        "reason": "feedback", "feedbacktype": "auth-failure", "subject": "A test", "addresser": "alice@example.org",
    }  # fmt: skip
