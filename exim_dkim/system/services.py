"""`MessageServices`: what look-ups ask other than files, answered from the configuration, the DNS and a verification.

The evaluator is synchronous, so questions to the DNS block. Called within an event loop they are asked from a thread of
their own; the loop waits, so a server should expand in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.expansion.environment import ServiceTrouble

if TYPE_CHECKING:
    from exim_dkim.envelope import Envelope
    from exim_dkim.resolver import Answer, Question, Resolver

# Gives the word for a protocol and a key; raises ServiceTrouble.
Authenticate = Callable[[str, bytes], bytes]


class MessageServices:
    """The services for one message. `open_resolver`, called when the DNS is needed; None: as the configuration says."""

    def __init__(
        self,
        settings: Settings,
        open_resolver: Callable[[], Resolver] | None = None,
        authenticate: Authenticate | None = None,
    ) -> None:
        self._settings = settings
        self._open_resolver = open_resolver
        self._resolver: Resolver | None = None
        self._authenticate = authenticate

    def setting(self, name: str) -> bytes:
        """An option of the configuration."""
        return self._settings.text(name)

    def resolve(self, *questions: Question) -> Sequence[Answer]:
        """The answers to questions. Raises ServiceTrouble where the configuration does not lead to a resolver."""
        from exim_dkim.system.blocking import run_anywhere

        return run_anywhere(self._open().resolve(*questions))

    def _open(self) -> Resolver:
        """The resolver, opened when it is first needed. Raises ServiceTrouble where the configuration leads to none."""
        if self._resolver is None:
            try:
                self._resolver = self._opened()
            except ConfigurationError as error:
                raise ServiceTrouble(str(error)) from None
        return self._resolver

    def _opened(self) -> Resolver:
        if self._open_resolver is not None:
            return self._open_resolver()
        from exim_dkim.system.dns import open_resolver

        return open_resolver(self._settings)

    def authenticate(self, protocol: str, key: bytes) -> bytes:
        """The word of a verification."""
        if self._authenticate is None:
            raise ServiceTrouble(f"nothing is verified here; ask for {protocol} results in an ACL")
        return self._authenticate(protocol, key)

    def judge(self, identity: str, envelope: Envelope, fields: Sequence[bytes]) -> bytes:
        """The word of SPF or Sender ID, by the policies of the configuration."""
        from exim_dkim.message import parse_header
        from exim_dkim.senderid.record import Scope
        from exim_dkim.system.authenticate import Authenticator, policies
        from exim_dkim.system.blocking import run_anywhere

        try:
            judge = Authenticator(self._open(), policies(self._settings), time.time)
        except ConfigurationError as error:
            raise ServiceTrouble(str(error)) from None
        if identity == "spf":
            return run_anywhere(judge.spf(envelope)).result.value.encode()
        if identity == "spf helo":
            return run_anywhere(judge.helo(envelope)).result.value.encode()
        header = parse_header(b"".join(fields).replace(b"\n", b"\r\n"))
        scope = Scope(identity.removeprefix("senderid "))
        return run_anywhere(judge.senderid(header, envelope, scope)).result.value.encode()
