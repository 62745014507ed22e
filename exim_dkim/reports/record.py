"""The report record of a domain: the TXT record at `_report._domainkey.DOMAIN` (RFC 6651 §3.2), and addresses in it.

    ra=LOCAL-PART [; rp=PERCENTAGE] [; rr=KIND[:KIND …]]

Only a local part can be named: reports go to the domain itself, so nobody can have them sent to others. Where the RFC
leaves room we are strict, since mail is sent to what stands here: the local part must be a dot-atom (RFC 5322 §3.2.3)
in ASCII. rs= (a text for SMTP replies) is not looked at: the record is fetched when the reply has been given.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.names import Domain
from exim_dkim.taglist import parse_tag_list, split_values, without_blanks

MAX_RECORD: Final = 1024
"""Bytes; a real one has under 100."""
MAX_LOCAL_PART: Final = 64  # RFC 5321 §4.5.3.1.1

_DOT_ATOM: Final = lazy_pattern(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED_PRINTABLE: Final = lazy_pattern(rb"=([0-9A-F]{2})")


class ReportKind(enum.Enum):
    """What rr= asks for (RFC 6651 §5.1)."""

    DNS = "d"
    OTHER = "o"
    POLICY = "p"
    SYNTAX = "s"
    UNKNOWN_TAG = "u"
    VERIFICATION = "v"
    EXPIRED = "x"


EVERYTHING: Final = frozenset(ReportKind)


class ReportRecord(NamedTuple):
    """A report record. `percentage`: of how many failures the domain wants to hear."""

    local: str
    percentage: int = 100
    kinds: frozenset[ReportKind] = EVERYTHING


def report_name(domain: Domain) -> str:
    """The DNS name of the report record of `domain`."""
    return f"_report._domainkey.{domain}"


def parse_report_record(record: bytes) -> ReportRecord:
    """The report record from the text of a TXT record; `ParseError` when it is none, or does not name an address."""
    if len(record) > MAX_RECORD:
        raise ParseError("the report record is too long", record, 0, len(record))
    tags = parse_tag_list(record)
    if b"ra" not in tags:
        raise ParseError("the report record has no ra= tag", record, 0, len(record))
    local = _QUOTED_PRINTABLE.sub(lambda match: bytes.fromhex(match[1].decode()), without_blanks(tags[b"ra"]))
    kinds = _kinds(tags[b"rr"]) if b"rr" in tags else EVERYTHING
    return ReportRecord(_local_part(local, record), _percentage(tags.get(b"rp", b"100"), record), kinds)


def parse_own_address(text: bytes, domain: Domain) -> str:
    """An address at `domain` or below it, in the form of ours; `ParseError` for any other (r= of a policy record)."""
    local, at, name = text.rpartition(b"@")
    found = Domain.parse(name) if at else domain
    if not at or not found.is_host_name or not found.is_under(domain):
        raise ParseError(f"not an address at {domain}", text, 0, len(text))
    return f"{_local_part(local, text)}@{found}"


def _local_part(local: bytes, source: bytes) -> str:
    text = local.decode("ascii", "replace")
    if len(text) > MAX_LOCAL_PART or not _DOT_ATOM.fullmatch(text) or text.startswith("-"):
        raise ParseError("not a local part that mail is sent to", source, 0, len(source))
    return text


def _percentage(value: bytes, record: bytes) -> int:
    if not value.isdigit() or len(value) > 3 or int(value) > 100:
        raise ParseError("rp= is not a percentage", record, 0, len(record))
    return int(value)


def _kinds(value: bytes) -> frozenset[ReportKind]:
    """What is asked for; kinds that are not known are ignored."""
    words = {word.lower().decode("ascii", "replace") for word in split_values(value)}
    return EVERYTHING if "all" in words else frozenset(kind for kind in ReportKind if kind.value in words)
