"""The evaluation of records by pyspf (RFC 7208 §4.6-§7), with DNS answers that are at hand.

pyspf asks for DNS answers while it runs and cannot be suspended. So it is run over the answers that are known; what it
misses is noted (`missing`), and it is run again when that has been fetched. Everything is kept in the object, nothing
in pyspf's module, so that any number of evaluations can be under way. Differs from pyspf where it differs from the RFC:
DNS trouble with `ptr` is no match (§5.5), addresses of a `mx` or `ptr` are asked for all at once, an explanation is
fetched only when it is needed, unknown modifiers may be repeated (§6), an include of the domain itself is an error only
when it is reached, known modifiers may be in capitals (§4.6.1), and a name that macros make too long is shortened until
it fits (§7.3).
"""

from __future__ import annotations

import copy
import ipaddress
import re
import warnings
from collections.abc import Sequence
from typing import Any, Final

from exim_dkim.envelope import ClientAddress
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.spf.record import MAX_NAMES, MAX_RECORD, MAX_TEXT, Select, ends_in_label, is_name, select_spf1, shortened
from exim_dkim.spf.verdict import SpfPolicy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an escape in a docstring of pyspf, which newer Pythons complain of
    import spf

_DEPENDENT: Final = "empty domain"  # what pyspf complains of when macros give nothing
_MODIFIERS: Final = re.compile(r"(?<![^ ])(?:redirect|exp)=", re.IGNORECASE)

_MATCHED: Final = {
    "pass": SpfReason.MATCHED_PASS,
    "fail": SpfReason.MATCHED_FAIL,
    "softfail": SpfReason.MATCHED_SOFTFAIL,
    "neutral": SpfReason.MATCHED_NEUTRAL,
}
_EXPLANATIONS = dict.fromkeys(spf.EXPLANATIONS, "")


