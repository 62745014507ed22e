"""A resolver over dnspython's messages and asynchronous queries (RFC 1035, 2308, 6891, 7766).

Contract: `resolve` never raises for what DNS did, and every question is answered within the time-out, all tries
together. Each try goes out from a fresh socket (so from a random port) with a random id; an answer with another id,
question or source, and bytes that are no DNS message, are ignored while the wait goes on. A lost packet is sent
again, to the next server, while earlier tries may still be answered. REFUSED and the like are SERVFAIL, never NXDOMAIN.
dnspython's own cache is not used: it neither merges questions in flight nor bounds negative answers as we want.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from dns.message import QueryMessage, make_query

from exim_dkim.errors import ConfigurationError
from exim_dkim.memory import fold_name
from exim_dkim.resolver import Answer, Question, RecordType, Resolver, Trouble
from exim_dkim.system.answercache import AnswerCache
from exim_dkim.system.nameservers import NameServer, parse_nameservers, system_nameservers
from exim_dkim.system.rdata import pack_records, text_of_name
from exim_dkim.system.slots import Asker, Slots, Turn

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

MIN_TRIES = 3
"""How often a question is sent at least when no answer comes: one lost packet must not cost a verdict."""

MAX_IN_FLIGHT = 512
"""Questions on their way at once. The others wait, within their time-out, and those go first whose task has asked least
(`slots`): mail whose records spread into many questions for silent name servers must not keep all others from being
looked up. A task is one evaluation of one message."""

MAX_SOCKETS = 3 * MAX_IN_FLIGHT
"""Sockets that they need at most, in all likelihood: one for each try."""

LAST_MOMENT = 0.02
"""Seconds more that are waited for a question, so that one that had its turn at once ends by itself."""

MAX_ALIAS_QUERIES = 4
"""How often a CNAME that the server did not follow is asked for: recursive servers do it themselves."""

EDNS_PAYLOAD = 1232
"""Answers up to this many bytes come over UDP unfragmented (DNS flag day 2020); larger ones come over TCP."""

_BACKEND = dns.asyncbackend.get_backend("asyncio")
_FOREVER = float("inf")
_FINAL = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
_NO_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)
_TYPES = {record_type: dns.rdatatype.from_text(record_type.name) for record_type in RecordType}


_Tries = dict[asyncio.Task[QueryMessage | str], int]


class _Flight(NamedTuple):
    """A question that somebody waits for, and the task that finds the answer."""

    task: asyncio.Task[Answer]
    turn: Turn
    waiting: set[object]


class _Failure(Exception):
    """No server gave an answer that can be used; the text says why."""


class DnsResolver:
    """Asks name servers. One object serves one configuration; it may be used from one event loop after another."""

    def __init__(
        self, servers: Sequence[NameServer] = (), timeout: float = 3.0, cache: AnswerCache | None = None
    ) -> None:
        """`servers`: none means the system's. `timeout`: seconds for one question, all tries together."""
        self._servers = tuple(servers) or system_nameservers()
        self._timeout = timeout
        self._cache = AnswerCache() if cache is None else cache
        self._first = 0  # the server that answered last is asked first
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flights: dict[Question, _Flight] = {}
        self._askers: WeakKeyDictionary[asyncio.Task[object], Asker] = WeakKeyDictionary()
        self._slots = Slots(MAX_IN_FLIGHT)
        self.queries = 0  # sent so far

    async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
        """The answers, in the order asked; all questions are on their way at once."""
        known = [answer for question in questions if (answer := self._cache.get(question)) is not None]
        if len(known) == len(questions):  # the usual case; answers are kept for questions in folded form
            return tuple(known)
        answers = [self._cache.get(_folded(question)) for question in questions]
        if None in answers:
            missing = [_folded(question) for question, answer in zip(questions, answers, strict=True) if not answer]
            found = await self._find_all(dict.fromkeys(missing))
            answers = [answer or found[_folded(q)] for q, answer in zip(questions, answers, strict=True)]
        return tuple(a._replace(question=q) for q, a in zip(questions, answers, strict=True) if a is not None)

    async def _find_all(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """The answers to different questions, or that there is none in time. Who gives up takes them from nobody."""
        self._enter_loop()
        asker, mark = self._asker(), object()
        flights = {question: self._flight(question, asker) for question in questions}
        for flight in flights.values():
            flight.waiting.add(mark)
        try:
            await asyncio.wait([flight.task for flight in flights.values()], timeout=self._timeout + LAST_MOMENT)
        finally:
            for flight in flights.values():
                flight.waiting.discard(mark)
                if not flight.waiting and not flight.turn.begun:
                    flight.task.cancel()
        return {
            question: flight.task.result() if flight.task.done() else self._late(question)
            for question, flight in flights.items()
        }

    def _enter_loop(self) -> None:
        """What belongs to an event loop is made anew in another one."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._flights, self._slots = loop, {}, Slots(MAX_IN_FLIGHT)
            self._askers.clear()

    def _asker(self) -> Asker:
        """Who asks: the task that does."""
        task = asyncio.current_task()
        assert task is not None
        asker = self._askers.get(task)
        if asker is None:
            asker = self._askers[task] = Asker()
        return asker

    def _flight(self, question: Question, asker: Asker) -> _Flight:
        """The one flight for this question, begun now or earlier."""
        flight = self._flights.get(question)
        if flight is None or not (flight.waiting or flight.turn.begun):  # the latter is about to end
            turn = self._slots.turn(asker)
            flight = self._flights[question] = _Flight(asyncio.create_task(self._fly(question, turn)), turn, set())
            flight.task.add_done_callback(functools.partial(self._land, question))
        else:
            flight.turn.join(asker)
        return flight

    def _land(self, question: Question, task: asyncio.Task[Answer]) -> None:
        flight = self._flights.get(question)
        if flight is not None and flight.task is task:
            del self._flights[question]

    async def _fly(self, question: Question, turn: Turn) -> Answer:
        async with turn:
            answer, ttl = await self._find(question)
        self._cache.put(answer, ttl)
        return answer

    async def _find(self, question: Question) -> tuple[Answer, float]:
        """The answer and how many seconds it may be kept."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(question)
        except TimeoutError:
            return self._late(question), _FOREVER
        except _Failure as failure:
            detail = str(failure)
        except Exception as error:  # noqa: BLE001 - whatever the answer made dnspython do, it is no answer
            detail = f"unusable answer ({error or type(error).__name__})"
        return Answer(question, trouble=Trouble.SERVFAIL, detail=detail), _FOREVER

    def _late(self, question: Question) -> Answer:
        """For one that has not come. It is not remembered of a question that had no turn: that says nothing of it."""
        return Answer(question, trouble=Trouble.TIMEOUT, detail=f"no answer within {self._timeout:g}s")

    async def _follow(self, question: Question) -> tuple[Answer, float]:
        """Asks, and asks again where a CNAME leads out of the answer."""
        try:
            name = dns.name.Name([*question.name.encode("ascii").split(b"."), b""])
        except (dns.exception.DNSException, UnicodeError):
            return Answer(question, trouble=Trouble.NXDOMAIN, detail="not a name that DNS can hold"), 0
        longest = _FOREVER
        for _ in range(MAX_ALIAS_QUERIES):
            response = await self._ask(name, _TYPES[question.type])
            chain = response.resolve_chaining()
            longest = min(longest, chain.minimum_ttl)
            if chain.answer is not None:
                return Answer(question, pack_records(chain.answer, question.type)), longest
            absent = response.rcode() == dns.rcode.NXDOMAIN
            soa = _has_soa(response, chain.canonical_name)
            if absent or soa or chain.canonical_name == name:
                trouble = Trouble.NXDOMAIN if absent else Trouble.NO_DATA
                return Answer(question, trouble=trouble), longest if soa else 0
            name = chain.canonical_name
        raise _Failure(f"a chain of CNAMEs does not end at {text_of_name(name)}")

    async def _ask(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> QueryMessage:
        """The first response that is final; `_Failure` when every server has failed to give one.

        A server that has failed is not asked again. One that is silent is, and its late answer is still welcome.
        """
        count = len(self._servers)
        order = [(self._first + index) % count for index in range(count)] * max(2, -(-MIN_TRIES // count))
        tries: _Tries = {}
        failed: dict[int, str] = {}
        try:
            for index in order:
                if index in failed:
                    continue
                tries[asyncio.create_task(self._try(self._servers[index], name, rdtype))] = index
                if response := await self._response(tries, failed, self._timeout / len(order)):
                    return response
            while tries:
                if response := await self._response(tries, failed, None):
                    return response
        finally:
            for task in tries:
                task.cancel()
        raise _Failure("; ".join(failed.values()))

    async def _response(self, tries: _Tries, failed: dict[int, str], patience: float | None) -> QueryMessage | None:
        """A response; or None when a server has failed or `patience` (seconds) is over: time to ask the next."""
        done, _ = await asyncio.wait(tries, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            index = tries.pop(task)
            outcome = task.result()
            if not isinstance(outcome, str):
                self._first = index
                return outcome
            failed[index] = outcome
        return None

    async def _try(
        self, server: NameServer, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> QueryMessage | str:
        """One query to one server: its response, or why there is none that can be used."""
        try:
            response = await self._exchange(server, make_query(name, rdtype, use_edns=0, payload=EDNS_PAYLOAD))
            if response.rcode() in _NO_EDNS:
                response = await self._exchange(server, make_query(name, rdtype))
        except (OSError, EOFError, dns.exception.DNSException) as error:
            return f"{server.address}: {error or type(error).__name__}"
        if response.rcode() not in _FINAL:
            return f"{server.address} answered {dns.rcode.to_text(response.rcode())}"
        if not isinstance(response, QueryMessage) or _is_referral(response):
            return f"{server.address} only refers to other servers"
        return response

    async def _exchange(self, server: NameServer, query: dns.message.Message) -> dns.message.Message:
        """The response to `query`, over UDP, or over TCP when it does not fit."""
        self.queries += 1
        response, _ = await dns.asyncquery.udp_with_fallback(
            query,
            server.address,
            timeout=self._timeout,
            port=server.port,
            ignore_unexpected=True,  # other sources,
            ignore_errors=True,  # other ids, other questions and garbage: the wait goes on
            backend=_BACKEND,
        )
        return response


def _folded(question: Question) -> Question:
    return Question(fold_name(question.name), question.type)


def _has_soa(response: QueryMessage, name: dns.name.Name) -> bool:
    """True when the response says what zone has no `name`, and so for how long that may be remembered."""
    return any(rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name) for rrset in response.authority)


def _is_referral(response: QueryMessage) -> bool:
    """True for what a server says that does not serve this name: no answer, no SOA, but name servers to go to."""
    types = {rrset.rdtype for rrset in response.authority}
    return not response.answer and dns.rdatatype.NS in types and dns.rdatatype.SOA not in types


def open_resolver(settings: Settings) -> Resolver:
    """The resolver that the options ask for: the zone file, or DNS. `ConfigurationError` when that cannot be."""
    if settings.string("dns_zone_file"):
        from exim_dkim.system.zone import read_zone

        return read_zone(settings.string("dns_zone_file"))
    items = settings.items("dns_nameservers")
    cache = AnswerCache(
        settings.integer("dns_cache_size"),
        settings.seconds("dns_cache_max_ttl"),
        settings.seconds("dns_cache_negative_ttl"),
    )
    try:
        servers = parse_nameservers(items) if items else ()
    except ConfigurationError as error:
        raise ConfigurationError(error.message, *settings.place("dns_nameservers")) from None
    return DnsResolver(servers, settings.seconds("dns_timeout"), cache)
