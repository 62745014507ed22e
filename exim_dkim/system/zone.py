"""A resolver that answers from a zone file only (RFC 1035 §5), for tests and demonstrations: no packet is ever sent.

Ordinary zone-file text: `$ORIGIN` (several are fine), `$TTL`, relative names, parentheses, comments, wildcards; SOA and
NS records may be left out. Names start at the root until an `$ORIGIN` says otherwise. What the file does not hold does
not exist (NXDOMAIN). CNAMEs are followed within the file.

A comment that begins with `;!` makes a name fail, so that a zone file remains one for every other program:

    ;! SERVFAIL broken._domainkey
    ;! TIMEOUT slow._domainkey.example.net.

The name is relative to the `$ORIGIN` above it unless it ends in a dot. The failure is for every type, and is answered
at once: a TIMEOUT here is an answer, not a wait.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tokenizer
import dns.zonefile

from exim_dkim.errors import ConfigurationError
from exim_dkim.memory import fold_name
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.system.rdata import pack_records, text_of_name

MAX_ZONE_FILE = 16 * 1024 * 1024
"""Largest zone file that is read, in bytes: it is held in memory, and the real thing belongs in a name server."""

MAX_ALIASES = 8
"""How many CNAMEs are followed for one question; a longer chain is a mistake or a loop."""

_FAULT = re.compile(r";!\s*(\S+)(?:[ \t]+([^\s;]+))?[ \t]*(?:;.*)?")
_ORIGIN = re.compile(r"\$ORIGIN[ \t]+([^\s;]+)", re.IGNORECASE)
_FAULTS = {trouble.name: trouble for trouble in (Trouble.SERVFAIL, Trouble.TIMEOUT)}
_TYPES = {dns.rdatatype.from_text(record_type.name): record_type for record_type in RecordType}

Records = dict[str, dict[RecordType, tuple[bytes, ...]]]


class ZoneResolver:
    """Answers from the text of a zone file; `ConfigurationError` with file and line when it cannot be parsed."""

    def __init__(self, text: str, file: str = "zone") -> None:
        self._faults = _read_faults(text, file)
        self._records: Records = {}
        self._aliases: dict[str, str] = {}
        for rrset in _read_rrsets(text, file):
            self._add(rrset)
        self._existing = _with_ancestors({*self._records, *self._aliases})

    def _add(self, rrset: dns.rrset.RRset) -> None:
        owner = text_of_name(rrset.name)
        types = self._records.setdefault(owner, {})
        if rrset.rdtype == dns.rdatatype.CNAME:
            self._aliases[owner] = text_of_name(rrset[0].target)
        if rrset.rdtype in _TYPES:
            record_type = _TYPES[dns.rdatatype.RdataType(rrset.rdtype)]
            types[record_type] = pack_records(rrset, record_type)

    async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
        """The answers, in the order asked. Never raises, never suspends."""
        return tuple(map(self._answer, questions))

    def _answer(self, question: Question) -> Answer:
        name = fold_name(question.name)
        for _ in range(MAX_ALIASES + 1):
            if name in self._faults:
                return Answer(question, trouble=self._faults[name], detail="as the zone file says")
            owner = self._owner(name)
            if owner is None:
                return Answer(question, trouble=Trouble.NXDOMAIN)
            if owner not in self._aliases or question.type is RecordType.CNAME:
                records = self._records.get(owner, {}).get(question.type, ())
                return Answer(question, records) if records else Answer(question, trouble=Trouble.NO_DATA)
            name = self._aliases[owner]
        return Answer(question, trouble=Trouble.SERVFAIL, detail=f"more than {MAX_ALIASES} CNAMEs")

    def _owner(self, name: str) -> str | None:
        """The owner whose records answer for `name`: itself, or the wildcard below its closest encloser (RFC 4592)."""
        if name in self._existing:
            return name
        encloser = name
        while encloser:
            encloser = encloser.partition(".")[2]
            if encloser in self._existing:
                break
        wildcard = f"*.{encloser}" if encloser else "*"
        return wildcard if wildcard in self._existing else None


def _with_ancestors(names: set[str]) -> set[str]:
    """`names` and every name above them: an empty name between two others exists, too (RFC 8020)."""
    existing = set(names)
    for name in names:
        while name and (name := name.partition(".")[2]) not in existing:
            existing.add(name)
    return existing


def _read_faults(text: str, file: str) -> Mapping[str, Trouble]:
    """The names of the `;!` comments."""
    faults: dict[str, Trouble] = {}
    origin = dns.name.root
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if found := _ORIGIN.match(line):
                origin = dns.name.from_text(found[1], origin)
            elif line.startswith(";!"):
                fault = _FAULT.fullmatch(line)
                if not fault or fault[1] not in _FAULTS or not fault[2]:
                    raise ConfigurationError("want `;! SERVFAIL NAME` or `;! TIMEOUT NAME`", file, number)
                faults[text_of_name(dns.name.from_text(fault[2], origin))] = _FAULTS[fault[1]]
        except (dns.exception.DNSException, UnicodeError) as error:
            raise ConfigurationError(f"not a domain name ({error})", file, number) from None
    return faults


class _Records(dns.zonefile.RRsetsReaderTransaction):
    """Collects what the zone-file reader finds. dnspython wants an SOA at the one origin only; here it says nothing."""

    def add(self, *args: Any) -> None:
        if args[-1].rdtype != dns.rdatatype.SOA:
            super().add(*args)


class _Tokenizer(dns.tokenizer.Tokenizer):
    """Knows the line of the last token, where dnspython's own count may be on the next line already."""

    line = 1

    def get(self, *args: Any, **options: Any) -> dns.tokenizer.Token:
        line, again = self.where()[1], self.ungotten_token is not None
        token = super().get(*args, **options)
        if not again and not token.is_eol_or_eof():
            self.line = line
        return token


def _read_rrsets(text: str, file: str) -> list[dns.rrset.RRset]:
    manager = dns.zonefile.RRSetsReaderManager(origin=dns.name.root, relativize=False)
    tokenizer = _Tokenizer(text, file)
    try:
        with _Records(manager, True, False) as transaction:  # type: ignore[no-untyped-call]
            dns.zonefile.Reader(
                tokenizer,
                dns.rdataclass.IN,
                transaction,
                allow_directives=("$ORIGIN", "$TTL"),  # not $INCLUDE: one file; not $GENERATE: no multiplication
                default_ttl=300,
            ).read()
    except Exception as error:  # noqa: BLE001 - dnspython's reader has been seen to raise more than it documents
        message = str(error).split(f"{file}:{tokenizer.where()[1]}: ")[-1] or type(error).__name__
        raise ConfigurationError(message, file, tokenizer.line) from None
    return manager.rrsets


def read_zone(path: str) -> ZoneResolver:
    """The resolver for the zone file at `path`; `ConfigurationError` when it cannot be read or parsed."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_ZONE_FILE + 1)
        if len(data) > MAX_ZONE_FILE:
            raise ConfigurationError(f"the zone file is larger than {MAX_ZONE_FILE} bytes", path)
        return ZoneResolver(data.decode("utf-8"), path)
    except OSError as error:
        raise ConfigurationError(f"the zone file cannot be read ({error.strerror})", path) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError("the zone file is not UTF-8 text", path, line) from None
