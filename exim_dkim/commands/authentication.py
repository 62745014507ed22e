"""What an ACL would be told of a message in a file: `${lookup dkim{…}}` for commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from exim_dkim.dkim.verify import Verdict, verify_header
from exim_dkim.errors import ParseError
from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.message import parse_header
from exim_dkim.system.blocking import run_anywhere
from exim_dkim.system.mailbox import STDIN, StoredMessage, read_message
from exim_dkim.words import dkim_word, parse_key

if TYPE_CHECKING:
    from exim_dkim.policy import VerificationPolicy
    from exim_dkim.resolver import Resolver


class FileAuthentication:
    """Verifies the message in `file`, once, when it is first asked about."""

    def __init__(self, file: str, open_resolver: Callable[[], Resolver], policy: VerificationPolicy) -> None:
        self._file = file
        self._open_resolver = open_resolver
        self._policy = policy
        self._verdicts: tuple[Verdict, ...] | None = None

    def __call__(self, protocol: str, key: bytes) -> bytes:
        """The word for a protocol and a domain or identity. Raises ServiceTrouble."""
        if protocol != "dkim":
            raise ServiceTrouble(f"there is no {protocol} here")
        try:
            parsed = parse_key(key)
        except ParseError as error:
            raise ServiceTrouble(f"neither a domain nor an identity: {error.message}") from None
        if self._verdicts is None:
            if self._file == STDIN:
                raise ServiceTrouble("standard input is verified by: exim-dkim verify -")
            with open(self._file, "rb") as stream:
                self._verdicts = run_anywhere(self._verify(read_message(stream, self._file)))
        return dkim_word(self._verdicts, parsed).value.encode()

    async def _verify(self, message: StoredMessage) -> tuple[Verdict, ...]:
        fields = parse_header(message.header)
        verification = await verify_header(fields, self._open_resolver(), self._policy, time.time())
        for chunk in message.body:
            verification.update(chunk)
        return verification.finish()
