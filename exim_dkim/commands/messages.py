"""A message as the signing options see it: its header, the environment of its expansions, its key files."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from exim_dkim.commands.failure import Failure
from exim_dkim.errors import KeyFormatError
from exim_dkim.message import HeaderField, parse_header
from exim_dkim.system.mailbox import STDIN, read_message

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings
    from exim_dkim.envelope import Envelope
    from exim_dkim.expansion import Environment, Value
    from exim_dkim.expansion.environment import Services


def read_header(file: str) -> tuple[HeaderField, ...]:
    """The header fields of the message in `file` (`-`: standard input)."""
    if file == STDIN:
        message = read_message(sys.stdin.buffer, "stdin")
    else:
        with open(file, "rb") as stream:
            message = read_message(stream, file)
    if message.problem:
        raise Failure(f"{file}: {message.problem}")
    return parse_header(message.header)


def message_environment(
    settings: Settings,
    fields: Sequence[HeaderField],
    sender: str | None = None,
    services: Services | None = None,
    client: str | None = None,
    helo: str | None = None,
) -> Environment:
    """What expansions may ask for, for a message with these header fields that is not in Exim's spool.

    `sender` is the envelope sender, `client` the address of the host that brought the message; None when it is not
    known. `services`: None means those of the configuration.
    """
    from exim_dkim.system.environment import MessageEnvironment

    return MessageEnvironment(settings, fields, _claims(client, helo, sender), services=services)


def _claims(client: str | None, helo: str | None, sender: str | None) -> dict[bytes, Value]:
    """The variables of what is known of the envelope. Only the client's address does not come from a stranger."""
    from exim_dkim.expansion import Value

    given = {b"sender_host_address": client, b"sender_helo_name": helo, b"sender_address": sender}
    return {
        name: Value(text.encode("utf-8", "surrogateescape"), tainted=name != b"sender_host_address")
        for name, text in given.items()
        if text is not None
    }


def queued_file(settings: Settings, message_id: str) -> str:
    """The `-H` file of a message in the spool of the configuration; `Failure` when that is no message id of Exim's."""
    from exim_dkim.system.spool import SpoolNameError, data_paths

    try:
        paths = data_paths(settings.string("spool_directory"), "", message_id, "-H")
    except SpoolNameError as error:
        raise Failure(str(error)) from None
    return next(filter(os.path.exists, paths), paths[0])


def queued_environment(
    settings: Settings,
    message_id: str,
    services: Services | None = None,
    client: str | None = None,
    helo: str | None = None,
    sender: str | None = None,
) -> Environment:
    """What expansions may ask for, for a message in the spool of the configuration; `Failure` when it is not there.

    What is given of the envelope is taken instead of what the spool says.
    """
    from exim_dkim.system.environment import MessageEnvironment
    from exim_dkim.system.spool import SpoolError, SpoolNameError, read_spool_header

    spool = settings.string("spool_directory")
    try:
        header = read_spool_header(spool, "", message_id, split=settings.boolean("split_spool_directory"))
    except (SpoolNameError, SpoolError) as error:
        raise Failure(str(error)) from None
    text = b"".join(field.text for field in header.fields if field.type != b"*")
    fields = parse_header(text.replace(b"\n", b"\r\n"))
    return MessageEnvironment(
        settings,
        fields,
        _claims(client, helo, sender),
        message_id=message_id,
        spool_directory=spool,
        services=services,
    )


def queued_message(settings: Settings, message_id: str) -> tuple[tuple[HeaderField, ...], Envelope]:
    """Header and envelope of a message in the spool of the configuration; `Failure` when it is not there."""
    from exim_dkim.expansion.lookups import LookupDeferred
    from exim_dkim.expansion.lookups.spf import envelope_of

    environment = queued_environment(settings, message_id)
    try:
        envelope = envelope_of(environment)
    except LookupDeferred as error:
        raise Failure(f"{message_id}: {error}") from None
    return parse_header(b"".join(environment.header_fields()).replace(b"\n", b"\r\n")), envelope


def key_reader(settings: Settings, as_exim: bool = False) -> Callable[[str], bytes]:
    """Reads private keys by the rules of the configuration; raises `KeyFormatError` with place and remedy.

    `as_exim`: this process is Exim's user, so what it may not read has to be opened to it.
    """
    from exim_dkim.system.files import FileAccessError, read_private_key

    directory = settings.string("key_directory") or None

    def read(path: str) -> bytes:
        try:
            return read_private_key(path, directory)
        except FileAccessError as error:
            if as_exim or error.error not in (errno.EACCES, errno.EPERM):
                raise KeyFormatError(str(error)) from None
            raise KeyFormatError(f"{error.path}: {error.reason}; run this as root or as Exim's user") from None

    return read
