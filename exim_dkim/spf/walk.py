"""The evaluation of plain records (RFC 7208 §4.6-§6), term by term.

`Walk.run` returns the reason that it comes to, or None when it meets something that pyspf has to judge; the answers
that were fetched are then in `known`. Results are those of pyspf, with which the tests compare them, but for this: a
macro is expanded when its term is reached, and not before.

DNS: the questions of a record's terms are asked together when the first of them is reached, so that time does not grow
with their number; so are the addresses of all MX hosts, and of all names of the client. At most `max_lookups` answers
are fetched that nothing comes to need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from exim_dkim.envelope import ClientAddress
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import Answer, Question, RecordType, Resolver, Trouble
from exim_dkim.spf.compiled import RecordCache
from exim_dkim.spf.kept import Round
from exim_dkim.spf.macros import TEXT_LETTERS, MacroString, expand_macros, parse_macros, uses_client_name
from exim_dkim.spf.questions import question_of, reverse_question
from exim_dkim.spf.record import (
    MAX_NAMES,
    MAX_TEXT,
    Fault,
    Kind,
    Networks,
    Record,
    Select,
    Target,
    Term,
    shortened,
)
from exim_dkim.spf.verdict import SpfPolicy

Clock = Callable[[], float]

CACHE = RecordCache()
_ALL, _A, _MX, _PTR = Kind.ALL, Kind.A, Kind.MX, Kind.PTR
_EXISTS, _INCLUDE = Kind.EXISTS, Kind.INCLUDE
_TXT = RecordType.TXT
_ASKED4 = {_A: RecordType.A, _MX: RecordType.MX, _EXISTS: RecordType.A, _INCLUDE: RecordType.TXT}
_ASKED6 = {**_ASKED4, _A: RecordType.AAAA}
_NONE = (SpfReason.NO_RECORD, SpfReason.NXDOMAIN)


class Stop(Exception):
    """Evaluation ends here, with an error."""

    def __init__(self, reason: SpfReason, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NotPlain(Exception):
    """Something that pyspf has to judge."""


class Walk:
    """One evaluation. When `run` has ended, the other attributes say how.

    `rounds`: what was asked, and answered, in this order. `by_local`, `by_helo`, `by_time`: whether the outcome depends
    on the local part, the HELO name, the time.
    """

    lookups = 0
    void_lookups = 0
    mechanism = ""
    text = ""
    detail = ""
    by_local = False
    by_helo = False
    by_time = False
    _explanation: Target | None = None
    _inner = ""  # what matched in an included record
    _explained = ""  # the domain whose record has it
    _client_name: str | None = None

    def __init__(
        self,
        client: ClientAddress,
        helo: str,
        address: tuple[str, str],
        resolver: Resolver,
        policy: SpfPolicy,
        select: Select,
        clock: Clock | None,
        end: float,
    ) -> None:
        """`end`: when the time is over, by this clock."""
        self.known: dict[Question, Answer] = {}
        self.rounds: list[Round] = []
        self.client = client
        self.helo = helo
        self.local, self.domain = address
        self.policy = policy
        self.select = select
        self._resolver = resolver
        self._clock = clock
        self._end = end
        self._number = int(client)
        self._is4 = client.version == 4
        self._asked = _ASKED4 if self._is4 else _ASKED6
        self._spare = policy.max_lookups  # how many answers may still be fetched in advance

    async def run(self) -> SpfReason | None:
        """Why it ended; None when pyspf has to judge."""
        try:
            reason = await self._check(self.domain, True)
            if reason is SpfReason.MATCHED_FAIL and self._explanation is not None:
                await self._explain(self._explanation)
        except Stop as stop:
            self.detail = stop.detail
            return stop.reason
        except NotPlain:
            return None
        return reason

    # --- DNS

    async def fetch(self, questions: tuple[Question, ...]) -> Sequence[Answer]:
        """Ask, and keep the answers."""
        if self._clock is not None and self._clock() > self._end:
            self.by_time = True
            raise Stop(SpfReason.TIME_LIMIT, f"{self.policy.timeout:g}s")
        answers = await self._resolver.resolve(*questions)
        self.rounds.append((questions, answers))
        if len(answers) == 1:
            self.known[questions[0]] = answers[0]
        else:
            self.known.update(zip(questions, answers, strict=True))
        return answers

    def _nothing(self, answer: Answer) -> tuple[bytes, ...]:
        """For an answer without records: that, or an end by DNS trouble or too many such answers."""
        trouble = answer.trouble
        if trouble is Trouble.SERVFAIL or trouble is Trouble.TIMEOUT:
            raise Stop(SpfReason[trouble.name], f"{answer.question.name} {answer.question.type.name}")
        self.void_lookups += 1
        if self.void_lookups > self.policy.max_void_lookups:
            raise Stop(SpfReason.TOO_MANY_VOID_LOOKUPS, f"more than {self.policy.max_void_lookups}")
        return ()

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > self.policy.max_lookups:
            raise Stop(SpfReason.TOO_MANY_LOOKUPS, f"more than {self.policy.max_lookups}")

    # --- Records

    async def _check(self, domain: str, top: bool) -> SpfReason:
        """What the record of a domain says of the client (RFC 7208 §4.3-§4.7)."""
        question = question_of(domain, _TXT)
        if question is None:
            return SpfReason.NO_RECORD
        answer = self.known.get(question) or (await self.fetch((question,)))[0]
        if not answer.records:
            self._nothing(answer)
            return SpfReason.NXDOMAIN if answer.trouble is Trouble.NXDOMAIN else SpfReason.NO_RECORD
        record = CACHE.get(answer.records, self.select)
        if not isinstance(record, Record):
            return self._unusable(record, domain, top)
        if top:
            self._explanation, self._explained = record.exp, domain
        if record.redirect is not None:
            self._count()
        for step in record.steps:
            if isinstance(step, Networks):
                term = step.find(self._number, self._is4)
            else:
                term = step if step.kind is _ALL or await self._ask(step, record, domain) else None
            if term is not None:
                if top:
                    self.mechanism = term.text
                    self.detail = self._inner if term.kind is _INCLUDE else ""
                elif term.kind is not _INCLUDE:
                    self._inner = f"{term.text} of {domain}"
                return term.reason
        if record.redirect is not None:
            return await self._redirect(record.redirect, domain, top)
        return SpfReason.NO_MATCH

    def _unusable(self, found: Fault | None, domain: str, top: bool) -> SpfReason:
        """What there is to say when there is no record that can be walked."""
        if found is None:
            raise NotPlain
        if found.reason is not SpfReason.NO_RECORD:
            detail = f"{domain}: {found.detail}" if found.detail else domain
            if not top:
                raise Stop(found.reason, detail)
            self.detail = detail
        return found.reason

    async def _redirect(self, target: Target, domain: str, top: bool) -> SpfReason:
        """RFC 7208 §6.1."""
        name = target.name or await self._expand(target, domain)
        reason = await self._check(name, top)
        if reason in _NONE:
            raise Stop(SpfReason.REDIRECT_WITHOUT_RECORD, name)
        return reason

    # --- Terms that ask DNS (RFC 7208 §5)

    async def _ask(self, term: Term, record: Record, domain: str) -> bool:
        """Whether the term matches."""
        self._count()
        kind, target = term.kind, term.target
        name = domain if target is None else target.name or await self._expand(target, domain)
        if kind is _PTR:
            return _is_under(await self._client_names(), name.lower())
        question = question_of(name, self._asked[kind])
        if question is not None and question not in self.known:
            if len(record.asking) > 1:
                await self._fetch_ahead(question, record, domain)
            else:
                await self.fetch((question,))
        if kind is _INCLUDE:
            reason = await self._check(name, False)
            if reason in _NONE:
                raise Stop(SpfReason.INCLUDE_WITHOUT_RECORD, term.text)
            return reason is SpfReason.MATCHED_PASS
        if question is None:
            return False
        answer = self.known[question]
        records = answer.records or self._nothing(answer)
        if kind is _EXISTS:
            return bool(records)
        if kind is _MX:
            records = await self._mx_addresses(records, name)
        return self._is_among(records, term.shift if self._is4 else term.shift6)

    async def _fetch_ahead(self, question: Question, record: Record, domain: str) -> None:
        """Fetch the answer, and with it those that the terms behind it will ask for."""
        questions = {question: None}
        for term in record.asking:
            if len(questions) > self._spare:
                break
            other = question_of(domain if term.target is None else term.target.name, self._asked[term.kind])
            if other is not None and other not in self.known:
                questions[other] = None
        self._spare -= len(questions) - 1
        await self.fetch(tuple(questions))

    def _is_among(self, addresses: Iterable[bytes], shift: int) -> bool:
        wanted = self._number >> shift
        return wanted in [int.from_bytes(address, "big") >> shift for address in addresses]

    async def _mx_addresses(self, records: Sequence[bytes], name: str) -> tuple[bytes, ...]:
        """The addresses of all hosts (RFC 7208 §5.4)."""
        if len(records) > MAX_NAMES:
            raise Stop(SpfReason.TOO_MANY_MX, f"{name} has {len(records)}")
        answers = await self._addresses([record.partition(b" ")[2] for record in records])
        return tuple([address for answer in answers for address in answer.records or self._nothing(answer)])

    async def _addresses(self, hosts: Iterable[bytes]) -> list[Answer]:
        """The answers for all names that are names, in order."""
        asked = [question_of(host.decode("ascii", "replace"), self._asked[_A]) for host in hosts]
        questions = [question for question in asked if question is not None]
        missing = [question for question in dict.fromkeys(questions) if question not in self.known]
        if missing:
            await self.fetch(tuple(missing))
        return [self.known[question] for question in questions]

    async def _client_names(self) -> list[str]:
        """The names of the client whose addresses lead back to it (RFC 7208 §5.5); DNS trouble is as no answer."""
        question = reverse_question(self.client)
        answer = self.known.get(question) or (await self.fetch((question,)))[0]
        if answer.trouble is not None and answer.trouble.temporary:
            return []
        names = []
        for found in await self._addresses((answer.records or self._nothing(answer))[:MAX_NAMES]):
            if found.trouble is not None and found.trouble.temporary:
                continue
            if self._is_among(found.records or self._nothing(found), 0):
                names.append(found.question.name)
        return names

    # --- Macros

    def _value(self, letter: str) -> str:
        """What a macro stands for, but for `d`; of `p` what was found before (RFC 7208 §7.2)."""
        match letter:
            case "l":
                self.by_local = True
                return self.local
            case "o":
                return self.domain
            case "s":
                self.by_local = True
                return f"{self.local}@{self.domain}"
            case "i":
                return str(self.client) if self._is4 else ".".join(f"{self._number:032X}")
            case "v":
                return "in-addr" if self._is4 else "ip6"
            case "h":
                self.by_helo = True
                return self.helo
            case "p":
                return self._client_name or "unknown"
            case "c":
                return str(self.client)
            case "r":
                return self.policy.receiver
            case _:
                self.by_time = True
                return str(int(self._clock())) if self._clock is not None else "0"

    async def _fill_in(self, string: MacroString, domain: str) -> str:
        """The text that a macro string gives."""
        if self._client_name is None and uses_client_name(string):
            names, wanted = await self._client_names(), domain.lower()
            below = [name for name in names if name.endswith("." + wanted)]
            self._client_name = domain if wanted in names else [*below, *names, ""][0]
        return expand_macros(string, lambda letter: domain if letter == "d" else self._value(letter))

    async def _expand(self, target: Target, domain: str) -> str:
        """The domain that a template gives."""
        assert target.template is not None
        name = shortened((await self._fill_in(target.template, domain)).removesuffix("."))
        if not name:
            raise Stop(SpfReason.BAD_SYNTAX, "macros give an empty domain")
        return name

    async def _explain(self, target: Target) -> None:
        """Set `text` to what the domain says about a fail (RFC 7208 §6.2); errors leave it empty."""
        domain = self._explained
        try:
            question = question_of(target.name or await self._expand(target, domain), _TXT)
            if question is None:
                return
            records = (self.known.get(question) or (await self.fetch((question,)))[0]).records
            if len(records) != 1 or len(records[0]) > MAX_TEXT or not records[0].isascii():
                return
            template = parse_macros(records[0].decode("ascii"), TEXT_LETTERS)
            if template is None:
                raise NotPlain
            self.text = await self._fill_in(template, domain)
        except Stop:
            return  # the result stands, whatever happens to its explanation


def _is_under(names: Iterable[str], domain: str) -> bool:
    return any(name == domain or name.endswith("." + domain) for name in names)
