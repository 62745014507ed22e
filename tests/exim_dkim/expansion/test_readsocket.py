"""`${readsocket`: its options, and what it does with a reply; real sockets are in system/test_outside.py."""

from __future__ import annotations

import pytest

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Value, expand, parse_template
from exim_dkim.expansion.environment import NoOutside, Outside, OutsideTrouble


class Service(NoOutside):
    """A service that says what it was asked, or nothing."""

    def __init__(self) -> None:
        self.asked: tuple[bytes, bytes, int, bool] | None = None

    def ask_socket(self, address: bytes, request: bytes, seconds: int, *, shutdown: bool) -> bytes:
        self.asked = (address, request, seconds, shutdown)
        if address == b"/down":
            raise OutsideTrouble("failed to connect to socket /down: Connection refused")
        return request


class Mail(EmptyEnvironment):
    """An environment with that service."""

    def __init__(self) -> None:
        self.service = Service()

    @property
    def outside(self) -> Outside:
        return self.service

    def variable(self, name: bytes) -> Value | None:
        return Value(b"a\nb\0c\nd", True) if name == b"sender_address" else None


@pytest.mark.parametrize(
    ("template", "asked"),
    [
        (b"${readsocket{/up}{x}}", (b"/up", b"x", 5, True)),
        (b"${readsocket{/up}{x}{}}", (b"/up", b"x", 5, True)),
        (b"${readsocket{/up}{x}{3s}}", (b"/up", b"x", 3, True)),
        (b"${readsocket{/up}{x}{1m:shutdown=no}}", (b"/up", b"x", 60, False)),
        (b"${readsocket{inet:h:1}{x}{2s:cache=yes:shutdown=yes}{}}", (b"inet:h:1", b"x", 2, True)),
    ],
)
def test_what_is_asked(template: bytes, asked: tuple[bytes, bytes, int, bool]) -> None:
    environment = Mail()
    assert expand(parse_template(template), environment) == Value(b"x", False)
    assert environment.service.asked == asked


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        (b"${readsocket{/up}{a\\nb\\n}}", b"a\nb\n"),
        (b"${readsocket{/up}{a\\nb\\n}{}{,}}", b"a,b,"),
        (b"${readsocket{/up}{}}", b""),
        (b"${readsocket{/down}{x}{}{}{failed}}", b"failed"),
        (b"${readsocket{$sender_address}{x}{}{}{failed}}", b"failed"),
        (b"${readsocket{/up}{$sender_address}}", b"a\nb"),
    ],
)
def test_the_reply(template: bytes, wanted: bytes) -> None:
    assert expand(parse_template(template), Mail()) == Value(wanted, False)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (b"${readsocket{/down}{x}}", "failed to connect to socket /down: Connection refused"),
        (b"${readsocket{$sender_address}{x}}", "Tainted path or host for readsocket"),
        (b"${readsocket{/up}{x}{tls=yes}}", '"tls=yes" is not a time'),
        (b"${readsocket{/up}{x}{1s:tls=yes}}", 'option "tls=yes" of readsocket is not supported here'),
        (b"${readsocket{/up}}", "Not enough arguments for 'readsocket'"),
        (b"${readsocket{/up}{a}{}{}{}{}}", "missing '}' closing readsocket"),
    ],
)
def test_what_fails(template: bytes, message: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        expand(parse_template(template), Mail())
    assert message in caught.value.message


def test_what_is_skipped_asks_nobody() -> None:
    environment = Mail()
    assert expand(parse_template(b"${if eq{a}{b}{${readsocket{/up}{x}}}{n}}"), environment).text == b"n"
    assert environment.service.asked is None
