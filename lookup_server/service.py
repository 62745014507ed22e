"""From a request to the reply. Asynchronous, but without sockets.

Contract: `reply` never raises and always ends within `lookup_timeout`: what is not known by then is `defer` or
`temperror`, and where several methods are told of, only theirs. A wrong request gets `error: TEXT`, never a verdict.
Whatever goes wrong inside is logged, and is `defer` or `temperror`.

| name in the request | meaning |
|---|---|
| `control` | `dkim_verify`, `dk_verify`: DKIM, DomainKeys are wanted; without it a look-up says `unverified` |
| `sender_host_address`, `sender_address`, `sender_helo_name` | the envelope, for SPF and Sender ID, and for the log |
| `message_exim_id`, `spool_directory`, `queue_name` | where the body is, when it does not come with the request |
| `message_body_size` | `$message_body_size`: a `-D` file of another size is not trusted |
| `primary_hostname` | what stands in Authentication-Results, where no option says it |
| `length` | bytes of message that follow the empty line, for clients that cannot half-close |
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, Final, NamedTuple

from exim_dkim.authentication import Authentication
from exim_dkim.config.settings import Settings
from exim_dkim.outcome import SpfResult
from exim_dkim.printable import one_line
from exim_dkim.resolver import Resolver
from exim_dkim.system.aside import LARGE, Overload, aside
from exim_dkim.system.authenticate import INTERNAL, authserv_id
from exim_dkim.system.serving import place
from exim_dkim.words import Word
from lookup_server.claims import Claims, sort_fields
from lookup_server.findings import Findings, tell_log
from lookup_server.look_up import LookUp, LookUps, origin, unreadable
from lookup_server.query import Query, methods_option, parse_query
from lookup_server.reply import DEFER, PONG, format_error, format_reply
from lookup_server.request import Request, RequestError
from lookup_server.tell import tell

WITH_CLAIMS: Final = ("all", "json", "forged", "foreign")

log = logging.getLogger("lookup_server")


class Pending(NamedTuple):
    """A reply that has to be waited for: when `task` is done, `Service.finish` has it.

    Others may wait for the same work: who has no more patience leaves it alone.
    """

    task: asyncio.Task[Any]
    request: Request
    query: Query
    look_up: LookUp
    claims: asyncio.Task[Claims] | None


class Service:
    """Answers requests by one configuration. A new configuration means a new service."""

    def __init__(self, settings: Settings, resolver: Resolver, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch, for dates in signatures. `ConfigurationError`: options without sense."""
        self.timeout = settings.seconds("lookup_timeout")
        self._authserv_id = functools.lru_cache(8)(functools.partial(authserv_id, settings))
        self._authserv_id("")
        self._methods = methods_option(settings)
        words = [word.value for word in (*Word, *SpfResult)]
        self.counts = dict.fromkeys(("requests", "errors", "verified", "remembered", *words), 0)
        self._look_ups = LookUps(settings, resolver, clock, self.counts)

    async def reply(self, request: Request, local: bool) -> bytes:
        """The reply, within `timeout` seconds. `local`: the request came over a Unix socket."""
        reply = self.answer(request, local)
        if isinstance(reply, bytes):
            return reply
        await asyncio.wait([reply.task], timeout=self.timeout)
        return self.finish(reply)

    def answer(self, request: Request, local: bool) -> bytes | Pending:
        """As `reply`, for callers that wait without a coroutine: the reply, if it is there, or what to wait for."""
        self.counts["requests"] += 1
        if request.query in _SIMPLE:
            return _SIMPLE[request.query](self)
        query = None
        try:
            query = self._parse(request)
            look_up = self._look_ups.begin(request, query, local)
            claims = self._search(request, query)
            tasks = [*look_up.tasks, *([claims] if claims else ())]
            if not tasks:
                return self._tell(request, query, look_up.findings(""))
        except RequestError as error:
            return self.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not cost a mail
            return self._give_up(request, query, error)
        task = tasks[0] if len(tasks) == 1 else asyncio.create_task(asyncio.wait(tasks))
        return Pending(task, request, query, look_up, claims)

    def finish(self, pending: Pending) -> bytes:
        """The reply that was waited for; what is not done is `defer` or `temperror`."""
        _, request, query, look_up, search = pending
        findings = look_up.findings(f"not finished within {self.timeout}s (lookup_timeout)")
        if not all(task.done() for task in look_up.tasks):
            log.warning("%s %s", origin(request), tell_log(findings, tuple(look_up.parts)))
        try:
            return self._tell(request, query, findings, None if search is None else _result_of(search))
        except Exception as error:  # noqa: BLE001 - as above
            return self._give_up(request, query, error)

    def defer(self, request: Request, why: str) -> bytes:
        """The reply to a request that is not looked into."""
        try:
            return self._tell_nothing(request, self._parse(request), why)
        except RequestError as error:
            return self.refuse(str(error))

    def refuse(self, text: str) -> bytes:
        """The reply to a wrong request."""
        self.counts["errors"] += 1
        log.warning("wrong request: %s", one_line(text, 500))
        return format_error(text)

    def _parse(self, request: Request) -> Query:
        return parse_query(request, self._methods, tuple(_SIMPLE))

    def _tell(self, request: Request, query: Query, findings: Findings, claims: Claims | None = None) -> bytes:
        """`claims`: those that are known already."""
        if query.name in WITH_CLAIMS:
            findings = findings._replace(claims=self._claims(request) if claims is None else claims)
        if query.methods:
            word = findings.word(query.methods[0], query.key)
            self.counts[word] += 1
            if query.plain:
                return word.encode()
        return tell(query, findings, self._name(request))

    def _name(self, request: Request) -> str:
        return self._authserv_id(request.values.get(b"primary_hostname", b"").decode("utf-8", "replace"))

    def _search(self, request: Request, query: Query) -> asyncio.Task[Claims] | None:
        """The search for claims in a header so large that it has to be waited for."""
        if query.name not in WITH_CLAIMS or len(request.message) <= LARGE or len(request.split()[0]) <= LARGE:
            return None
        return asyncio.create_task(aside(functools.partial(self._claims, request)))

    def _claims(self, request: Request) -> Claims:
        if unreadable(request):
            return Claims()
        return sort_fields(request.split()[0], self._name(request))

    def _give_up(self, request: Request, query: Query | None, error: Exception) -> bytes:
        log.error("%s internal error: %s", origin(request), place(error))
        try:
            return DEFER if query is None else self._tell_nothing(request, query, INTERNAL)
        except Exception:  # noqa: BLE001 - it is the telling that does not work
            return DEFER

    def _tell_nothing(self, request: Request, query: Query, why: str) -> bytes:
        """The reply when nothing could be looked up."""
        findings = Findings(Authentication(unfinished=dict.fromkeys(query.methods, why)))
        if query.methods:
            self.counts[findings.word(query.methods[0], query.key)] += 1
        return tell(query, findings, self._name(request))


def _result_of(search: asyncio.Task[Claims]) -> Claims:
    """What was found; what was not found in time is not known, and not looked for any more."""
    if not search.done():
        search.cancel()
        return Claims()
    return Claims() if isinstance(search.exception(), Overload) else search.result()


def _tell_stats(service: Service) -> bytes:
    return format_reply(" ".join(f"{name}={count}" for name, count in service.counts.items()))


@functools.cache
def _tell_version() -> bytes:
    return format_reply(f"exim-dkim {metadata.version('exim-dkim')}")


_SIMPLE: Final[Mapping[str, Callable[[Service], bytes]]] = {
    "ping": lambda service: PONG,
    "version": lambda service: _tell_version(),
    "stats": _tell_stats,
}
