"""The signing options beside Exim's own: the same strings and the same message give the same signatures.

Exim signs by itself, with options taken from the message's X- fields; our plan is made for the message that it sent.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from exim_dkim.config.grammar import BUILT_IN_MACROS, parse_configuration
from exim_dkim.message import HeaderField, parse_message
from exim_dkim.signing import plan_signatures
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.files import read_private_key
from tests.support.exim import Exim
from tests.support.peers import EXIM, only_with
from tests.support.smtp import submit
from tests.support.world import World

CONFIGURATION = Path(__file__).with_name("native_options.conf")
NOW = 1_800_000_000

# What our signatures are compared in: tag -> value; times as their distance.
Tags = dict[str, str]


class Native:
    """A signing Exim, and what it makes of messages."""

    def __init__(self, world: World, timestamps: str = "") -> None:
        self._sink = world.sink
        self.keys = world.directory / "keys"
        macros = {"SMART_HOST": f"127.0.0.1::{world.sink.port}", "KEYS": str(self.keys)}
        if timestamps:
            macros["TIMESTAMPS"] = timestamps
        self._exim: Exim = world.other_exim(f"native-options{timestamps}", CONFIGURATION, macros)
        self._timestamps = timestamps

    def sign(self, header: bytes) -> tuple[list[Tags], tuple[HeaderField, ...]]:
        """The signatures that Exim puts on a message with this header (LF), and the fields that it sends."""
        text = (header + b"\nbody\n").replace(b"\n", b"\r\n")
        reply = submit(self._exim.port, text, sender="alice@example.org", recipients=["bob@example.com"])
        assert reply.code == 250, reply
        fields = parse_message(self._sink.next().message).fields
        signatures = [field for field in fields if field.name == b"dkim-signature"]
        return [tags_of(field.raw) for field in signatures], fields[len(signatures) :]

    def plan(self, fields: tuple[HeaderField, ...]) -> list[Tags]:
        """The signatures that we would make with the same options."""
        text = CONFIGURATION.read_text().partition("driver = smtp\n")[2].partition("begin retry")[0]
        text = re.sub(r"^\s*allow_localhost\n", "", text, flags=re.MULTILINE)
        head = f"KEYS = {self.keys}\n" + (f"TIMESTAMPS = {self._timestamps}\n" if self._timestamps else "")
        settings = parse_configuration((head + text).encode())
        environment = MessageEnvironment(settings, fields)
        plan = plan_signatures(settings, environment, fields, NOW, read_private_key)
        made = []
        for signature in plan.signatures:
            request = signature.request
            tags = {
                "a": f"{signature.key.type}-{request.hash_name}",
                "c": f"{request.header_canonicalization}/{request.body_canonicalization}",
                "d": str(request.domain),
                "s": str(request.selector),
                "h": b":".join(request.names).decode(),
            }
            if request.identity is not None:
                tags["i"] = f"{request.identity[0].decode()}@{request.identity[1]}"
            if request.timestamp is not None:
                tags["t"] = "now" if request.timestamp == NOW else str(request.timestamp)
            if request.expiration is not None:
                tags["x"] = str(request.expiration - NOW)
            made.append(tags)
        return made


def tags_of(field: bytes) -> Tags:
    """The tags that can be compared."""
    text = re.sub(r"\s+", "", field.decode("latin-1").partition(":")[2])
    tags = dict(part.split("=", 1) for part in text.split(";") if part)
    if "x" in tags:
        tags["x"] = str(int(tags["x"]) - int(tags["t"]))
    if "t" in tags:
        tags["t"] = "now"
    return {name: value for name, value in tags.items() if name in "acdshitx"}


@pytest.fixture(scope="module")
def native(world: World) -> Native:
    return Native(world)


MESSAGE = b"""\
From: alice@example.org
To: bob@example.com
TO: carol@example.com
Cc: dave@example.com
Subject: test
X-Odd : blank before the colon
List-Id: <a.example>
Resent-From: eve@example.org
Received: by nowhere
Reply-To: a@example.org
Reply-To: b@example.org
Reply-To: c@example.org
Content-Type: text/plain
"""

LISTS = [
    b"From",
    b"From:To:Subject:Date",
    b"from:TO:sUBJECT",
    b"From:To:To:To:To",
    b"From:To:=To",
    b"From:=To:To",
    b"From:+To:To",
    b"From:To:+To",
    b"From:=Reply-To",
    b"From:+Reply-To:+Cc:+Date",
    b"From:Reply-To:Reply-To",
    b"=From:=To:=Missing",
    b"+From:+To:+Missing",
    b"+From:+From",
    b"=From:=From:=To",
    b"From:List-Id:List-Help:List-Post",
    b"From: :To",
    b" From : +To : =Cc ",
    b"From:++To",
    b"From:Received",
    b"From:X-List:=X-None",
    *BUILT_IN_MACROS.values(),
]


@pytest.mark.peer("exim")
@pytest.mark.parametrize("wanted", LISTS)
def test_lists_of_fields(native: Native, wanted: bytes) -> None:
    exim, fields = native.sign(MESSAGE + b"X-List: " + wanted + b"\n")
    assert native.plan(fields) == exim


NAMES = [b"From", b"To", b"Cc", b"Subject", b"Date", b"Sender", b"X-Other", b"List-Id", b"Resent-To", b"reply-to"]


@pytest.mark.peer("exim")
@pytest.mark.parametrize("seed", range(25))
def test_random_lists_and_headers(native: Native, seed: int) -> None:
    chance = random.Random(seed)
    names = [b"From", *chance.choices(NAMES[1:], k=chance.randint(0, 12))]
    chance.shuffle(names)
    elements = [
        b"+From",
        *(chance.choice([b"", b"=", b"+"]) + chance.choice(NAMES) for _ in range(chance.randint(0, 12))),
    ]
    header = b"".join(chance.choice([name, name.upper()]) + b": a@example.org\n" for name in names)
    exim, fields = native.sign(header + b"X-List: " + b":".join(elements) + b"\n")
    assert native.plan(fields) == exim


@pytest.mark.peer("exim")
def test_exim_s_lists_of_its_own(native: Native) -> None:
    exim, fields = native.sign(MESSAGE)
    assert len(exim) == 1
    assert native.plan(fields) == exim


OPTIONS = {
    "two domains": b"X-Domain: example.org : EXAMPLE.com\n",
    "two selectors": b"X-Selector: one : two : one\n",
    "both, other separators": b"X-Domain: <, a.example, b.example\nX-Selector: <; s1 ; s2\n",
    "no domain": b"X-Domain: :\n",
    "no key": b"X-Key: 0\n",
    "false for a key": b"X-Key: false\n",
    "simple": b"X-Canon: simple\n",
    "unknown canonicalization": b"X-Canon: SIMPLE\n",
    "sha512": b"X-Hash: sha512\n",
    "sha1": b"X-Hash: sha1\n",
    "identity": b"X-Identity: alice@example.org\n",
    "identity below": b"X-Identity: @mail.example.org\n",
}


@pytest.mark.peer("exim")
@pytest.mark.parametrize("header", OPTIONS.values(), ids=OPTIONS)
def test_other_options(native: Native, header: bytes) -> None:
    exim, fields = native.sign(MESSAGE + header)
    assert native.plan(fields) == exim


@pytest.mark.peer("exim")
@pytest.mark.parametrize("timestamps", ["3600", "86400", "1x", "007"])
def test_timestamps(world: World, timestamps: str) -> None:
    native = Native(world, timestamps)
    exim, fields = native.sign(MESSAGE)
    assert len(exim) == 1
    assert native.plan(fields) == exim


# Where we mean to differ: header, a tag, and for each signature what Exim 4.96 has there, and what we have.
DIFFERENT = {
    "From is always signed (RFC 6376 §5.4)": (b"X-List: To\n", "h", ["TO"], ["TO:From"]),
    "a blank before the colon is no part of a name": (b"X-List: From:=X-Odd\n", "h", ["From"], ["X-Odd:From"]),
    "and none behind a prefix": (b"X-List: From : = Cc\n", "h", ["From"], ["Cc:From"]),
    "a pair of canonicalizations": (b"X-Canon: relaxed/simple\n", "c", ["relaxed/relaxed"], ["relaxed/simple"]),
    "a domain twice (as Exim 4.97)": (
        b"X-Domain: a.example:b.example:a.example\n",
        "d",
        ["a.example", "b.example", "a.example"],
        ["a.example", "b.example"],
    ),
    "no selector is no signature": (b"X-Selector: :\n", "s", [""], []),
}


@pytest.mark.peer("exim")
@pytest.mark.parametrize(("header", "tag", "theirs", "ours"), DIFFERENT.values(), ids=DIFFERENT)
def test_deliberate_differences(native: Native, header: bytes, tag: str, theirs: list[str], ours: list[str]) -> None:
    exim, fields = native.sign(MESSAGE + header)
    assert [tags[tag] for tags in exim] == theirs
    assert [tags[tag] for tags in native.plan(fields)] == ours


@pytest.mark.peer("exim")
@pytest.mark.parametrize("timestamps", ["0", "junk", "-5"])
def test_timestamps_without_an_end(world: World, timestamps: str) -> None:
    """Exim 4.96 makes signatures that are too old at once; t= alone since 4.98, and here."""
    only_with(EXIM)
    native = Native(world, timestamps)
    exim, fields = native.sign(MESSAGE)
    assert int(exim[0].pop("x")) <= 0
    assert native.plan(fields) == exim
