"""Finds out what a query needs: from what is remembered, from work that is under way, or by new work.

Each method's finding is kept by what it depends on: that of DKIM and DomainKeys by header and body, that of SPF by the
envelope, that of Sender ID by both header and envelope. So a query that several methods answer shares with those
before it, and what is slow in one method leaves the others alone. Bodies are read once for DKIM and DomainKeys
together. Nothing is begun that the query does not need.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from exim_dkim.authentication import Authentication, Method, merge
from exim_dkim.config.settings import Settings
from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.errors import ParseError
from exim_dkim.message import parse_header, to_wire
from exim_dkim.printable import one_line
from exim_dkim.resolver import Resolver
from exim_dkim.system.authenticate import INTERNAL, Authenticator, policies
from exim_dkim.system.serving import place
from lookup_server.body import CHUNK, Body, BodyError, BodySource
from lookup_server.findings import Findings, tell_log
from lookup_server.query import Query
from lookup_server.request import Request, RequestError
from lookup_server.results import Identity, Results

EXIM_HEADER_LIMIT: Final = 64 * 1024
"""Exim cuts `$message_headers_raw` to exactly this many bytes (seen on 4.96), without a word."""

MAX_HEADER: Final = 1024 * 1024
"""Longest header that is looked at; Exim's `header_maxsize` is the same by default."""

MAX_FIELDS: Final = 10_000
"""Fields of a header that is looked at: no honest one has a tenth of it, and each takes time and memory."""

INLINE: Final = 1024 * 1024
"""Longest message that is hashed without a thread: a millisecond."""

FOR_HEADERS: Final = 0.85
"""The part of `lookup_timeout` after which DKIM and DomainKeys do not wait for each other any more."""

AFTERWARDS: Final = 2
"""How long SPF and Sender ID may go on for the sake of the next attempt, in `lookup_timeout`s: records can lead from
one slow domain to the next for as long as `spf_timeout`, while more such requests come in."""

CONTROLS: Final = {Method.DKIM: (b"dkim_verify",), Method.DOMAINKEYS: (b"dkim_verify", b"dk_verify")}
"""What asks for a verification, one of these; a method that is not here needs no asking. `dk_verify` is what Exim's
experimental DomainKeys of 2005 had."""

FROM_HEADER: Final = (Method.DKIM, Method.DOMAINKEYS, Method.SENDERID)

Part = Authentication | asyncio.Task[Authentication]

log = logging.getLogger("lookup_server")


class LookUp(NamedTuple):
    """The parts of an answer, those that are there and those that are waited for."""

    envelope: Envelope
    parts: dict[Method, Part]
    unverified: dict[Method, str]

    @property
    def tasks(self) -> list[asyncio.Task[Authentication]]:
        """What has to be waited for."""
        return [*dict.fromkeys([part for part in self.parts.values() if isinstance(part, asyncio.Task)])]

    def findings(self, late: str) -> Findings:
        """What is there by now; `late` is said of what is not."""
        parts = {method: _part(method, part, late) for method, part in self.parts.items()}
        if len(parts) == 1:
            (one,) = parts.values()
            if one.envelope == self.envelope and None in (one.dkim, one.domainkeys):  # nothing to leave out
                return Findings(one, self.unverified)
        return Findings(merge(self.envelope, parts), self.unverified)


def _part(method: Method, part: Part, late: str) -> Authentication:
    if isinstance(part, Authentication):
        return part
    if not part.done():
        why = late
    elif part.cancelled():
        why = "the server is stopping"
    elif error := part.exception():
        log.error("internal error: %s", place(error))
        why = INTERNAL
    else:
        return part.result()
    return Authentication(unfinished={method: why})


