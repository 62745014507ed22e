"""What was done to a message after it was signed: changes that relays and lists make are undone, one at a time, until
the signature fits.

Nothing here is a verdict. A message whose signature fits after a change is undone stays as bad as it is; one only knows
whom to ask.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exim_dkim.dkim.signature import FIELD_NAME, Signature
from exim_dkim.dkim.verify import Verdict, verify_header
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import HeaderField, parse_field
from exim_dkim.outcome import DkimReason
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Resolver

MAX_LINES = 60
"""Lines at the end or the beginning that are tried without."""

MAX_FIELDS = 60
"""Fields that are tried without, or in another form."""

UNEXPLAINED = "no usual change explains it"

_ADDED_TO_SUBJECT = re.compile(
    rb"((?:re|aw|fwd?):[ \t]*)?(\[[^\]\r\n]{1,60}\]|\*{2,}[^*\r\n]{1,40}\*{2,})[ \t]*", re.IGNORECASE
)
_FOLDING = re.compile(rb"\r\n[ \t]+")
_LONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Circumstances(NamedTuple):
    """What a header needs to be verified again."""

    resolver: Resolver
    policy: VerificationPolicy
    now: float


async def explain(fields: Sequence[HeaderField], body: bytes, verdict: Verdict, again: Circumstances) -> str:
    """What would make the signature fit, as the end of a sentence that begins with "it fits".

    Empty when there is nothing to explain, `UNEXPLAINED` when nothing helps.
    """
    signature = verdict.signature
    if verdict.reason is DkimReason.BODY_HASH_MISMATCH:
        return _explain_body(signature, fields, body) or UNEXPLAINED
    if verdict.reason is not DkimReason.SIGNATURE_MISMATCH:
        return ""
    others = [field for field in fields if field.name != FIELD_NAME]
    for text, variant in header_variants(signature, others):
        # With a single signature in the header, the body is wanted only if that one fits.
        verification = await verify_header([signature.field, *variant], *again)
        if verification.wants_body:
            if _body_fits(signature, body):
                return text
            also = _explain_body(signature, fields, body)
            return f"{text}, and {also}" if also else f"{text}, but the body was changed, too"
    return UNEXPLAINED


def _body_fits(signature: Signature, body: bytes) -> bool:
    hasher = BodyHasher()
    wanted = hasher.want(signature.hash_name, signature.body_canonicalization, signature.body_length)
    hasher.update(body)
    hasher.finish()
    return wanted.digest() == signature.body_hash


def _explain_body(signature: Signature, fields: Sequence[HeaderField], body: bytes) -> str:
    for text, variant in body_variants(fields, body):
        if variant != body and _body_fits(signature, variant):
            return text
    return ""


def body_variants(fields: Sequence[HeaderField], body: bytes) -> Iterator[tuple[str, bytes]]:
    """Bodies in wire form as they may have been before a usual change, each with the words for it."""
    lines = b"\r\n" + body
    yield "with >From as From: it went through an mbox", re.sub(rb"\r\n>(>*From )", rb"\r\n\1", lines)[2:]
    yield "with From as >From: a mark was taken away", re.sub(rb"\r\n(>*From )", rb"\r\n>\1", lines)[2:]
    yield "with .. as . at line starts: the dots of SMTP were left in", lines.replace(b"\r\n..", b"\r\n.")[2:]
    yield "with lone CR and LF as line ends", _LONE.sub(b"\r\n", body)
    yield "with doubled line ends made single", body.replace(b"\r\r\n", b"\r\n")
    yield "without blanks at line ends", b"\r\n".join(line.rstrip(b" \t") for line in body.split(b"\r\n"))
    yield from _decoded(fields, body)
    yield from _shortened(body)


def _shortened(body: bytes) -> Iterator[tuple[str, bytes]]:
    end = len(body)
    for count in range(1, MAX_LINES + 1):
        if not end:
            break
        # After the first round, `end` is behind a line end, which must not be found again.
        before = body.rfind(b"\r\n", 0, end - 2 if body.endswith(b"\r\n", 0, end) else end)
        end = before + 2 if before >= 0 else 0
        yield f"without the last {_lines(count)}: a footer was added?", body[:end]
    start = 0
    for count in range(1, MAX_LINES + 1):
        start = body.find(b"\r\n", start) + 2
        if start < 2:
            break
        yield f"without the first {_lines(count)}: a banner was added?", body[start:]


def _lines(count: int) -> str:
    return "line" if count == 1 else f"{count} lines"


def _decoded(fields: Sequence[HeaderField], body: bytes) -> Iterator[tuple[str, bytes]]:
    encoding = next(
        (field.value.strip().lower() for field in fields if field.name == b"content-transfer-encoding"), b""
    )
    if encoding == b"quoted-printable":
        decoded = quopri.decodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        yield "decoded from quoted-printable: a relay encoded it", decoded
    elif encoding == b"base64":
        try:
            decoded = base64.b64decode(body)
        except (binascii.Error, ValueError):
            return
        yield "decoded from base64: a relay encoded it", decoded
        yield "decoded from base64: a relay encoded it", _LONE.sub(b"\r\n", decoded)


def header_variants(signature: Signature, fields: Sequence[HeaderField]) -> Iterator[tuple[str, Sequence[HeaderField]]]:
    """Headers as they may have been before a usual change, each with the words for it."""
    signed = [i for i, field in enumerate(fields) if field.name in signature.names][:MAX_FIELDS]
    for i in signed:
        if fields[i].name == b"subject":
            yield from _without_additions(fields, i)
    unfolded = [parse_field(_FOLDING.sub(b" ", field.raw)) for field in fields]
    yield "with its fields unfolded: a relay folded them", unfolded
    for i in signed:
        name = _shown(fields[i])
        yield f"with {name} unfolded: a relay folded it", [*fields[:i], unfolded[i], *fields[i + 1 :]]
        yield f"without a {name} field: it was added?", [*fields[:i], *fields[i + 1 :]]
        if fields[i].name == b"content-transfer-encoding":
            for encoding in (b"8bit", b"7bit"):
                other = parse_field(b"Content-Transfer-Encoding: " + encoding)
                yield f"with {encoding.decode()} in {name}", [*fields[:i], other, *fields[i + 1 :]]


def _without_additions(fields: Sequence[HeaderField], i: int) -> Iterator[tuple[str, Sequence[HeaderField]]]:
    name, _, value = fields[i].raw.partition(b":")
    stripped = value.lstrip(b" \t")
    blanks = value[: len(value) - len(stripped)]
    match = _ADDED_TO_SUBJECT.match(stripped)
    if match:
        rest = parse_field(name + b":" + blanks + (match[1] or b"") + stripped[match.end() :])
        added = match[2].decode("utf-8", "backslashreplace")
        yield f"without {added} in Subject: a list or filter added it?", [*fields[:i], rest, *fields[i + 1 :]]


def _shown(field: HeaderField) -> str:
    return field.raw.partition(b":")[0].strip().decode("ascii", "replace")
