"""exim-dkim verify --diagnose: each usual change is found by the words for it."""

from __future__ import annotations

import base64
import json
import quopri
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.commands.breakage import UNEXPLAINED, body_variants, header_variants
from exim_dkim.dkim.signature import parse_signature
from exim_dkim.message import parse_field, parse_header
from tests.support.cli import Material, make_material, run_cli

BODY = b"Hello,\n\n.dots and From lines:\nFrom me\n..\n  bl anks \n\nBye\n"
HEADER = b"From: alice@example.org\nSubject: =?utf-8?q?x?= and a long\n line\nContent-Transfer-Encoding: 8bit\n"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("breakage"))


def body(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A change of the body only."""

    def changed(message: bytes) -> bytes:
        header, _, text = message.partition(b"\n\n")
        return header + b"\n\n" + change(text)

    return changed


def encoded(name: bytes, encode: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The body in another transfer encoding, whose name is in a field that was not signed."""
    return lambda message: body(encode)(message.replace(b"\n\n", b"\nContent-Transfer-Encoding: " + name + b"\n\n", 1))


CHANGES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("footer", lambda m: m + b"-- \nlist footer\nline\n", "it fits without the last 3 lines: a footer was added?"),
    ("banner", body(lambda b: b"[EXTERNAL]\n\n" + b), "it fits without the first 2 lines: a banner was added?"),
    ("mbox", body(lambda b: b.replace(b"\nFrom", b"\n>From")), "it fits with >From as From"),
    ("dots", body(lambda b: b.replace(b"\n.", b"\n..")), "it fits with .. as . at line starts"),
    ("tag", lambda m: m.replace(b"Subject: ", b"Subject: [list] "), "it fits without [list] in Subject"),
    ("tag in reply", lambda m: m.replace(b"Subject: ", b"Subject: Re: [list] "), UNEXPLAINED),
    ("spam tag", lambda m: m.replace(b"Subject: ", b"Subject: ***SPAM*** "), "it fits without ***SPAM*** in Subject"),
    (
        "both",
        lambda m: m.replace(b"Subject: ", b"Subject: [l] ") + b"footer\n",
        "in Subject: a list or filter added it?, and without the last line",
    ),
    ("base64", encoded(b"base64", base64.encodebytes), "it fits decoded from base64"),
    ("qp", encoded(b"quoted-printable", quopri.encodestring), "it fits decoded from quoted-printable"),
    ("rewritten", lambda m: m.replace(b"Hello", b"Hallo"), UNEXPLAINED),
    ("subject", lambda m: m.replace(b"and a long", b"and a short"), UNEXPLAINED),
    ("nothing", lambda m: m, "the signature is good"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_changes(material: Material, change: Callable[[bytes], bytes], words: str) -> None:
    message = b"From: alice@example.org\nSubject: a long\n line and a long one\n\n" + BODY
    file = material.write("message", change(material.signed(message)))
    result = run_cli("verify", "--diagnose", "--dns-zone", material.zone, file)
    assert words in result.stdout
    shown = json.loads(run_cli("verify", "--diagnose", "--json", "--dns-zone", material.zone, file).stdout)
    diagnosis = shown["signatures"][0]["diagnosis"]
    assert diagnosis is None if words == "the signature is good" else words in diagnosis
    assert (
        "diagnosis"
        in json.loads(run_cli("verify", "--json", "--dns-zone", material.zone, file).stdout)["signatures"][0]
    )
    assert "it fits" not in run_cli("verify", "--dns-zone", material.zone, file).stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"a@example.org, b@", b"a@example.org,\n b@", "it fits with its fields unfolded"),
        (b"Subject: x\n", b"Subject: x\nList-Id: <l.example.org>\n", "it fits without a List-Id field: it was added?"),
        (
            b"Content-Transfer-Encoding: 8bit",
            b"Content-Transfer-Encoding: 7bit",
            "it fits with 8bit in Content-Transfer",
        ),
    ],
)
def test_fields(material: Material, old: bytes, new: bytes, words: str) -> None:
    """Folding matters to simple canonicalisation only; List-Id was signed as absent."""
    names = "From:To:Subject:List-Id:Content-Transfer-Encoding"
    options = ("--domain", "example.org", "--selector", "s", "--key", material.key_file, "--canon", "simple")
    message = (
        b"From: alice@example.org\nTo: a@example.org, b@example.org\nContent-Transfer-Encoding: 8bit\n"
        b"Subject: x\n\nHello\n"
    )
    signed = run_cli("sign", *options, "--headers", names, "-", stdin=message).stdout_bytes
    file = material.write("folded", signed.replace(old, new))
    assert words in run_cli("verify", "--diagnose", "--dns-zone", material.zone, file).stdout


def test_large_messages_are_left_alone(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exim_dkim.commands.verify.SMALL", 100)
    message = b"From: alice@example.org\nSubject: x\n\n" + b"x\n" * 100
    file = material.write("large", material.signed(message) + b"footer\n")
    result = run_cli("verify", "--diagnose", "--dns-zone", material.zone, file)
    assert result.stdout.endswith("(body hash differs)\n")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"base64", b"quoted-printable", b"\xff"]))
def test_any_body_has_variants(body: bytes, encoding: bytes) -> None:
    field = parse_field(b"Content-Transfer-Encoding: " + encoding)
    for words, variant in body_variants([field], body):
        assert words
        assert isinstance(variant, bytes)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"Subject", b"subject", b"From", b"X"])), st.binary(max_size=40))
def test_any_header_has_variants(names: list[bytes], value: bytes) -> None:
    fields = parse_header(b"".join(name + b":" + value.replace(b"\n", b"") + b"\r\n" for name in names))
    signature = parse_signature(parse_field(b"DKIM-Signature: v=1; h=from:subject; d=a.b; s=s; a=rsa-sha256; b=; bh="))
    assert all(words for words, _ in header_variants(signature, fields))
