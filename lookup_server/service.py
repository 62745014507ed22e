"""From a request to the reply. Asynchronous, but without sockets.

Contract: `reply` never raises and always ends within `lookup_timeout` (after that: `defer`). A wrong request gets
`error: TEXT`, never a verdict. Whatever goes wrong inside is logged, and is `defer`.

| name in the request | meaning |
|---|---|
| `control` | `dkim_verify`: verification is wanted; without it a look-up says `unverified` |
| `message_exim_id`, `spool_directory`, `queue_name` | where the body is, when it does not come with the request |
| `message_body_size` | `$message_body_size`: a `-D` file of another size is not trusted |
| `sender_address`, `sender_host_address`, `sender_helo_name` | for the log |
| `length` | bytes of message that follow the empty line, for clients that cannot half-close |
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib import metadata
from typing import Final, NamedTuple

from exim_dkim.config.settings import Settings
from exim_dkim.config.verification import verification_policy
from exim_dkim.dkim.verify import Verdict, verify_header
from exim_dkim.errors import ParseError
from exim_dkim.message import parse_header, to_wire
from exim_dkim.resolver import Resolver
from exim_dkim.system.serving import place
from exim_dkim.words import Key, Word, parse_key
from lookup_server.body import CHUNK, Body, BodyError, BodySource
from lookup_server.findings import QUERIES, Findings, tell_log
from lookup_server.reply import PONG, format_error, format_reply, one_line
from lookup_server.request import Request, RequestError
from lookup_server.results import Results

EXIM_HEADER_LIMIT: Final = 64 * 1024
"""Exim cuts `$message_headers_raw` to exactly this many bytes (seen on 4.96), without a word."""

MAX_HEADER: Final = 1024 * 1024
"""Longest header that is looked at; Exim's `header_maxsize` is the same by default."""

INLINE: Final = 1024 * 1024
"""Longest message that is hashed without a thread: a millisecond."""

log = logging.getLogger("lookup_server")


class Pending(NamedTuple):
    """A reply that has to be waited for: when `task` is done, `Service.finish` has it.

    Others may wait for the same task: who has no more patience leaves it alone.
    """

    task: asyncio.Task[Findings]
    request: Request
    key: Key | None