class LookUps:
    """What is asked of one configuration."""

    def __init__(
        self, settings: Settings, resolver: Resolver, clock: Callable[[], float], counts: dict[str, int]
    ) -> None:
        """`counts`: where it is counted how often work was done (`verified`) or not (`remembered`).

        `ConfigurationError`: options without sense.
        """
        self._counts = counts
        self._authenticator = Authenticator(resolver, policies(settings), clock, log)
        self._patience = FOR_HEADERS * settings.seconds("lookup_timeout")
        self._longest = AFTERWARDS * settings.seconds("lookup_timeout")
        self._results = Results(settings.integer("lookup_cache_size") * len(Method))
        self._bodies = BodySource(
            settings.items("lookup_spool_directories"),
            settings.string("spool_directory"),
            settings.boolean("split_spool_directory"),
            settings.boolean("lookup_spool_over_inet"),
        )

    def begin(self, request: Request, query: Query, local: bool) -> LookUp:
        """What is known, and the tasks that find out the rest. `RequestError`."""
        unverified = _unverified(request, query.methods)
        methods = [method for method in query.methods if method not in unverified] if unverified else query.methods
        needs_envelope = any(not method.wants_body for method in query.methods)
        look_up = LookUp(read_envelope(request) if needs_envelope else Envelope(), {}, unverified)
        signatures = [method for method in methods if method.wants_body]
        if signatures:
            self._signatures(request, signatures, local, look_up)
        for method in methods:
            if not method.wants_body:
                look_up.parts[method] = self._about_envelope(request, method, look_up.envelope)
        return look_up

    def _signatures(self, request: Request, methods: Sequence[Method], local: bool, look_up: LookUp) -> None:
        header, start, wire = request.split()
        try:
            body = self._bodies.find(request, start, wire, local)
        except BodyError as error:
            found = Authentication(unfinished=dict.fromkeys(methods, str(error)))
            log.warning("%s %s", origin(request), tell_log(Findings(found), tuple(methods)))
            look_up.parts.update(dict.fromkeys(methods, found))
            return
        if body is None:
            look_up.unverified.update(dict.fromkeys(methods, "the request has neither a body nor message_exim_id"))
        elif len(request.message) > INLINE:
            task = asyncio.create_task(self._recognize_large(request, header, body, methods))
            look_up.parts.update(dict.fromkeys(methods, task))
        else:
            digest = sha256(request.message).digest()
            look_up.parts.update(self._recognize(request, digest, header, body, methods))

    async def _recognize_large(
        self, request: Request, header: bytes, body: Body, methods: Sequence[Method]
    ) -> Authentication:
        """As `_recognize`, for a message that takes noticeable time to hash."""
        digest = (await asyncio.to_thread(sha256, request.message)).digest()
        parts = self._recognize(request, digest, header, body, methods)
        found = {
            method: part if isinstance(part, Authentication) else await asyncio.shield(part)
            for method, part in parts.items()
        }
        return merge(Envelope(), found)

    def _recognize(
        self, request: Request, digest: bytes, header: bytes, body: Body, methods: Sequence[Method]
    ) -> dict[Method, Part]:
        """What is known of the message with this digest; or the task that somebody waits for already, or a new one."""
        parts: dict[Method, Part] = {}
        for method in methods:
            if found := self._results.find((method, digest, body.identity)):
                parts[method] = found
        missing = [method for method in methods if method not in parts]
        if not missing:
            body.close()
            self._counts["remembered"] += 1
            return parts
        identities = [(method, digest, body.identity) for method in missing]
        work = self._verify(header, body, missing, origin(request))
        return {**parts, **dict.fromkeys(missing, self._begin(identities, work))}

    def _about_envelope(self, request: Request, method: Method, envelope: Envelope) -> Part:
        header = request.split()[0] if method is Method.SENDERID else b""
        identity = (method, sha256(repr(envelope).encode() + header).digest())
        if found := self._results.find(identity):
            self._counts["remembered"] += 1
            return found
        return self._begin([identity], self._check(header, envelope, method, origin(request)))

    def _begin(self, identities: Sequence[Identity], work: Any) -> asyncio.Task[Authentication]:
        self._counts["verified"] += 1
        return self._results.begin(identities, work)

    async def _verify(self, header: bytes, body: Body, methods: Sequence[Method], about: str) -> Authentication:
        """Verifies the signatures of a message. Never raises for what the message, DNS or the file did."""
        began = time.monotonic()
        try:
            found = await self._verdicts(header, body, methods)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not cost a mail
            log.error("%s internal error: %s", about, place(error))
            found = Authentication(unfinished=dict.fromkeys(methods, INTERNAL))
        finally:
            body.close()
        log.info("%s %s %.3fs", about, tell_log(Findings(found), tuple(methods)), time.monotonic() - began)
        return found

    async def _verdicts(self, header: bytes, body: Body, methods: Sequence[Method]) -> Authentication:
        fields = parse_header(to_wire(header))
        patience = self._patience if len(methods) > 1 else None
        begun = await self._authenticator.begin(fields, Envelope(), methods, patience)
        if begun.wants_body:
            try:
                if body.size > CHUNK:
                    await asyncio.to_thread(body.feed, begun.update)
                else:
                    body.feed(begun.update)
            except BodyError as error:
                return begun.without_body(str(error))
        return begun.finish()

    async def _check(self, header: bytes, envelope: Envelope, method: Method, about: str) -> Authentication:
        """What a method that needs no body says."""
        began = time.monotonic()
        fields = parse_header(to_wire(header))
        found = (await self._authenticator.begin(fields, envelope, (method,), self._longest)).finish()
        log.info("%s %s %.3fs", about, tell_log(Findings(found), (method,)), time.monotonic() - began)
        return found


