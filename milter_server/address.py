"""Where a milter listens, as MTAs and their filters write it: `inet:PORT@HOST`, `inet6:PORT@HOST`, `unix:/PATH`.

`local:/PATH` and a bare `/PATH` are Unix sockets too. Without `@HOST` it is every address of the host, as in Sendmail's
library. An address may stand in brackets.
"""

from __future__ import annotations

from exim_dkim.system.lookup_client import MAX_UNIX_PATH, Address

_ANY = {"inet": "0.0.0.0", "inet6": "::"}  # noqa: S104 - what the notation means


def parse_milter_address(text: str) -> Address:
    """The address of a listening socket; `ValueError` otherwise."""
    text = text.strip()
    kind, colon, rest = text.partition(":")
    if text.startswith("/"):
        kind, rest = "unix", text
    if kind in ("unix", "local") and rest.startswith("/"):
        if len(rest.encode("utf-8", "surrogateescape")) > MAX_UNIX_PATH:
            raise ValueError(f"the path of a Unix socket has at most {MAX_UNIX_PATH} bytes")
        return Address(path=rest)
    if kind not in _ANY or not colon:
        raise ValueError("a socket is inet:PORT@HOST, inet6:PORT@HOST, unix:/PATH or local:/PATH")
    port, at, host = rest.partition("@")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is not a port number; want {kind}:PORT@HOST")
    if at and not host:
        raise ValueError(f"there is no host behind the @; want {kind}:PORT@HOST")
    return Address(host=host.removeprefix("[").removesuffix("]") or _ANY[kind], port=int(port))
