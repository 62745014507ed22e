"""The variables of a message: from its header, and from Exim's `-H` and `-D` files (Exim specification §11.9)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Final

from exim_dkim.config.settings import Settings
from exim_dkim.errors import EximDkimError
from exim_dkim.expansion.environment import Environment
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.system.spool import open_data_file, read_spool_header
from exim_dkim.system.spool_header import SpoolHeader

_UNSIGNED: Final = 0xFFFFFFFF  # how C prints a uid
MAX_HEADERS: Final = 64 * 1024  # of $message_headers, as in Exim

# Variables that an option line of the -H file has as they are.
_OPTION_LINES: Final = {
    b"authenticated_id": b"auth_id",
    b"authenticated_sender": b"auth_sender",
    b"body_linecount": b"body_linecount",
    b"body_zerocount": b"body_zerocount",
    b"local_scan_data": b"local_scan",
    b"max_received_linelength": b"max_received_linelength",
    b"received_protocol": b"received_protocol",
    b"sender_helo_name": b"helo_name",
    b"sender_host_authenticated": b"host_auth",
    b"sender_host_name": b"host_name",
    b"sender_ident": b"ident",
    b"spam_bar": b"spam_bar",
    b"spam_score": b"spam_score",
    b"spam_score_int": b"spam_score_int",
    b"tls_cipher": b"tls_cipher",
    b"tls_in_cipher": b"tls_cipher",
    b"tls_in_ocsp": b"tls_ocsp",
    b"tls_in_peerdn": b"tls_peerdn",
    b"tls_in_ver": b"tls_ver",
    b"tls_peerdn": b"tls_peerdn",
}
# Numbers: 0 unless the -H file says otherwise.
_NUMBERS: Final = frozenset((b"body_linecount", b"body_zerocount", b"max_received_linelength", b"tls_in_ocsp"))
# Variables that are 1 if the -H file has an option line, else 0.
_FLAGS: Final = {
    b"host_lookup_deferred": b"host_lookup_deferred",
    b"host_lookup_failed": b"host_lookup_failed",
    b"tls_certificate_verified": b"tls_certificate_verified",
    b"tls_in_certificate_verified": b"tls_certificate_verified",
}
_HOST_PORT = lazy_pattern(rb"\[(.*)\]:([0-9]+)|(.*)\.([0-9]+)", re.DOTALL)


class MessageVariables:
    """The variables of one message; files are read when they are first needed, and once."""

    def __init__(
        self,
        environment: Environment,
        settings: Settings,
        place: tuple[str, str, str] | None,
        split: bool,
        now: float | None,
    ) -> None:
        """`place`: spool directory, queue and message id; None: the message is in no spool."""
        self.environment = environment
        self.settings = settings
        self.now = now
        self._place = place
        self._split = split
        self._header: SpoolHeader | None = None

    def get(self, name: bytes) -> Value | None:
        """A variable; None if it has no value. Raises ValueError with the reason if a spool file cannot be read."""
        if name in _FROM_FIELDS:
            return _FROM_FIELDS[name](self)
        if self._place is None:
            return None
        try:
            return self._of_spool(name)
        except EximDkimError as error:
            raise ValueError(str(error)) from None

    def _of_spool(self, name: bytes) -> Value | None:
        if name.startswith((b"acl_c", b"acl_m")):
            return self.header.acl.get(name)
        if name in _OPTION_LINES:
            value = self.header.options.get(_OPTION_LINES[name])
            return plain(b"0") if value is None and name in _NUMBERS else value
        if name in _FLAGS:
            return plain(b"1" if _FLAGS[name] in self.header.options else b"0")
        compute = _COMPUTED.get(name)
        return None if compute is None else compute(self)

    @property
    def header(self) -> SpoolHeader:
        """The message's -H file."""
        if self._header is None:
            self._header = read_spool_header(*self._named_place(), split=self._split)
        return self._header

    def _named_place(self) -> tuple[str, str, str]:
        assert self._place is not None
        if not self._place[2]:
            raise ValueError("nobody has said which message it is; give --message-id $message_exim_id")
        return self._place

    def body_size(self) -> int:
        """Bytes of the body, as Exim keeps it."""
        file, offset = open_data_file(*self._named_place(), split=self._split)
        with file:
            return os.fstat(file.fileno()).st_size - offset

    def body(self, from_end: bool) -> Value:
        """The beginning or the end of the body, on one line unless message_body_newlines."""
        length = self.settings.size("message_body_visible")
        file, offset = open_data_file(*self._named_place(), split=self._split)
        with file:
            size = os.fstat(file.fileno()).st_size
            text = os.pread(file.fileno(), length, max(offset, size - length) if from_end else offset)
        text = text.replace(b"\0", b" ")
        return Value(text if self.settings.boolean("message_body_newlines") else text.replace(b"\n", b" "), True)

    def option(self, name: bytes) -> Value | None:
        """An option line of the -H file."""
        return self.header.options.get(name)


