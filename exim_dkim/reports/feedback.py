"""The report of a failed verification, as a message (RFC 6591, RFC 5965; multipart/report: RFC 6522).

Three parts: a few words for people, the facts for programs (message/feedback-report), and of the header what `redact`
lets through (text/rfc822-headers). Written out plainly, since nothing in it varies but values: all of them are
printable ASCII in one line by then, but for the header, which is encoded where it has to be.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from exim_dkim.authres import AuthenticationResults, format_authres
from exim_dkim.printable import one_line
from exim_dkim.reports.failure import Failure

MAX_VALUE: Final = 300
"""Characters of a value."""
MAX_LINE: Final = 990
"""Bytes of a line of the header that need no encoding (RFC 5322 §2.1.1)."""

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_TEXT: Final = """\
This is an authentication failure report for an email message that
came to {reporter} from {client}
on {arrived}.

The {method} signature in the name of {domain} could not be verified:

  {why}

{domain} asks for such reports in its {record}.
Local parts of addresses at other domains are hidden (RFC 6590).
"""


class FailureReport(NamedTuple):
    """What a report says.

    `sender`, `recipient`: its own addresses. `reporter`: our name in Authentication-Results. `mail_from`: the
    reverse-path of the message, redacted. `delivery`: what became of it (RFC 6591 §3.2.2), empty if that is not known.
    `incidents`: how many failures this report stands for. `fields`: what is told of the header (`told_fields`).
    `user_agent`: who we are.
    """

    failure: Failure
    sender: str
    recipient: str
    reporter: str
    arrived: float
    mail_from: bytes
    client: str = ""
    delivery: str = ""
    incidents: int = 1
    fields: Sequence[bytes] = ()
    user_agent: str = "exim-dkim"


def format_report(report: FailureReport, now: float, unique: str) -> bytes:
    """The whole message in wire form. `now`: seconds since 1970. `unique`: letters and digits of this report alone."""
    boundary = f"report-{unique}"
    host = report.sender.rpartition("@")[2]
    header = [
        f"From: {_line(report.sender)}",
        f"To: {_line(report.recipient)}",
        f"Subject: {_method(report.failure)} failure report for {report.failure.domain}",
        f"Date: {date(now)}",
        f"Message-ID: <{unique}.report@{_line(host)}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary="{boundary}"',
    ]
    parts = [
        _part("text/plain; charset=us-ascii", _text(report)),
        _part("message/feedback-report", "".join(f"{line}\r\n" for line in _facts(report)).encode()),
        _header_part(b"".join(field + b"\r\n" for field in report.fields)),
    ]
    body = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    return "\r\n".join([*header, "", ""]).encode() + body + f"--{boundary}--\r\n".encode()


def _text(report: FailureReport) -> bytes:
    failure = report.failure
    text = _TEXT.format(
        reporter=_line(report.reporter),
        client=_line(report.client) or "an unknown host",
        arrived=date(report.arrived),
        method=_method(failure),
        domain=failure.domain,
        why=_line("; ".join(failure.result.comments) or failure.result.result),
        record="report record (RFC 6651)" if failure.kind else "policy record (RFC 4870)",
    )
    return text.replace("\n", "\r\n").encode()


def _method(failure: Failure) -> str:
    return "DKIM" if failure.kind else "DomainKeys"


def _facts(report: FailureReport) -> list[str]:
    """The fields of message/feedback-report (RFC 5965 §3, RFC 6591 §3.1, §3.2)."""
    failure = report.failure
    results = format_authres(AuthenticationResults(report.reporter, (failure.result,)))
    facts = {
        "Feedback-Type": "auth-failure",
        "User-Agent": report.user_agent,
        "Version": "1",
        "Auth-Failure": failure.what.value,
        "Original-Mail-From": f"<{report.mail_from.decode('ascii', 'replace')}>",
        "Arrival-Date": date(report.arrived),
        "Source-IP": report.client,
        "Reported-Domain": failure.domain,
        "Delivery-Result": report.delivery,
        "Incidents": str(report.incidents) if report.incidents > 1 else "",
        "DKIM-Domain": failure.domain if failure.kind else "",
        "DKIM-Identity": failure.identity,
        "DKIM-Selector": failure.selector,
    }
    lines = [f"{name}: {_line(value)}" for name, value in facts.items() if value]
    return [*lines, results.decode("ascii", "replace").replace("\ufffd", "?")]


def _part(content_type: str, content: bytes, encoding: str = "7bit") -> bytes:
    header = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return header.encode() + content


def _header_part(header: bytes) -> bytes:
    longest = max(map(len, header.split(b"\r\n")))
    if header.isascii() and longest <= MAX_LINE and b"\0" not in header and _has_whole_lines(header):
        return _part("text/rfc822-headers", header)
    encoded = binascii.b2a_base64(header, newline=False)
    lines = b"".join(encoded[start : start + 76] + b"\r\n" for start in range(0, len(encoded), 76))
    return _part("text/rfc822-headers", lines, "base64")


def _has_whole_lines(header: bytes) -> bool:
    """No CR and no LF stands alone."""
    return header.count(b"\r") == header.count(b"\n") == header.count(b"\r\n")


def _line(value: str) -> str:
    """A value that is one line of printable ASCII."""
    return one_line(value.encode("ascii", "backslashreplace").decode("ascii"), MAX_VALUE)


def date(instant: float) -> str:
    """RFC 5322 §3.3, in UTC."""
    at = datetime.fromtimestamp(int(instant), UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02} {month} {at.year} {at.hour:02}:{at.minute:02}:{at.second:02} +0000"
