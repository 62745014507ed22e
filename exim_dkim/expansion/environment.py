"""All that an expansion may ask for: variables, header fields, named lists, files, and what is outside of them.

The language itself touches nothing.

`exim_dkim.system.environment` answers from a message, Exim's spool and the file system; tests from dictionaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from exim_dkim.expansion.value import Value

if TYPE_CHECKING:
    from exim_dkim.envelope import Envelope
    from exim_dkim.resolver import Answer, Question


# By type, key and file: what was found, if that proves that the table has the key, and `$0`, `$1` … if they are set.
FoundByLookup = tuple[Value | None, bool, tuple[Value, ...] | None]
KnownLookups = dict[tuple[object, Value, Value], FoundByLookup]


class FileTrouble(Exception):
    """A file that could not be read or examined; the text is the system's reason."""


class Files(Protocol):
    """The file system, as far as an expansion may look. Paths are absolute; every method may raise FileTrouble."""

    def read(self, path: bytes) -> bytes:
        """The content of a regular file of bounded size."""
        ...

    def exists(self, path: bytes) -> bool:
        """Whether there is something of this name, after following links."""
        ...

    def kind(self, path: bytes, follow: bool) -> str | None:
        """`file`, `dir`, `link`, `fifo`, `socket`, `bdev` or `cdev`; None if there is nothing of this name."""
        ...


class ServiceTrouble(Exception):
    """A service that cannot be had; the text says why."""


class Services(Protocol):
    """What look-ups may ask besides files. Every method may raise ServiceTrouble."""

    def setting(self, name: str) -> bytes:
        """An option that says where servers are, such as `redis_servers`."""
        ...

    def resolve(self, *questions: Question) -> Sequence[Answer]:
        """The DNS's answers, in the order of the questions."""
        ...

    def authenticate(self, protocol: str, key: bytes) -> bytes:
        """What an ACL would be told of the message: for `dkim` and a domain or identity, `good`, `bad` …"""
        ...

    def judge(self, identity: str, envelope: Envelope, fields: Sequence[bytes]) -> bytes:
        """The RFC 8601 word of SPF (`spf`, `spf helo`) or Sender ID (`senderid pra`, `senderid mfrom`).

        `fields`: the header, as `Environment.header_fields` gives it; nothing for SPF.
        """
        ...


class OutsideTrouble(Exception):
    """What is outside could not be asked; the text is the whole message."""


class Outside(Protocol):
    """What an expansion may ask the system for, but for the content of files. Every method may raise OutsideTrouble."""

    def variable(self, name: bytes) -> bytes | None:
        """A variable of the process environment."""
        ...

    def random_below(self, limit: int) -> int:
        """A random number from 0 to `limit` - 1, not for keys."""
        ...

    def status(self, path: bytes) -> tuple[int, ...]:
        """Of a file: mode, inode, device, links, uid, gid, size, and the times of access, change and of its inode."""
        ...

    def ask_socket(self, address: bytes, request: bytes, seconds: int, *, shutdown: bool) -> bytes:
        """The reply to a request on a Unix socket or `inet:HOST:PORT`, within so many seconds in all, of bounded size.

        `shutdown`: the writing half is closed after the request.
        """
        ...


class Environment(Protocol):
    """What a message and a configuration give to an expansion."""

    headers_charset: str
    check_rfc2047_length: bool
    strict_acl_vars: bool
    known_lookups: KnownLookups | None  # what look-ups have found, kept as long; None: not kept
    known_headers: dict[tuple[bytes, bytes], Value] | None  # header variables, kept by form and name; None: not kept

    @property
    def files(self) -> Files:
        """The file system, or what stands for it."""
        ...

    @property
    def outside(self) -> Outside:
        """The system, or what stands for it."""
        ...

    @property
    def services(self) -> Services:
        """The DNS and other services."""
        ...

    def variable(self, name: bytes) -> Value | None:
        """The value of a variable; None if it is not set, or has no meaning here."""
        ...

    def header_fields(self) -> Sequence[bytes]:
        """The message's header fields, each whole, in Exim's form: lines end in LF, the last one too."""
        ...

    def named_list(self, kind: str, name: bytes) -> bytes | None:
        """The text of a named list (`domain`, `host`, `address` or `localpart`); None if there is none."""
        ...


class EmptyEnvironment:
    """An environment with nothing in it; a base for others."""

    headers_charset = "UTF-8"
    check_rfc2047_length = True
    strict_acl_vars = False
    known_headers: dict[tuple[bytes, bytes], Value] | None = None
    known_lookups: KnownLookups | None = None

    def variable(self, name: bytes) -> Value | None:
        """Not set."""
        return None

    def header_fields(self) -> Sequence[bytes]:
        """None."""
        return ()

    def named_list(self, kind: str, name: bytes) -> bytes | None:
        """None."""
        return None

    @property
    def files(self) -> Files:
        """No files either."""
        return NoFiles()

    @property
    def outside(self) -> Outside:
        """Nothing outside."""
        return NoOutside()

    @property
    def services(self) -> Services:
        """And no services."""
        return NoServices()


class NoFiles:
    """A file system in which nothing may be read."""

    def read(self, path: bytes) -> bytes:
        """Refused."""
        raise FileTrouble("file access is not available here")

    def exists(self, path: bytes) -> bool:
        """Refused."""
        raise FileTrouble("file access is not available here")

    def kind(self, path: bytes, follow: bool) -> str | None:
        """Refused."""
        raise FileTrouble("file access is not available here")


class NoServices:
    """Services of which there are none."""

    def setting(self, name: str) -> bytes:
        """Refused."""
        raise ServiceTrouble("there is no configuration here")

    def resolve(self, *questions: Question) -> Sequence[Answer]:
        """Refused."""
        raise ServiceTrouble("the DNS cannot be asked here")

    def authenticate(self, protocol: str, key: bytes) -> bytes:
        """Refused."""
        raise ServiceTrouble("nothing is verified here")

    def judge(self, identity: str, envelope: Envelope, fields: Sequence[bytes]) -> bytes:
        """Refused."""
        raise ServiceTrouble("the DNS cannot be asked here")


class NoOutside:
    """A system that says nothing."""

    def variable(self, name: bytes) -> bytes | None:
        """None is set."""
        return None

    def random_below(self, limit: int) -> int:
        """Refused."""
        raise OutsideTrouble("there are no random numbers here")

    def status(self, path: bytes) -> tuple[int, ...]:
        """Refused."""
        raise OutsideTrouble("file access is not available here")

    def ask_socket(self, address: bytes, request: bytes, seconds: int, *, shutdown: bool) -> bytes:
        """Refused."""
        raise OutsideTrouble("sockets are not available here")
