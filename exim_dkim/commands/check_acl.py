"""Does Exim's configuration ask the look-up server as it must be asked? Read through `exim -bP config`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from exim_dkim.commands.exim_user import ask_exim
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.config.values import parse_time
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.access import READ, User, find_barrier
from exim_dkim.system.lookup_client import parse_address

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

DEFAULT_PATIENCE: Final = 5
"""Seconds that readsocket waits when it is not told."""

_CALL: Final = "${readsocket"
_OUR_REQUEST: Final = re.compile(
    r"\s*(?:(?:why |smtp )?(?:dkim|domainkeys|spf|senderid|authres|all|json|forged|foreign)\b|\$acl_arg1\\n)"
)
_ASKS_AUTHRES: Final = re.compile(r"\{\s*authres\b")
_ASKS_FORGED: Final = re.compile(r"\{\s*forged\b")
_TABLE: Final = re.compile(r"lsearch[^{}]*\{(/[^{}$]*(?:exim-dkim|signs-always)[^{}$]*)\}")
_PASTE: Final = "Paste what this prints: exim-dkim exim-config macros lookup rcpt data"


def check_acl(settings: Settings, user: User) -> Iterator[Finding]:
    """Findings about the look-ups in Exim's configuration; none when Exim does not show it to this user."""
    text = ask_exim("config")
    if text is None or "# Exim Configuration" not in text[:200]:
        return
    yield from check_text(text, _listening(settings), settings.seconds("lookup_timeout"))
    yield from _check_tables(text, user)


def _listening(settings: Settings) -> list[str]:
    """The server's sockets, as `${readsocket` wants them; wrong ones are left to `check_sockets`."""
    found = []
    for item in settings.items("lookup_listen"):
        with contextlib.suppress(ValueError):
            found.append(parse_address(item).readsocket_spec)
    return found


def check_text(text: str, listen: Sequence[str], server_seconds: int) -> Iterator[Finding]:
    """Findings about every readsocket with a request of ours in the text of a configuration."""
    calls = [call for call in map(arguments, _calls(text)) if len(call) > 1 and _OUR_REQUEST.match(call[1])]
    if not calls:
        yield Finding(Level.OK, "Exim: nothing in its configuration asks the look-up server", _PASTE)
    for call in calls:
        faults = list(_call_faults(call, listen, server_seconds))
        yield from faults
        if not faults:
            yield Finding(Level.OK, f"Exim: asks the look-up server at {call[0]}")
    if _ASKS_AUTHRES.search(text) and not _ASKS_FORGED.search(text):
        yield Finding(
            Level.WARN,
            "Exim: asks for authres, never for forged: mail may bring Authentication-Results in our name (RFC 8601 §5)",
            "See the DATA ACL that this prints: exim-dkim exim-config data",
        )


def _calls(text: str) -> Iterator[str]:
    """What follows each `${readsocket`, up to the end of its line: Exim prints joined lines."""
    at = text.find(_CALL)
    while at >= 0:
        end = text.find("\n", at)
        yield text[at + len(_CALL) : end if end >= 0 else len(text)]
        at = text.find(_CALL, at + 1)


def arguments(text: str) -> list[str]:
    """The arguments in braces that `text` begins with, one after the other."""
    found = []
    depth = start = 0
    for position, character in enumerate(text):
        if character == "{":
            depth += 1
            if depth == 1:
                start = position + 1
        elif character == "}":
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                found.append(text[start:position])
        elif depth == 0 and not character.isspace():
            break
    return found


def _call_faults(call: list[str], listen: Sequence[str], server_seconds: int) -> Iterator[Finding]:
    socket = call[0].strip()
    if "$" not in socket and socket not in listen:
        yield Finding(
            Level.FAIL,
            f"Exim: asks at {socket}, but the server's lookup_listen is {' '.join(listen)}",
            "Make both the same; exim-dkim exim-config macros prints the server's.",
        )
    if len(call) < 5:
        yield Finding(
            Level.WARN,
            f"Exim: a look-up at {socket} has no fifth argument: without the server the ACL fails, not the look-up",
            "Write ${readsocket {SOCKET}{REQUEST}{6s}{}{defer}}",
        )
    options = call[2].split(":") if len(call) > 2 else []
    if "tls=yes" in options and socket.startswith("/"):
        yield Finding(Level.FAIL, f"Exim: tls=yes for the Unix socket {socket} crashes Exim 4.96", "Take it out.")
    patience = _seconds(options[0]) if options else DEFAULT_PATIENCE
    if patience is not None and patience <= server_seconds:
        yield Finding(
            Level.WARN,
            f"Exim: waits {patience}s for the look-up server, which may take {server_seconds}s (lookup_timeout)",
            f"Let it wait {server_seconds + 2}s, or make lookup_timeout less than {patience}s.",
        )


def _seconds(text: str) -> int | None:
    """A time of Exim's; None for what is none, such as an expansion."""
    try:
        return parse_time("timeout", text.strip().encode()) if text.strip() else DEFAULT_PATIENCE
    except ConfigurationError:
        return None


def _check_tables(text: str, user: User) -> Iterator[Finding]:
    """A table that is missing makes the ACL that looks into it fail, and all mail be deferred."""
    for path in dict.fromkeys(_TABLE.findall(text)):
        barrier = find_barrier(path.strip(), user, READ)
        if barrier is not None and barrier.status is None:
            yield Finding(
                Level.FAIL,
                f"Exim: its configuration looks into {path}, which does not exist: it would defer mail",
                f"touch {path}",
            )
