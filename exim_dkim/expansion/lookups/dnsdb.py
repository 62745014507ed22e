"""Look-up in the DNS (Exim specification §9.10, dnsdb).

    query    = [ ">" separator [ "," inner / ";" ] ] *( modifier "," ) [ type "=" ] list of names
    modifier = ( "defer_" / "dnssec_" ) ( "strict" / "lax" / "never" ) / "retrans_" time / "retry_" number

Types: a, aaaa, a+ (both), cname, mx, mxh (hosts only), ns, ptr, soa, spf, srv, tlsa, zns (the name servers of the zone
that a name is in) and, without one, txt. The environment asks; time-outs are its own. What comes from the DNS is
tainted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.expansion.intervals import parse_interval
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.value import Value
from exim_dkim.resolver import Answer, Question, RecordType

MAX_NAMES: Final = 50  # of one query
MAX_QUESTIONS: Final = 100  # of one query: all are asked at once

_TYPES: Final = {
    b"a": (RecordType.A,),
    b"aaaa": (RecordType.AAAA,),
    b"a+": (RecordType.AAAA, RecordType.A),
    b"cname": (RecordType.CNAME,),
    b"mx": (RecordType.MX,),
    b"mxh": (RecordType.MX,),
    b"ns": (RecordType.NS,),
    b"ptr": (RecordType.PTR,),
    b"soa": (RecordType.SOA,),
    b"spf": (RecordType.SPF,),
    b"srv": (RecordType.SRV,),
    b"tlsa": (RecordType.TLSA,),
    b"txt": (RecordType.TXT,),
    b"zns": (RecordType.NS,),
}
_ELSEWHERE: Final = frozenset((b"csa",))  # types of Exim that we do not ask for: a draft that came to nothing
_OF_FIELDS: Final = frozenset((RecordType.MX, RecordType.SRV, RecordType.SOA, RecordType.TLSA))
_BEHAVIOURS: Final = (b"strict", b"lax", b"never")


class Query(NamedTuple):
    """A parsed query. `inner` is put between the fields of a record; None: a blank, and of SOA only the first."""

    separator: bytes = b"\n"
    inner: bytes | None = None
    defer: bytes = b"lax"
    type: bytes = b"txt"
    names: tuple[bytes, ...] = ()


def find(request: Request) -> Value | None:
    """The data of all records, in the order of the names."""
    query = parse_query(request.key, request.tainted)
    assert request.state is not None
    groups = [_questions(query.type, name) for name in query.names]
    questions = [question for group in groups for question in group]
    if len(questions) > MAX_QUESTIONS:
        raise LookupDeferred(f"more than {MAX_QUESTIONS} questions in a dnsdb query")
    try:
        answers = request.state.environment.services.resolve(*questions) if questions else ()
    except ServiceTrouble as error:
        raise LookupDeferred(str(error)) from None
    if query.type == b"zns":
        answers = _nearest(groups, answers)
    texts: list[bytes] = []
    failure = ""
    for answer in answers:
        texts.extend(_text(query, answer.question.type, record) for record in answer.records)
        if answer.trouble is not None and answer.trouble.temporary and query.defer != b"never":
            failure = failure or _explained(answer)
    if failure and (not texts or query.defer == b"strict"):
        raise LookupDeferred(failure)
    return Value(query.separator.join(texts), True) if texts else None


def _questions(kind: bytes, name: bytes) -> list[Question]:
    """What is asked about one name: for zns also about all above it but the root."""
    if kind == b"zns":
        labels = _name(kind, name).split(".")
        return [Question(".".join(labels[cut:]), RecordType.NS) for cut in range(len(labels))]
    return [Question(_name(kind, name), record_type) for record_type in _TYPES[kind]]


def _nearest(groups: Sequence[Sequence[Question]], answers: Sequence[Answer]) -> list[Answer]:
    """Of each group the first answer that says something, or that may have."""
    rest = iter(answers)
    found = []
    for group in groups:
        mine = list(islice(rest, len(group)))
        found.append(next((one for one in mine if one.trouble is None or one.trouble.temporary), mine[-1]))
    return found


def parse_query(text: bytes, tainted: bool = False) -> Query:
    """The query in its parts. Raises LookupDeferred with Exim's words."""
    separator, inner = b"\n", None
    rest = text.lstrip()
    if rest.startswith(b">"):
        separator, rest = rest[1:2], rest[2:]
        if rest.startswith(b","):
            inner, rest = rest[1:2], rest[2:]
        rest = rest.removeprefix(b";").lstrip()
    defer = b"lax"
    while rest.startswith((b"defer_", b"dnssec_", b"retrans_", b"retry_")):
        modifier, comma, rest = rest.partition(b",")
        kind, _, value = modifier.strip().partition(b"_")
        _check_modifier(kind, value)
        if not comma:
            raise LookupDeferred("dnsdb modifier syntax error")
        defer = value if kind == b"defer" else defer
        rest = rest.lstrip()
    kind = b"txt"
    if b"=" in rest:
        kind, _, rest = rest.partition(b"=")
        kind = kind.strip().lower()
    if kind in _ELSEWHERE:
        raise LookupDeferred(f"dnsdb cannot ask for {kind.decode()} records here")
    if kind not in _TYPES:
        raise LookupDeferred("unsupported DNS record type")
    names = tuple(filter(None, split_list(rest, tainted=tainted)))
    if len(names) > MAX_NAMES:
        raise LookupDeferred(f"more than {MAX_NAMES} names in a dnsdb query")
    return Query(separator, inner, defer, kind, names)


def _check_modifier(kind: bytes, value: bytes) -> None:
    if kind in (b"defer", b"dnssec"):
        if not value.startswith(_BEHAVIOURS):
            raise LookupDeferred(f"unsupported dnsdb {kind.decode()} behaviour")
        wrong = value not in _BEHAVIOURS
    elif kind == b"retrans":
        if parse_interval(value) is None:
            raise LookupDeferred("unsupported dnsdb timeout value")
        wrong = False
    else:
        wrong = not value.isdigit()
    if wrong:
        raise LookupDeferred("dnsdb modifier syntax error")


def _name(kind: bytes, name: bytes) -> str:
    """A name as the resolver wants it; for PTR that of an address."""
    text = name.decode("ascii", "backslashreplace").lower()
    if kind == b"ptr":
        from ipaddress import ip_address

        try:
            return ip_address(text).reverse_pointer
        except ValueError:
            pass
    return text.removesuffix(".")


def _text(query: Query, kind: RecordType, record: bytes) -> bytes:
    if kind in (RecordType.A, RecordType.AAAA):
        from ipaddress import ip_address

        return str(ip_address(record)).encode()
    if kind not in _OF_FIELDS:
        return record
    fields = record.split(b" ")
    if kind is RecordType.SOA and query.inner is None:
        return fields[0]
    return fields[1] if query.type == b"mxh" else (query.inner or b" ").join(fields)


def _explained(answer: Answer) -> str:
    assert answer.trouble is not None
    detail = f" ({answer.detail})" if answer.detail else ""
    return f"{answer.question.name}: {answer.trouble.value}{detail}"


LOOKUP: Final = Lookup(find, "query", proves_key=False)
