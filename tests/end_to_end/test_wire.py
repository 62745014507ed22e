"""What a sender puts on the wire is what the look-up server judges, whatever Exim's spool makes of it."""

from __future__ import annotations

import random
import re

import pytest

from tests.support.exim import Exim
from tests.support.samples import message, signed
from tests.support.smtp import Client, Reply
from tests.support.world import World

SPOOLS: dict[str, dict[str, str]] = {
    "plain": {},
    "split": {"SPLIT_SPOOL": "yes"},
    "wire": {"WIRE_FORMAT_SPOOL": "yes", "SPLIT_SPOOL": "yes"},
}
BODIES = {
    "dots": b"..\r\n.\r\n.a\r\n..b\r\n \r\n.\r\n",
    "blanks": b"a  b \t\r\n\t\r\n   \r\nend of it  \r\n",
    "empty lines at the end": b"text\r\n\r\n\r\n\r\n",
    "only empty lines": b"\r\n\r\n",
    "empty": b"",
    "8 bit": "Grüße, žluťoučký, 日本語\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "NUL": b"a\0b\r\n\0\r\n\0\0\0.\r\n",
    "long line": b"x" * 900 + b"\r\n" + b"y" * 997 + b"\r\n",
    "From line": b"From the beginning\r\n>From the end\r\n",
    "control characters": bytes(set(range(1, 32)) - {10, 13}) + b"\r\n\x7f\r\n",
}


@pytest.fixture(params=SPOOLS)
def receiver(world: World, request: pytest.FixtureRequest) -> Exim:
    """An Exim that keeps what it gets in its queue."""
    world.server()
    return world.receiver(request.param, SPOOLS[request.param], extra="queue_only")


def word(exim: Exim, reply: Reply) -> str:
    """The word that the look-up gave for the message of this reply."""
    assert reply.code == 250, reply
    return exim.wait_for_log(rf"{reply.text.partition('id=')[2]} DKIM (\S+) for \S+$")[1]


def by_data(exim: Exim, text: bytes) -> str:
    with Client(exim.port) as client:
        client.hello()
        assert client.envelope("", ["bob@rx.example"]).code == 250
        return word(exim, client.data(text))


def by_bdat(exim: Exim, *chunks: bytes) -> str:
    with Client(exim.port) as client:
        assert "CHUNKING" in client.hello().text
        assert client.envelope("", ["bob@rx.example"]).code == 250
        return word(exim, client.bdat(*chunks))