# From the header fields


def _headers_raw(message: MessageVariables) -> Value:
    return Value(b"".join(message.environment.header_fields())[:MAX_HEADERS], True)


def _headers(message: MessageVariables) -> Value:
    from exim_dkim.expansion.rfc2047 import decode

    text = b"\n".join(field.strip() for field in message.environment.header_fields())[:MAX_HEADERS]
    return Value(decode(text, None, message.environment.check_rfc2047_length), True)


def _reply_address(message: MessageVariables) -> Value | None:
    from exim_dkim.expansion.headers import find_header

    for name in (b"reply-to:", b"from:"):
        value = find_header(b"rh", name, message.environment)
        if value is not None and value.text.strip():
            return Value(value.text.lstrip().replace(b"\n", b" ").rstrip(), True)
    return None


def _received_count(message: MessageVariables) -> Value:
    fields = message.environment.header_fields()
    return plain(b"%d" % sum(field[:9].lower() == b"received:" for field in fields))


_FROM_FIELDS: Final[dict[bytes, Callable[[MessageVariables], Value | None]]] = {
    b"message_headers": _headers,
    b"message_headers_raw": _headers_raw,
    b"received_count": _received_count,
    b"reply_address": _reply_address,
}


# From the spool


def _sender(message: MessageVariables) -> Value:
    return Value(message.header.sender, True)


def _sender_domain(message: MessageVariables) -> Value:
    return Value(message.header.sender.rpartition(b"@")[2] if b"@" in message.header.sender else b"", True)


def _sender_local_part(message: MessageVariables) -> Value:
    sender = message.header.sender
    return Value(sender.rpartition(b"@")[0] if b"@" in sender else sender, True)


def _host_part(name: bytes, port: bool) -> Callable[[MessageVariables], Value | None]:
    """The address or the port of an option line `[address]:port`, before Exim 4.96 `address.port`."""

    def variable(message: MessageVariables) -> Value | None:
        value = message.option(name)
        if value is None:
            return plain(b"0") if port else None
        match = _HOST_PORT.fullmatch(value.text)
        if match is None:
            return plain(b"0") if port else value
        address, digits = (match[1], match[2]) if match[1] is not None else (match[3], match[4])
        return plain(digits) if port else Value(address, value.tainted)

    return variable


_host_address: Final = _host_part(b"host_address", False)


def _names_of_host(message: MessageVariables) -> tuple[bytes, bytes | None, bytes] | None:
    """Name, HELO and address of the client, as far as known; no HELO where it says what another one does."""
    address, name, helo = _host_address(message), message.option(b"host_name"), message.option(b"helo_name")
    if address is None:
        return None
    same = {b"[" + address.text.lower() + b"]", b"[ipv6:" + address.text.lower() + b"]"}
    if name is not None:
        same.add(name.text.lower())
    shown = None if helo is None or helo.text.lower() in same else helo.text
    return b"" if name is None else name.text, shown, b"[" + address.text + b"]"


