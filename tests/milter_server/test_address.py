"""milter_server.address: where a milter listens, as MTAs write it."""

from __future__ import annotations

import pytest

from exim_dkim.system.lookup_client import Address
from milter_server.address import parse_milter_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("inet:8891@localhost", Address(host="localhost", port=8891)),
        ("inet:8891@127.0.0.1", Address(host="127.0.0.1", port=8891)),
        ("inet:8891@[127.0.0.1]", Address(host="127.0.0.1", port=8891)),
        ("inet6:8891@::1", Address(host="::1", port=8891)),
        ("inet6:8891@[::1]", Address(host="::1", port=8891)),
        ("inet:8891", Address(host="0.0.0.0", port=8891)),
        ("inet6:65535", Address(host="::", port=65535)),
        ("unix:/run/milter/dkim.sock", Address(path="/run/milter/dkim.sock")),
        ("local:/run/a:b", Address(path="/run/a:b")),
        (" /run/dkim ", Address(path="/run/dkim")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_milter_address(text) == address


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "a socket is"),
        ("unix:relative", "a socket is"),
        ("dkim.sock", "a socket is"),
        ("tcp:8891@localhost", "a socket is"),
        ("inet", "a socket is"),
        ("inet:", "not a port number"),
        ("inet:0@localhost", "not a port number"),
        ("inet:65536", "not a port number"),
        ("inet:localhost:8891", "not a port number; want inet:PORT@HOST"),
        ("inet:8891@", "no host behind the @"),
        ("inet:٣@localhost", "not a port number"),
        ("unix:/" + "x" * 107, "at most 107 bytes"),
    ],
)
def test_what_is_no_address(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_milter_address(text)