class Service:
    """Answers requests by one configuration. A new configuration means a new service."""

    def __init__(self, settings: Settings, resolver: Resolver, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch, for dates in signatures. `ConfigurationError`: options without sense."""
        self.timeout = settings.seconds("lookup_timeout")
        self._resolver = resolver
        self._policy = verification_policy(settings)
        self._clock = clock
        self._results = Results(settings.integer("lookup_cache_size"))
        self._bodies = BodySource(
            settings.items("lookup_spool_directories"),
            settings.string("spool_directory"),
            settings.boolean("split_spool_directory"),
            settings.boolean("lookup_spool_over_inet"),
        )
        self.counts = dict.fromkeys(("requests", "errors", "verified", "remembered", *(w.value for w in Word)), 0)

    async def reply(self, request: Request, local: bool) -> bytes:
        """The reply, within `timeout` seconds. `local`: the request came over a Unix socket."""
        reply = self.answer(request, local)
        if isinstance(reply, bytes):
            return reply
        await asyncio.wait([reply.task], timeout=self.timeout)
        return self.finish(reply)

    def answer(self, request: Request, local: bool) -> bytes | Pending:
        """As `reply`, for who can wait without a coroutine: the reply, if it is there, or what to wait for."""
        self.counts["requests"] += 1
        key = None
        try:
            if request.query in _SIMPLE:
                return _SIMPLE[request.query](self)
            key = _parse_key(request)
            found: Findings | asyncio.Task[Findings] | None = _not_verifiable(request)
            if found is None:
                found = self._look_up(request, local)
        except RequestError as error:
            return self.refuse(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not cost a mail
            found = _internal_error(_origin(request), error)
        return self._tell(request, key, found) if isinstance(found, Findings) else Pending(found, request, key)

    def finish(self, pending: Pending) -> bytes:
        """The reply that was waited for; `defer` if the task is not done."""
        task, request, key = pending
        if not task.done():
            findings = Findings(word=Word.DEFER, why=f"not finished within {self.timeout}s (lookup_timeout)")
            log.warning("%s %s", _origin(request), tell_log(findings))
        elif task.cancelled():
            findings = Findings(word=Word.DEFER, why="the server is stopping")
        elif error := task.exception():
            findings = _internal_error(_origin(request), error)
        else:
            findings = task.result()
        return self._tell(request, key, findings)

    def defer(self, request: Request, why: str) -> bytes:
        """The reply to a request that is not looked into."""
        try:
            return self._tell(request, _parse_key(request), Findings(word=Word.DEFER, why=why))
        except RequestError as error:
            return self.refuse(str(error))

    def refuse(self, text: str) -> bytes:
        """The reply to a wrong request."""
        self.counts["errors"] += 1
        log.warning("wrong request: %s", one_line(text, 500))
        return format_error(text)

    def _tell(self, request: Request, key: Key | None, findings: Findings) -> bytes:
        self.counts[findings.word_for(key).value] += 1
        return format_reply(QUERIES[request.query](findings, key))

    def _look_up(self, request: Request, local: bool) -> Findings | asyncio.Task[Findings]:
        """What is known of the message, or the task that finds it out. `RequestError`."""
        header, start, wire = request.split()
        try:
            body = self._bodies.find(request, start, wire, local)
        except BodyError as error:
            findings = Findings(word=Word.DEFER, why=str(error))
            log.warning("%s %s", _origin(request), tell_log(findings))
            return findings
        if body is None:
            return _unverified("the request has neither a body nor message_exim_id")
        if len(request.message) > INLINE:
            return asyncio.create_task(self._recognize_large(request, header, body))
        return self._recognize(request, sha256(request.message).digest(), header, body)

    async def _recognize_large(self, request: Request, header: bytes, body: Body) -> Findings:
        """As `_recognize`, for a message that takes noticeable time to hash."""
        digest = (await asyncio.to_thread(sha256, request.message)).digest()
        found = self._recognize(request, digest, header, body)
        return found if isinstance(found, Findings) else await asyncio.shield(found)

    def _recognize(
        self, request: Request, digest: bytes, header: bytes, body: Body
    ) -> Findings | asyncio.Task[Findings]:
        """What is known of the message with this digest; or the task that somebody waits for already, or a new one."""
        identity = (digest, body.identity)
        found = self._results.get(identity) or self._results.under_way(identity)
        if found:
            body.close()
            self.counts["remembered"] += 1
            return found
        self.counts["verified"] += 1
        return self._results.begin(identity, self._verify(header, body, _origin(request)))

    async def _verify(self, header: bytes, body: Body, origin: str) -> Findings:
        """Verifies a message. Never raises for what the message, DNS or the file did."""
        began = time.monotonic()
        try:
            findings = Findings(await self._verdicts(header, body))
        except BodyError as error:
            findings = Findings(word=Word.DEFER, why=str(error))
        except Exception as error:  # noqa: BLE001 - as above
            findings = _internal_error(origin, error)
        finally:
            body.close()
        log.info("%s %s %.3fs", origin, tell_log(findings), time.monotonic() - began)
        return findings

    async def _verdicts(self, header: bytes, body: Body) -> tuple[Verdict, ...]:
        fields = parse_header(to_wire(header))
        verification = await verify_header(fields, self._resolver, self._policy, self._clock())
        if verification.wants_body:
            if body.size > CHUNK:
                await asyncio.to_thread(body.feed, verification.update)
            else:
                body.feed(verification.update)
        return verification.finish()


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


def _parse_key(request: Request) -> Key | None:
    """The key of a query about a message; `RequestError` when query or key make no sense."""
    if request.query not in QUERIES:
        known = ", ".join([*QUERIES, *_SIMPLE])
        raise RequestError(f"unknown query {one_line(request.query, 60)!r}; there are: {known}")
    if not request.key:
        if request.query == "dkim":
            raise RequestError("dkim needs a key: a domain, or an identity such as user@example.org")
        return None
    try:
        return parse_key(request.key)
    except ParseError:
        shown = one_line(request.key.decode("utf-8", "backslashreplace"), 100)
        raise RequestError(f"{request.query}: {shown!r} is neither a domain nor an identity") from None


def _unverified(why: str) -> Findings:
    return Findings(word=Word.UNVERIFIED, why=why)


def _not_verifiable(request: Request) -> Findings | None:
    """Why the request cannot have a verdict, if so; `RequestError` for a header that is out of all bounds."""
    if b"dkim_verify" not in request.controls:
        return _unverified("the request has no `control = dkim_verify`")
    if not request.message:
        return _unverified("there is no message yet")
    if len(request.message) < EXIM_HEADER_LIMIT - 1:
        return None
    header, start, _ = request.split()
    if len(header) > MAX_HEADER:
        raise RequestError(f"the header is longer than {MAX_HEADER} bytes")
    cut = EXIM_HEADER_LIMIT - 1 <= len(header) <= EXIM_HEADER_LIMIT
    if cut or (start is None and len(header) > EXIM_HEADER_LIMIT):
        return _unverified("the header is longer than the 64 KiB that Exim hands out in $message_headers_raw")
    return None


def _origin(request: Request) -> str:
    """Which message a log line is about, in the manner of Exim's log; bounded, printable."""
    values = {name: one_line(value.decode("utf-8", "backslashreplace"), 100) for name, value in request.values.items()}
    host = f" H=({values[b'sender_helo_name']})" if values.get(b"sender_helo_name") else ""
    address = f" [{values[b'sender_host_address']}]" if values.get(b"sender_host_address") else ""
    sender = f" F=<{values[b'sender_address']}>" if b"sender_address" in values else ""
    return f"{values.get(b'message_exim_id') or '-'}{host}{address}{sender}"


def _internal_error(origin: str, error: BaseException) -> Findings:
    log.error("%s internal error: %s", origin, place(error))
    return Findings(word=Word.DEFER, why="internal error; see the log")
