"""What an ACL would be told of a stored message: `${lookup dkim{…}}` and `${lookup domainkeys{…}}` for commands.

What authenticates is imported when it is first asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from exim_dkim.errors import ConfigurationError, ParseError
from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.message import parse_header
from exim_dkim.system.blocking import run_anywhere
from exim_dkim.system.exim_queue import is_queue_file, read_queued
from exim_dkim.system.mailbox import STDIN, StoredMessage, read_message
from exim_dkim.words import dkim_word, domainkeys_word, parse_key

if TYPE_CHECKING:
    from exim_dkim.authentication import Authentication, Method
    from exim_dkim.config.settings import Settings
    from exim_dkim.resolver import Resolver


class FileAuthentication:
    """Verifies the message in `file` (also a `-H` file of Exim's queue), once a protocol, when first asked about it."""

    def __init__(self, file: str, open_resolver: Callable[[], Resolver], settings: Settings) -> None:
        self._file = file
        self._open_resolver = open_resolver
        self._settings = settings
        self._found: dict[Method, Authentication] = {}

    def __call__(self, protocol: str, key: bytes) -> bytes:
        """The word for a protocol and a domain or identity. Raises ServiceTrouble."""
        try:
            parsed = parse_key(key)
        except ParseError as error:
            raise ServiceTrouble(f"neither a domain nor an identity: {error.message}") from None
        from exim_dkim.authentication import Method

        found = self._authenticated(Method(protocol))
        if found.dkim is not None:
            return dkim_word(found.dkim, parsed).value.encode()
        if found.domainkeys is not None:
            return domainkeys_word(found.domainkeys, parsed).value.encode()
        raise ServiceTrouble(f"{protocol} is not verified here")

    def _authenticated(self, method: Method) -> Authentication:
        if method not in self._found:
            found = run_anywhere(self._authenticate(method))
            if method in found.unfinished:
                raise ServiceTrouble(found.unfinished[method])
            self._found[method] = found
        return self._found[method]

    async def _authenticate(self, method: Method) -> Authentication:
        from exim_dkim.envelope import Envelope
        from exim_dkim.system.authenticate import Authenticator, policies

        try:
            authenticator = Authenticator(self._open_resolver(), policies(self._settings), time.time)
        except ConfigurationError as error:
            raise ServiceTrouble(str(error)) from None
        with self._opened() as message:
            begun = await authenticator.begin(parse_header(message.header), Envelope(), {method})
            for chunk in message.body:
                begun.update(chunk)
        return begun.finish()

    @contextmanager
    def _opened(self) -> Iterator[StoredMessage]:
        if self._file == STDIN:
            raise ServiceTrouble("standard input is verified by: exim-dkim verify -")
        if is_queue_file(self._file):
            with closing(read_queued(self._file)) as messages:
                message = next(messages)
                if message.problem:
                    raise ServiceTrouble(f"{self._file}: {message.problem}")
                yield message
            return
        with open(self._file, "rb") as stream:
            yield read_message(stream, self._file)
