"""Messages on which DKIM implementations tend to disagree, in wire form: a table, and as many drawn ones as wanted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

FROM = b"From: Alice <alice@example.org>\r\n"
HEADER = FROM + (
    b"To: Bob <bob@example.net>\r\nSubject: A test\r\nDate: Mon, 21 Sep 2026 15:33:19 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
)
BODY = b"Hello Bob,\r\n\r\nall is well.\r\n"

BODIES = {
    "plain": BODY,
    "empty": b"",
    "one-newline": b"\r\n",
    "only-newlines": b"\r\n" * 7,
    "no-final-newline": b"one\r\ntwo",
    "no-final-newline-blank": b"one\r\ntwo  ",
    "trailing-newlines": b"one\r\n\r\n\r\n\r\n",
    "leading-newlines": b"\r\n\r\n\r\none\r\n",
    "blank-line": b"one\r\n \t \r\ntwo\r\n",
    "blank-lines-last": b"one\r\n \t \r\n\t\r\n\r\n",
    "only-blanks": b" \t \r\n\t\r\n   ",
    "one-blank": b" ",
    "trailing-blanks": b"one \r\ntwo\t\r\nthree \t \r\n",
    "inner-blanks": b"one  two\t\tthree \t four\r\n",
    "leading-blanks": b"  one\r\n\ttwo\r\n",
    "tabs": b"a\tb\r\n\t\r\n",
    "long-line": b"x" * 3000 + b"\r\n" + b"y z " * 500 + b"\r\n",
    "dots": b".\r\n..\r\n.one\r\n",
    "dashes": b"-- \r\nAlice\r\n",
    "eight-bit": b"Gr\xc3\xbc\xc3\x9fe, gr\xfc\xdfe\r\n\x80\x81\xff\r\n",
    "vertical": b"one\x0btwo\x0cthree\xa0four\r\n",
    "from-line": b"From here\r\n>From there\r\n",
    "many-lines": b"line \r\n" * 3000,
    "multipart": b"--=_1\r\nContent-Type: text/plain\r\n\r\nHi \r\n--=_1\r\n\r\n \r\nAAAA\r\n--=_1--\r\n\r\n",
    "base64": b"TWFpbCBpcyBtb3N0bHkgdGhpcy4gIFJlYWxseSwgaXQgaXMu\r\n" * 200,
}

HEADERS = {
    "folded": HEADER.replace(b"A test", b"A\r\n test\r\n\tof  the\r\n   folded kind"),
    "folded-at-once": HEADER.replace(b"Subject: A", b"Subject:\r\n A"),
    "trailing-blank": HEADER.replace(b"A test", b"A test \t "),
    "inner-blanks": HEADER.replace(b"A test", b"A \t  test\t\tx"),
    "no-blank-after-colon": HEADER.replace(b": ", b":"),
    "empty-subject": HEADER.replace(b" A test", b""),
    "blank-subject": HEADER.replace(b" A test", b"   "),
    "capitals": HEADER.replace(b"Subject", b"SUBJECT").replace(b"From", b"fROM"),
    "colons": HEADER.replace(b"A test", b"Re: Re: a:b:: c"),
    "eight-bit": HEADER.replace(b"A test", b"Gr\xc3\xbc\xc3\x9fe und gr\xfc\xdfe"),
    "encoded": HEADER.replace(b"A test", b"=?utf-8?q?a=20b?=\r\n =?utf-8?q?c?="),
    "long": HEADER.replace(b"A test", b"word " * 180),
    "two-received": b"Received: from a by b;\r\n Mon, 21 Sep 2026 15:33:20 +0000\r\nReceived: from c by d;\r\n\tnow\r\n"
    + HEADER,
    "two-comments": HEADER + b"Comments: one\r\nComments: two\r\nKeywords: x\r\n",
    "from-only": FROM,
    "mime": HEADER
    + b"MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
    "list": HEADER
    + b"List-Id: Team <t.example.org>\r\nList-Unsubscribe:\r\n <mailto:u@example.org>\r\nReply-To: t@example.org\r\n",
    "semicolons": HEADER.replace(b"A test", b"a; b=1; c==;;"),
}


class Message(NamedTuple):
    """A message with a name for people."""

    name: str
    data: bytes


def table() -> Iterator[Message]:
    """Every body under the plain header, every header over the plain body."""
    for name, body in BODIES.items():
        yield Message(f"body {name}", HEADER + b"\r\n" + body)
    for name, header in HEADERS.items():
        yield Message(f"header {name}", header + b"\r\n" + BODY)


_PIECES = (
    b"word",
    b"x",
    b"Gr\xc3\xbc\xc3\x9fe",
    b" ",
    b"  ",
    b"\t",
    b" \t ",
    b".",
    b"=",
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
)
_FOLDS = (b"\r\n ", b"\r\n\t", b"\r\n  ")


def drawn(count: int, seed: int) -> Iterator[Message]:
    """Messages put together at random; the same for the same arguments."""
    source = random.Random(seed)
    for number in range(count):
        header = b"".join(_field(source, name) for name in _names(source))
        body = b"".join(source.choices(_PIECES, k=source.randrange(40)))
        if body and not body.endswith(b"\r\n"):  # SMTP knows no other end of a message
            body += b"\r\n"
        yield Message(f"drawn {seed}/{number}", header + b"\r\n" + body)


def _names(source: random.Random) -> list[bytes]:
    names = [b"From", b"To", b"Subject", b"Date", b"X-One", b"x-two", b"Received", b"Received", b"Comments"]
    chosen = [name for name in names[1:] if source.random() < 0.7]
    chosen.insert(source.randrange(len(chosen) + 1), b"From")
    return chosen


def _field(source: random.Random, name: bytes) -> bytes:
    value = b" alice@example.org" if name == b"From" else b""
    for _ in range(source.randrange(1, 8)):
        value += source.choice((b" ", b"\t", b"  ", b"", source.choice(_FOLDS)))
        value += source.choice((b"word", b"a:b", b"Gr\xc3\xbc\xc3\x9fe", b"x;y=z", b"<1@example.org>"))
    return name + b":" + value + source.choice((b"", b"", b" ", b"\t ")) + b"\r\n"
