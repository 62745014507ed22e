"""Clients that have fetched mail before they send some (POP before SMTP): `-U FILE` of dk-filter and dkim-filter.

milter_pop_before_smtp expands to a file if it begins with `/`, else to yes or no. The POP or IMAP server writes the
file: Berkeley DB (hash or btree; its keys are addresses, with or without a NUL at their end), a constant database (its
name ends in `.cdb`), or text, each line of which begins with an address or a network, and ends. It is read again when
it changes.

Contract: who is not surely in it is not. What cannot be read or expanded is `PopBeforeSmtpError`, never a yes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from exim_dkim.config.settings import Settings
from exim_dkim.envelope import ClientAddress
from exim_dkim.errors import ConfigurationError, EximDkimError, ExpansionError
from exim_dkim.expansion import Value, expand
from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.lookups import LookupDeferred, LookupFailed, Request, cdb
from exim_dkim.expansion.lookups.dbm import BerkeleyDbTrouble, is_berkeley_db, look_for
from exim_dkim.message import HeaderField
from exim_dkim.system.environment import RealFiles
from milter_server.hosts import MAX_ENTRIES, HostList, file_entries
from milter_server.message import Transaction
from milter_server.variables import MilterEnvironment, takes_time

OPTION: Final = "milter_pop_before_smtp"
YES: Final = (b"yes", b"true", b"1")
NO: Final = (b"", b"no", b"false", b"0")


class PopBeforeSmtpError(EximDkimError):
    """It cannot be said whether a client is one of these; the text says why."""


class PopBeforeSmtp:
    """Who has fetched mail, as the option of these settings says."""

    __slots__ = ("_files", "_known", "_settings", "_slow")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slow = takes_time(settings.text(OPTION))
        self._files = RealFiles()
        self._known = (b"", HostList())  # a text, and what it lists

    async def has(self, fields: Sequence[HeaderField], transaction: Transaction) -> bool:
        """Whether the client of a message is one. Raises `PopBeforeSmtpError`."""
        client = transaction.connection.client
        if client is None:
            return False
        if self._slow:
            return await asyncio.to_thread(self._has, client, fields, transaction)
        return self._has(client, fields, transaction)

    def has_address(self, path: bytes, client: ClientAddress) -> bool:
        """Whether a file has the address. Raises `PopBeforeSmtpError`."""
        try:
            content = self._files.read(path)
            if is_berkeley_db(content):
                key = str(client).encode()
                return any(look_for(content, key + end) is not None for end in (b"", b"\0"))
            if path.endswith(b".cdb"):
                return cdb.find(Request(str(client).encode(), path, (), self._files)) is not None
        except (FileTrouble, BerkeleyDbTrouble, LookupDeferred, LookupFailed) as error:
            raise PopBeforeSmtpError(f"{OPTION}: {os.fsdecode(path)}: {error}") from None
        text, listed = self._known
        if content != text:
            listed = HostList(_addresses(content))
            self._known = content, listed
        return listed.contains(client)

    def _has(self, client: ClientAddress, fields: Sequence[HeaderField], transaction: Transaction) -> bool:
        try:
            template = self._settings.template(OPTION)
            assert template is not None
            value = expand(template, MilterEnvironment(self._settings, fields, transaction, {}))
        except (ExpansionError, ConfigurationError) as error:
            raise PopBeforeSmtpError(f"{OPTION}: {error}") from None
        word = value.text.strip().lower()
        if word in YES or word in NO:
            return word in YES
        return self.has_address(_path(value), client)


def _path(value: Value) -> bytes:
    if not value.text.startswith(b"/") or value.tainted:
        what = "a file name that is tainted" if value.tainted else "neither a file (/…) nor yes or no"
        raise PopBeforeSmtpError(f"{OPTION}: it expands to {what}")
    return value.text


def _addresses(content: bytes) -> Iterator[str]:
    """The addresses and networks with which lines begin; other lines say nothing. A line that has no end yet is being
    written, and may look like another address.
    """
    whole = content[: content.rfind(b"\n") + 1].decode("utf-8", "replace")
    for entry in islice(file_entries(whole), MAX_ENTRIES):
        word = entry.split()[0].strip('"[]')
        word = word if word.endswith("::") else word.removesuffix(":").rstrip('"]')
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError:
            continue
        yield word