def read_envelope(request: Request) -> Envelope:
    """The envelope that the request tells of; `RequestError`."""
    values = request.values
    try:
        address = values.get(b"sender_host_address")
        client = parse_client(address) if address else None
    except ParseError:
        raise RequestError("sender_host_address is not an IP address") from None
    return Envelope(client, values.get(b"sender_helo_name", b""), values.get(b"sender_address"))


def unreadable(request: Request) -> str:
    """Why the header of a request says nothing, empty if it does; `RequestError` for one that is out of all bounds."""
    if not request.message:
        return "there is no message yet"
    large = len(request.message) >= EXIM_HEADER_LIMIT - 1
    if not large and request.message.count(b"\n") <= MAX_FIELDS:
        return ""
    header, start, _ = request.split()
    if len(header) > MAX_HEADER:
        raise RequestError(f"the header is longer than {MAX_HEADER} bytes")
    if header.count(b"\n") - header.count(b"\n ") - header.count(b"\n\t") > MAX_FIELDS:
        return f"the header has more than {MAX_FIELDS} fields"
    cut = EXIM_HEADER_LIMIT - 1 <= len(header) <= EXIM_HEADER_LIMIT
    if cut or (start is None and len(header) > EXIM_HEADER_LIMIT):
        return "the header is longer than the 64 KiB that Exim hands out in $message_headers_raw"
    return ""


def _unverified(request: Request, methods: Sequence[Method]) -> dict[Method, str]:
    """The methods that cannot be used, or that nobody asked to be used, and why."""
    found: dict[Method, str] = {}
    for method in methods:
        controls = CONTROLS.get(method, ())
        if controls and not request.controls.intersection(controls):
            found[method] = f"the request has no `control = {controls[0].decode()}`"
    wanted = [method for method in methods if method in FROM_HEADER and method not in found]
    if wanted and (why := unreadable(request)):
        found.update(dict.fromkeys(wanted, why))
    return found


def origin(request: Request) -> str:
    """Which message a log line is about, in the manner of Exim's log; bounded, printable."""
    values = {name: one_line(value.decode("utf-8", "backslashreplace"), 100) for name, value in request.values.items()}
    host = f" H=({values[b'sender_helo_name']})" if values.get(b"sender_helo_name") else ""
    address = f" [{values[b'sender_host_address']}]" if values.get(b"sender_host_address") else ""
    sender = f" F=<{values[b'sender_address']}>" if b"sender_address" in values else ""
    return f"{values.get(b'message_exim_id') or '-'}{host}{address}{sender}"