def _full_host(message: MessageVariables) -> Value | None:
    """`name (helo) [address]`, without what is not known."""
    names = _names_of_host(message)
    if names is None:
        return None
    name, helo, address = names
    said = message.option(b"helo_name")
    if not name and said is not None:
        helo = said.text  # shown in any case
    return Value(b" ".join(part for part in (name, b"" if helo is None else b"(" + helo + b")", address) if part), True)


def _received_host(message: MessageVariables) -> Value | None:
    """The client as in Received: fields, `name ([address] helo=… ident=…)`."""
    names = _names_of_host(message)
    if names is None:
        return None
    name, helo, address = names
    ident = message.option(b"ident")
    parts = [address] if name else []
    if helo is not None:
        parts.append(b"helo=" + helo)
    if ident is not None:
        parts.append(b"ident=" + ident.text)
    if not parts:
        return Value(address, True)
    blank = b"\n\t" if name and helo is not None and ident is not None else b" "
    return Value((name or address) + blank + b"(" + b" ".join(parts) + b")", True)


def _number(compute: Callable[[MessageVariables], int]) -> Callable[[MessageVariables], Value]:
    return lambda message: plain(b"%d" % compute(message))


def _size(message: MessageVariables) -> int:
    """As Exim counts it: header, empty line, body."""
    return message.body_size() + 1 + sum(len(field.text) for field in message.header.fields if field.type != b"*")


def _line_count(message: MessageVariables) -> int:
    lines = sum(field.text.count(b"\n") for field in message.header.fields if field.type != b"*")
    count = message.option(b"body_linecount")
    return lines + (int(count.text) if count is not None and count.text.isdigit() else 0)


def _age(message: MessageVariables) -> int:
    return max(0, int((time.time() if message.now is None else message.now) - message.header.received_time))


def _active_hostname(message: MessageVariables) -> Value | None:
    return message.option(b"active_hostname") or message.environment.variable(b"primary_hostname")


def _resumption(message: MessageVariables) -> Value:
    value = message.option(b"tls_resumption")
    return plain(b"%d" % (value.text[0] - 65) if value is not None and value.text[:1].isupper() else b"0")


def _server_name(message: MessageVariables) -> Value | None:
    from exim_dkim.expansion.escapes import unescape

    value = message.option(b"tls_sni")
    return None if value is None else Value(unescape(value.text), value.tainted)


_COMPUTED: Final[dict[bytes, Callable[[MessageVariables], Value | None]]] = {
    b"caller_gid": _number(lambda message: os.getgid()),
    b"caller_uid": _number(lambda message: os.getuid()),
    b"first_delivery": lambda message: plain(b"yes" if message.option(b"deliver_firsttime") else b""),
    b"interface_address": _host_part(b"interface_address", False),
    b"interface_port": _host_part(b"interface_address", True),
    b"message_age": _number(_age),
    b"message_body": lambda message: message.body(False),
    b"message_body_end": lambda message: message.body(True),
    b"message_body_size": _number(MessageVariables.body_size),
    b"message_linecount": _number(_line_count),
    b"message_size": _number(_size),
    b"message_smtputf8": lambda message: plain(b"yes" if message.option(b"smtputf8") else b"no"),
    b"originator_gid": _number(lambda message: message.header.gid & _UNSIGNED),
    b"originator_uid": _number(lambda message: message.header.uid & _UNSIGNED),
    b"received_ip_address": _host_part(b"interface_address", False),
    b"received_port": _host_part(b"interface_address", True),
    b"received_time": _number(lambda message: message.header.received_time),
    b"recipients_count": _number(lambda message: len(message.header.recipients)),
    b"return_path": _sender,
    b"sender_address": _sender,
    b"sender_address_domain": _sender_domain,
    b"sender_address_local_part": _sender_local_part,
    b"sender_fullhost": _full_host,
    b"sender_host_address": _host_address,
    b"sender_host_port": _host_part(b"host_address", True),
    b"sender_rcvhost": _received_host,
    b"smtp_active_hostname": _active_hostname,
    b"tls_in_bits": lambda message: plain(b"0"),
    b"tls_in_resumption": _resumption,
    b"tls_in_sni": _server_name,
    b"tls_sni": _server_name,
}
