"""What DNS says about a private key: is its public half published, and can mail be signed with it (RFC 6376 §3.6)?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from exim_dkim.commands.dns_text import record_name, zone_text
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.crypto import PrivateKey, load_public_key
from exim_dkim.errors import KeyFormatError, ParseError
from exim_dkim.keyrecord import KeyRecord, format_key_record, parse_key_record
from exim_dkim.resolver import Answer, Question, RecordType, Resolver, Trouble

ADVISED_BITS = 2048
_PROBE = b"exim-dkim testkey"


class NamedKey(NamedTuple):
    """A private key and the names it signs with."""

    domain: str
    selector: str
    key: PrivateKey
    hash_name: str = "sha256"

    @property
    def record_name(self) -> str:
        """Where the public key must be."""
        return record_name(self.domain, self.selector)

    @property
    def record_text(self) -> str:
        """What must be there."""
        return format_key_record(self.key.type, self.key.public_der())


async def examine(named: NamedKey, resolver: Resolver) -> list[Finding]:
    """Ask DNS for the key record and compare; findings, the answer to the main question first."""
    (answer,) = await resolver.resolve(Question(named.record_name, RecordType.TXT))
    return [*compare(named, answer), *_own_faults(named)]


def compare(named: NamedKey, answer: Answer) -> list[Finding]:
    """Findings from one DNS answer."""
    if answer.trouble is not None or not answer.records:
        return [_not_there(named, answer)]
    verdicts = [_judge_record(named, record) for record in answer.records]
    good = [findings for findings in verdicts if all(f.level is not Level.FAIL for f in findings)]
    found = good[0] if good else verdicts[0]
    if len(answer.records) > 1:
        several = f"{named.record_name}: there are {len(answer.records)} TXT records; verifiers may take any of them"
        found.append(Finding(Level.WARN, several, "Leave one."))
    return found


def _not_there(named: NamedKey, answer: Answer) -> Finding:
    name, detail = named.record_name, f" ({answer.detail})" if answer.detail else ""
    publish = "Publish this record:\n" + zone_text(name, named.record_text)
    match answer.trouble:
        case Trouble.SERVFAIL | Trouble.TIMEOUT:
            return Finding(Level.DEFER, f"{name}: {answer.trouble.value}{detail}", "Try again later.")
        case Trouble.NXDOMAIN:
            return Finding(Level.FAIL, f"{name}: not published: the name does not exist in DNS{detail}", publish)
    return Finding(Level.FAIL, f"{name}: not published: the name has no TXT record{detail}", publish)


def _judge_record(named: NamedKey, text: bytes) -> list[Finding]:
    name = named.record_name
    publish = "Publish this record:\n" + zone_text(name, named.record_text)
    try:
        record = parse_key_record(text)
    except ParseError as error:
        return [Finding(Level.FAIL, f"{name}: not a key record: {error.message}", publish)]
    if record.revoked:
        remedy = f"A revoked key must not come back; make another: exim-dkim genkey {named.domain} NEW-SELECTOR"
        return [Finding(Level.FAIL, f"{name}: the published key is revoked (p= is empty)", remedy)]
    fault = _record_fault(named, record)
    if fault:
        return [Finding(Level.FAIL, f"{name}: {fault}", publish)]
    size = f"{named.key.type}, {named.key.bits} bits"
    return [Finding(Level.OK, f"{name}: the published key matches the private key ({size})"), *_hints(name, record)]


def _record_fault(named: NamedKey, record: KeyRecord) -> str:
    """What keeps the record from fitting the key; empty when it fits."""
    if not record.version_known:
        return "the record has an unknown version; it must begin with v=DKIM1"
    if record.type != named.key.type:
        return f"the published key is of type {record.type[:40]}, the private key of type {named.key.type}"
    try:
        public = load_public_key(record.type, record.data)
    except KeyFormatError as error:
        return f"the published key is damaged: {error}"
    # What counts is that signatures verify: the same key can be written in several ways.
    if not public.verify(named.key.sign(_PROBE, named.hash_name), _PROBE, named.hash_name):
        return "mismatch: another key is published than the private key here"
    if record.hashes is not None and named.hash_name not in record.hashes:
        return f"the record permits other hashes only (h={':'.join(record.hashes)[:60]}), not {named.hash_name}"
    if not record.for_mail:
        return f"the record is not for mail (s={':'.join(record.services)[:60]})"
    return ""


def _hints(name: str, record: KeyRecord) -> Iterator[Finding]:
    if record.testing:
        yield Finding(
            Level.WARN,
            f"{name}: the record says t=y (testing): receivers treat bad signatures as none",
            "Take t=y away when the tests are done.",
        )
    if record.strict_identity:
        yield Finding(Level.OK, f"{name}: t=s: dkim_identity, if set, must be at exactly this domain")


def _own_faults(named: NamedKey) -> Iterator[Finding]:
    if named.key.type == "rsa" and named.key.bits < ADVISED_BITS:
        yield Finding(
            Level.WARN,
            f"{named.record_name}: the key has only {named.key.bits} bits; RFC 8301 wants {ADVISED_BITS}",
            f"exim-dkim genkey {named.domain} NEW-SELECTOR",
        )
