"""`MessageEnvironment`: what an expansion may ask for, answered from a message, Exim's spool and the file system.

Header variables come from the header fields given, which are those that are signed. Other variables come, in this
order, from the ones given (a request's control lines), the configuration, the clock, and the message's `-H` and `-D`
files, which are opened only when a template asks for something in them. If they should be there and are not, the
expansion fails: nothing is signed on a guess.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import EmptyEnvironment, Files, FileTrouble, Outside
from exim_dkim.expansion.value import Value, plain
from exim_dkim.message import HeaderField
from exim_dkim.system.filecache import FileCache
from exim_dkim.system.files import FileAccessError

if TYPE_CHECKING:
    from exim_dkim.expansion.environment import Services
    from exim_dkim.system.message_variables import MessageVariables

MAX_FILE: Final = 16 << 20  # bytes of a look-up table or of what `${readfile` inserts

_TABLES: Final = FileCache()
_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "dir"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISBLK, "bdev"),
    (stat.S_ISCHR, "cdev"),
)


class RealFiles:
    """The file system, for expansions."""

    def read(self, path: bytes) -> bytes:
        """The content of a regular file of at most MAX_FILE bytes."""
        try:
            return _TABLES.read(path, MAX_FILE)
        except FileAccessError as error:
            raise FileTrouble(error.reason + (f"; try: {error.advice}" if error.advice else "")) from None

    def exists(self, path: bytes) -> bool:
        """Whether there is something of this name."""
        return os.path.exists(path)

    def kind(self, path: bytes, follow: bool) -> str | None:
        """What sort of thing there is."""
        try:
            mode = os.stat(path, follow_symlinks=follow).st_mode
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise FileTrouble(getattr(error, "strerror", None) or str(error)) from None
        return next((name for test, name in _KINDS if test(mode)), None)


class MessageEnvironment(EmptyEnvironment):
    """The environment of one message.

    `fields`: its header. `variables`: values that are known already, by name. `message_id`, `spool_directory` (default:
    the option) and `queue_name` say where Exim keeps the message. Without a message id, variables that Exim has from
    there have no value; with `in_spool`, which says that it is in a spool all the same, they are an error.
    """

    def __init__(
        self,
        settings: Settings,
        fields: Sequence[HeaderField] = (),
        variables: Mapping[bytes, Value] | None = None,
        *,
        message_id: str = "",
        spool_directory: str = "",
        queue_name: str = "",
        in_spool: bool = False,
        now: float | None = None,
        files: Files | None = None,
        services: Services | None = None,
    ) -> None:
        self._settings = settings
        self._fields = fields
        self._variables = dict(variables or {})
        self._place = (spool_directory or settings.string("spool_directory"), queue_name, message_id)
        self._in_spool = in_spool or bool(message_id)
        self._now = now
        self._files: Files = RealFiles() if files is None else files
        self._services = services
        self._texts: tuple[bytes, ...] | None = None
        self._message: MessageVariables | None = None
        self._known: dict[bytes, Value | None] = {}
        self.known_headers = {}
        self.known_lookups = {}
        self.headers_charset = settings.string("headers_charset")
        self.check_rfc2047_length = settings.boolean("check_rfc2047_length")
        self.strict_acl_vars = settings.boolean("strict_acl_vars")

    @property
    def files(self) -> Files:
        """The file system."""
        return self._files

    @property
    def services(self) -> Services:
        """The DNS and other services, as the configuration wants them."""
        if self._services is None:
            from exim_dkim.system.services import MessageServices

            self._services = MessageServices(self._settings)
        return self._services

    @property
    def outside(self) -> Outside:
        """The system; the look-up server's own sockets are not to be asked."""
        from exim_dkim.system.outside import RealOutside

        return RealOutside([os.fsencode(item) for item in self._settings.items("lookup_listen")])

    def header_fields(self) -> Sequence[bytes]:
        """The fields as Exim has them: with LF."""
        if self._texts is None:
            self._texts = tuple(field.raw.replace(b"\r\n", b"\n") + b"\n" for field in self._fields)
        return self._texts

    def named_list(self, kind: str, name: bytes) -> bytes | None:
        """A named list of the configuration."""
        return self._settings.named_lists.get((kind, name.decode("utf-8", "surrogateescape")))

    def variable(self, name: bytes) -> Value | None:
        """A variable; None if it has no value here. Raises ExpansionError if the spool cannot be read."""
        if name in self._known:
            return self._known[name]
        value = self._variable(name)
        if name not in _CHANGING:
            self._known[name] = value
        return value

    def _variable(self, name: bytes) -> Value | None:
        if name in self._variables:
            return self._variables[name]
        if name in _SETTINGS:
            return plain(_SETTINGS[name](self))
        if name.startswith(b"tod_") or name == b"pid":
            from exim_dkim.system.clock import clock_variable

            return clock_variable(name, self._now)
        if name in _PARTS and b"sender_address" in self._variables:
            return self._part_of_sender(name)
        return self._of_message(name)

    def _part_of_sender(self, name: bytes) -> Value:
        """The local part or the domain of a sender that was given."""
        sender = self._variables[b"sender_address"]
        local_part, at, domain = sender.text.rpartition(b"@")
        if name == b"sender_address_domain":
            return Value(domain if at else b"", sender.tainted)
        return Value(local_part if at else sender.text, sender.tainted)

    def _of_message(self, name: bytes) -> Value | None:
        """A variable that comes from the header or the spool."""
        if self._message is None:
            from exim_dkim.system.message_variables import MessageVariables

            split = self._settings.boolean("split_spool_directory")
            place = self._place if self._in_spool else None
            self._message = MessageVariables(self, self._settings, place, split, self._now)
        try:
            return self._message.get(name)
        except (OSError, ValueError) as error:
            raise ExpansionError(f"${name.decode()} is not known: {error}") from None

    def primary_hostname(self) -> bytes:
        """The option, or what the system says."""
        return self._settings.text("primary_hostname") or os.fsencode(os.uname().nodename)

    def configured(self, name: str) -> bytes:
        """An option that is a string."""
        return self._settings.text(name)

    def spool_directory(self) -> bytes:
        """Where the message is."""
        return os.fsencode(self._place[0])

    def queue_name(self) -> bytes:
        """The queue that the message is in."""
        return os.fsencode(self._place[1])

    def message_id(self) -> bytes:
        """Exim's id of the message."""
        return os.fsencode(self._place[2])

    def config_file(self) -> bytes:
        """The configuration file."""
        return os.fsencode(self._settings.file)


_CHANGING: Final = frozenset(
    b"message_age pid tod_bsdinbox tod_epoch tod_epoch_l tod_full tod_log tod_logfile tod_zone tod_zulu".split()
)
_PARTS: Final = frozenset((b"sender_address_domain", b"sender_address_local_part"))


def _qualify_domain(environment: MessageEnvironment) -> bytes:
    return environment.configured("qualify_domain") or environment.primary_hostname()


_SETTINGS: Final[dict[bytes, Callable[[MessageEnvironment], bytes]]] = {
    b"primary_hostname": MessageEnvironment.primary_hostname,
    b"qualify_domain": _qualify_domain,
    b"qualify_recipient": _qualify_domain,
    b"spool_directory": MessageEnvironment.spool_directory,
    b"queue_name": MessageEnvironment.queue_name,
    b"message_exim_id": MessageEnvironment.message_id,
    b"message_id": MessageEnvironment.message_id,
    b"config_file": MessageEnvironment.config_file,
    b"config_dir": lambda environment: environment.config_file().rpartition(b"/")[0],
}