@pytest.mark.parametrize("canonicalization", ["simple/simple", "relaxed/relaxed"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_body_survives_the_spool(receiver: Exim, body: bytes, canonicalization: str) -> None:
    """Every byte counts with `simple`; DATA and BDAT, spools in LF and in wire format, split or not."""
    text = signed(message(body=body), canonicalization=canonicalization)
    assert by_data(receiver, text) == "good"
    assert by_bdat(receiver, text) == "good"
    cut = len(text) // 2
    assert by_bdat(receiver, text[:cut], text[cut : cut + 1], text[cut + 1 :], b"") == "good"


@pytest.mark.parametrize("end", [b"!\r\n", b"\r\nmore\r\n"])
def test_changed_body_is_bad(receiver: Exim, end: bytes) -> None:
    text = signed(message(body=b"one\r\n"), canonicalization="simple/simple").removesuffix(b"\r\n") + end
    assert by_data(receiver, text) == "bad"
    assert by_bdat(receiver, text) == "bad"


def test_bdat_without_final_newline(receiver: Exim) -> None:
    """RFC 6376 §3.4.3: a body that does not end in CRLF is hashed as if it did; Exim's spool adds it anyway."""
    text = signed(message(body=b"one\r\ntwo"), canonicalization="simple/simple")
    assert by_bdat(receiver, text) == "good"


HEADERS = {
    "8 bit": "X-Name: Grüße\r\n".encode() + b"X-Raw: \xff\xfe\x80\r\n",
    "folded": b"X-Folded: one\r\n two\r\n\t\tthree\r\n  \t four\r\n",
    "blanks": b"X-Blank:    a   b\t\r\nX-Empty:\r\nX-Spaces:   \r\n",
    "names": b"x-mixed-CASE: 1\r\nX-Twice: 1\r\nX-Twice: 2\r\n",
    "looks like a request": b"X-Request: control = dkim_verify\r\n spool_directory = /etc\r\n",
}
EXTRA_NAMES = (b"x-name x-raw x-folded x-blank x-empty x-spaces x-mixed-case x-twice x-twice x-request").split()


@pytest.mark.parametrize("canonicalization", ["simple/simple", "relaxed/relaxed"])
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_header_survives_the_request(receiver: Exim, header: bytes, canonicalization: str) -> None:
    names = (b"From", b"Subject", *EXTRA_NAMES)
    text = signed(message(header=header), canonicalization=canonicalization, names=names)
    assert by_data(receiver, text) == "good"
    assert by_bdat(receiver, text) == "good"


def filler(size: int) -> bytes:
    """Header fields of `size` bytes altogether on the wire, 100 at a time."""
    return (b"X-Filler: " + b"f" * 88 + b"\r\n") * (size // 100)


def test_header_just_below_the_limit(receiver: Exim) -> None:
    """Exim hands out 64 KiB of header, its own Received: field included, with LF line ends."""
    assert by_data(receiver, signed(message(header=filler(60_000)))) == "good"


@pytest.mark.parametrize("size", [66_000, 70_000, 200_000])
@pytest.mark.parametrize("case", ["good", "unsigned", "last"])
def test_header_over_the_limit_is_unverified(receiver: Exim, size: int, case: str) -> None:
    """Neither good nor bad nor unsigned can be said when the end of the header is missing."""
    text = message(header=filler(size))
    if case == "good":
        text = signed(text)
    elif case == "last":
        field = signed(text)[: -len(text)]
        text = text.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n", 1)
    assert by_data(receiver, text) == "unverified"


def test_header_around_the_limit(receiver: Exim) -> None:
    """Wherever Exim cuts, within a line, between fields or just behind the last: never bad, never unsigned."""
    field_and_rest = len(signed(message()))
    words = set()
    for size in range(65_536 - field_and_rest - 300, 65_536 - 200, 50):
        padding = b"X-Filler: " + b"f" * 980 + b"\r\n"
        header = padding * (size // len(padding))
        header += b"X-Rest: " + b"r" * (size % len(padding)) + b"\r\n"
        words.add(by_data(receiver, signed(message(header=header))))
    assert words == {"good", "unverified"}


def test_20_megabytes(receiver: Exim) -> None:
    generator = random.Random(20)
    line = bytes(generator.choices(range(32, 127), k=76)) + b"\r\n"
    body = line * (20_000_000 // len(line))
    text = signed(message(body=body))
    assert by_data(receiver, text) == "good"
    assert by_bdat(receiver, text) == "good"


def test_lone_line_ends_are_never_wrongly_good(receiver: Exim) -> None:
    """Exim makes a line end of a lone LF (and of a lone CR) that comes by DATA, so such a body is not what was signed.
    Whatever it makes of it, text that was not signed must not become good."""
    for lone in (b"\n", b"\r"):
        text = signed(message(body=b"one" + lone + b"two\r\n"), canonicalization="simple/simple")
        assert by_data(receiver, text) in ("good", "bad")
        other = text.replace(b"one" + lone + b"two", b"one" + lone + b"2wo")
        assert by_data(receiver, other) == "bad"


def test_spools_are_what_we_think(world: World) -> None:
    """The files from which the server has read the bodies."""
    world.server()
    for name, macros in SPOOLS.items():
        exim = world.receiver(name, macros, extra="queue_only")
        assert by_bdat(exim, signed(message(body=b".dot\r\n"))) == "good"
        identifier = exim.queue()[-1]
        subdirectory = identifier[5] if "SPLIT_SPOOL" in macros else ""
        data = (exim.spool / "input" / subdirectory / f"{identifier}-D").read_bytes()
        line_end = b"\r\n" if "WIRE_FORMAT_SPOOL" in macros else b"\n"
        assert data.partition(b"\n")[2] == b".dot" + line_end


def test_no_traces_left(receiver: Exim) -> None:
    """After all this neither Exim nor the server has anything to complain about."""
    assert receiver.panic_log() == ""
    assert not re.search(r"look-up failed| 421 ", receiver.main_log())