class PermanentFault(spf.PermError):  # type: ignore[misc]
    """A permerror with its reason."""

    def __init__(self, reason: SpfReason, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class TemporaryFault(spf.TempError):  # type: ignore[misc]
    """A temperror with its reason."""

    def __init__(self, reason: SpfReason, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class _Missing(spf.TempError):  # type: ignore[misc]
    """An answer is not at hand."""

    def __init__(self) -> None:
        super().__init__("missing")


class Query(spf.query):  # type: ignore[misc]
    """One run over the answers of `known`. `missing` lists what has to be fetched before the outcome counts."""

    def __init__(
        self,
        client: ClientAddress,
        helo: str,
        address: tuple[str, str],
        known: dict[Question, Answer],
        policy: SpfPolicy,
        select: Select,
    ) -> None:
        super().__init__(i=str(client), s="@".join(address), h=helo, receiver=policy.receiver)
        self.l, self.o = address
        self.d = self.o
        self.exps, self.defexps = dict(_EXPLANATIONS), _EXPLANATIONS
        self.missing: list[Question] = []
        self.fault: PermanentFault | TemporaryFault | None = None
        self.nxdomain = False
        self._places: list[tuple[str, str]] = []
        self._known = known
        self._policy = policy
        self._select = select
        self._bits = client.max_prefixlen
        self._number = int(client)

    # --- DNS

    def _answer(self, name: str, record_type: RecordType) -> Answer | None:
        """The answer to a question; None for what is no name. Raises `_Missing`."""
        name = str(name).removesuffix(".").lower()
        if not is_name(name):
            return None
        question = Question(name, record_type)
        answer = self._known.get(question)
        if answer is None:
            self.missing.append(question)
            raise _Missing
        return answer

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> Sequence[bytes]:
        """The records; none when there is no such name or type. Raises what pyspf expects."""
        answer = self._answer(name, RecordType[qtype])
        if answer is None:
            return ()
        trouble = answer.trouble
        if trouble is Trouble.SERVFAIL or trouble is Trouble.TIMEOUT:
            detail = f"{answer.question.name} {qtype}"
            raise self._end(TemporaryFault(SpfReason[trouble.name], detail))
        if not answer.records and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > self._policy.max_void_lookups:
                limit = self._policy.max_void_lookups
                raise self._end(PermanentFault(SpfReason.TOO_MANY_VOID_LOOKUPS, f"more than {limit}"))
        return answer.records

    def dns_txt(self, domainname: str, rr: str = "TXT", ignore_void: bool = False) -> Sequence[bytes]:
        """The TXT records of a domain."""
        return self.dns(domainname, "TXT", ignore_void=ignore_void)

    def dns_a(self, domainname: str, A: str = "A") -> Sequence[bytes]:
        """The packed addresses of a domain."""
        return self.dns(domainname, A)

    def dns_mx(self, domainname: str) -> Sequence[bytes]:
        """The packed addresses of all MX hosts of a domain (RFC 7208 §5.4)."""
        records = self.dns(domainname, "MX")
        if len(records) > MAX_NAMES:
            raise self._end(PermanentFault(SpfReason.TOO_MANY_MX, f"{domainname} has {len(records)}"))
        names = [record.partition(b" ")[2].decode("ascii", "replace") for record in records]
        self._want(names)
        return [address for name in names if name for address in self.dns(name, self.A)]

    def validated_ptrs(self) -> list[str]:
        """The names of the client whose addresses lead back to it (RFC 7208 §5.5)."""
        try:
            records = self.dns_ptr(self.i)
        except TemporaryFault:
            self.fault = None
            return []
        names = [record.decode("ascii", "replace") for record in records[:MAX_NAMES]]
        self._want(names)
        return [name for name in names if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        try:
            return bool(self.cidrmatch(self.dns(name, self.A), self._bits))
        except TemporaryFault:
            self.fault = None
            return False

    def _want(self, names: Sequence[str]) -> None:
        """Note all addresses that are missing at once, since all will be asked for."""
        family = RecordType[self.A]
        for name in names:
            question = Question(name.removesuffix(".").lower(), family)
            if question not in self._known and is_name(question.name):
                self.missing.append(question)
        if self.missing:
            raise _Missing

    # --- Records

    def dns_spf(self, domain: str) -> str | None:
        """The record of a domain, with the version that pyspf wants to see; None when there is none."""
        if not is_name(domain.removesuffix(".")):
            return None
        records = self._select(self.dns(domain, "TXT"))
        if not records:
            self.nxdomain = self._known[Question(domain.lower(), RecordType.TXT)].trouble is Trouble.NXDOMAIN
            return None
        if len(records) > 1:
            raise self._end(PermanentFault(SpfReason.SEVERAL_RECORDS, domain))
        if len(records[0]) > MAX_RECORD:
            detail = f"{domain}: {len(records[0])} bytes; the limit is {MAX_RECORD}"
            raise self._end(PermanentFault(SpfReason.RECORD_TOO_LONG, detail))
        if not records[0].isascii():
            raise self._end(PermanentFault(SpfReason.NOT_ASCII, domain))
        return "v=spf1 " + _known_modifiers(records[0].decode("ascii"))

    def check_lookups(self) -> None:
        """One more term that asks DNS (RFC 7208 §4.6.4)."""
        self.lookups += 1
        if self.lookups > self._policy.max_lookups:
            limit = self._policy.max_lookups
            raise self._end(PermanentFault(SpfReason.TOO_MANY_LOOKUPS, f"more than {limit}"))

    def validate_mechanism(self, mech: str) -> Any:
        """A mechanism in its parts. One that includes the domain it stands at is an error when it is reached."""
        try:
            return super().validate_mechanism(mech)
        except spf.PermError as error:
            if not str(error.msg).startswith("include has trivial recursion"):
                raise
            return mech, "include", self.d, self.cidrmax, spf.RESULTS.get(mech[0], "pass")

    def note_error(self, *message: str) -> None:
        """Whatever pyspf complains of is an error, but for modifiers that are not known (RFC 7208 §6)."""
        if message[0].endswith(" MUST appear at most once") and not message[0].startswith("exp="):
            return
        if message[0].startswith("No valid SPF record"):
            raise self._end(PermanentFault(SpfReason.INCLUDE_WITHOUT_RECORD, message[-1]))
        raise self._end(PermanentFault(SpfReason.BAD_SYNTAX, ": ".join(message)))

    def _end(self, fault: PermanentFault | TemporaryFault) -> PermanentFault | TemporaryFault:
        self.fault = fault
        return fault

    # --- Matching and macros

    def cidrmatch(self, addresses: Sequence[str | bytes], length: int) -> bool:
        """Whether the client is in a network: of a packed address from DNS, or an address in a term."""
        shift = self._bits - length
        wanted = self._number >> shift
        for address in addresses:
            if isinstance(address, str):
                try:
                    number = int(ipaddress.ip_address(address))
                except ValueError as error:
                    raise self._end(PermanentFault(SpfReason.BAD_SYNTAX, str(error))) from None
            else:
                number = int.from_bytes(address, "big")
            if number >> shift == wanted:
                return True
        return False

    def expand(self, s: str, stripdot: bool = True) -> str:
        """The text with its macros expanded."""
        result = str(super().expand(s, stripdot))
        return shortened(result) if stripdot else result

    def expand_domain(self, arg: str) -> str:
        """A domain-spec with its macros expanded; pyspf's own test of how it ends takes quadratic time."""
        end = max([found.end() for found in spf.RE_CHAR.finditer(arg)], default=0)
        if end < len(arg) and not ends_in_label(arg[end:]):
            raise spf.PermError("Invalid domain found (use FQDN)", arg)
        return self.expand(arg)

    def get_explanation(self, spec: str) -> str:
        """Only where it is, as a number; `explain` fetches it."""
        self._places.append((spec, self.d))
        return str(len(self._places) - 1)

    def explain(self, pending: str) -> str:
        """The explanation that `check` has found the place of; empty when there is none. See `missing`."""
        spec, self.d = self._places[int(pending)]
        try:
            records = self.dns(spec, "TXT", ignore_void=True)
            if len(records) == 1 and len(records[0]) <= MAX_TEXT:
                return self.expand(records[0].decode("ascii"), stripdot=False)
        except (spf.PermError, spf.TempError, ValueError, IndexError):
            pass  # RFC 7208 §6.2: as if there was no exp=
        return ""

    def run(self, record: str | None = None) -> SpfReason:
        """Why the evaluation ends; it counts when nothing is missing. `mechanism`, `text` and `detail` say more.

        `record` is taken for that of the domain, which is otherwise looked for among the answers.
        """
        self.text = self.detail = ""
        try:
            result, _, pending = self.check(record)
        except Exception as crash:  # noqa: BLE001 - a record has found a hole in pyspf
            self.mechanism, self.detail = "", f"pyspf: {type(crash).__name__}"
            return SpfReason.BAD_SYNTAX
        matched: Any = self.mechanism
        self.mechanism = matched or ""
        if result in ("permerror", "temperror"):
            self.mechanism, self.detail = "", str(self.perm_error or self.prob)
            return self._reason()
        if result == "none":
            return SpfReason.NXDOMAIN if self.nxdomain else SpfReason.NO_RECORD
        if matched is None:
            return SpfReason.NO_MATCH
        if result == "fail" and pending:
            self.text = self.explain(pending)
        return _MATCHED[result]

    def _reason(self) -> SpfReason:
        """Why it is an error."""
        if self.fault is not None:
            return self.fault.reason
        if str(self.prob).startswith("redirect domain has no SPF record"):
            return SpfReason.REDIRECT_WITHOUT_RECORD
        return SpfReason.BAD_SYNTAX


def _known_modifiers(terms: str) -> str:
    """The terms, with the modifiers in lower case, in which alone pyspf knows them (RFC 7208 §4.6.1: in any)."""
    return _MODIFIERS.sub(lambda found: found[0].lower(), terms)


_SAMPLE = Query(
    ipaddress.IPv4Address("192.0.2.1"), "helo.example", ("local", "domain.example"), {}, SpfPolicy(), select_spf1
)
_SAMPLE.p = "unknown"


def syntax_fault(terms: str) -> str | None:
    """What is wrong with these terms whoever is evaluated by them; None when that depends, or nothing is."""
    query = copy.copy(_SAMPLE)
    query.exps, query.missing = dict(_EXPLANATIONS), []
    reason = query.run(f"v=spf1 {_known_modifiers(terms)}")
    if reason is not SpfReason.BAD_SYNTAX or query.missing:
        return None
    if "%" in terms and query.detail.startswith(_DEPENDENT):
        return None
    return query.detail
