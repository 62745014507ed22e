"""milter_server.filter: what is signed, what is verified, what is written into messages and what becomes of them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from pathlib import Path

import pytest

from exim_dkim.api import verify
from exim_dkim.memory import MemoryResolver
from exim_dkim.system.authenticate import Authenticator, policies
from milter_server.command import Negotiation
from milter_server.filter import AuthenticationFilter
from milter_server.handler import MessageHandler
from milter_server.message import Connection, Family, Header, Stage, Transaction
from milter_server.origin import origin_of
from milter_server.response import (
    CONTINUE,
    DISCARD,
    TEMPFAIL,
    ChangeField,
    Changes,
    InsertField,
    Quarantine,
    Response,
)
from tests.support.milter_client import VERSION_2, VERSION_6, MilterClient
from tests.support.milter_filters import BODY, DNS, FIELDS, KEY, SIGNER, Exchange, make_filter, pass_through
from tests.support.milter_world import Serving
from tests.support.run import run
from tests.support.samples import KEY_DIRECTORY, signed

STRANGER = b"198.51.100.7"
Parts = tuple[list[tuple[bytes, bytes]], bytes]


def verdicts(exchange: Exchange) -> list[tuple[str, str]]:
    """The signatures of a message as a receiver sees them: domain and result."""
    found = run(verify(exchange.message, MemoryResolver(DNS), now=1_793_610_939.0))
    return [(str(verdict.signature.domain), verdict.result.value) for verdict in found]


def split(message: bytes) -> Parts:
    """Fields and body of a message in wire form, as MTAs pass them."""
    header, _, body = message.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", header)
    return [(name, value.replace(b"\r\n", b"\n")) for name, _, value in (f.partition(b":") for f in fields)], body


def signed_message(body: bytes = BODY) -> Parts:
    text = b"\r\n".join([n + b":" + v.replace(b"\n", b"\r\n") for n, v in FIELDS]) + b"\r\n\r\n" + body
    return split(signed(text))


# --- signing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [VERSION_6, VERSION_2], ids=["version 6", "version 2"])
@pytest.mark.parametrize("body", [BODY, b"", b"\r\n", b"x" * 300_000 + b"\r\n"], ids=["text", "none", "empty", "long"])
def test_what_is_signed_verifies_after_the_mta_has_written_it(offer: Negotiation, body: bytes) -> None:
    exchange = pass_through(make_filter(SIGNER), body=body, offer=offer)
    assert exchange.response == CONTINUE
    assert isinstance(exchange.outcome.modifications[0], InsertField)
    assert exchange.outcome.modifications[0].position == 0
    assert b"\r" not in exchange.outcome.modifications[0].value
    assert verdicts(exchange) == [("example.org", "pass")]


@pytest.mark.parametrize("canonicalization", ["simple", "relaxed", "simple/relaxed", "relaxed/simple"])
def test_every_canonicalization(canonicalization: str, tmp_path: Path) -> None:
    exchange = pass_through(make_filter(f"{SIGNER}dkim_canon = {canonicalization}\n"), path=tmp_path / "socket")
    assert verdicts(exchange) == [("example.org", "pass")]


OURS: list[tuple[str, dict[str, object], bool]] = [
    ("", {"address": b"127.0.0.1"}, True),
    ("", {"address": b"::1"}, True),
    ("", {"address": STRANGER}, False),
    ("", {"address": STRANGER, "macros": {"auth_authen": "alice", "auth_type": "PLAIN"}}, True),
    ("", {"address": STRANGER, "macros": {"auth_authen": ""}}, False),
    ("milter_internal_hosts = 198.51.100.0/24\n", {"address": STRANGER}, True),
    ("milter_internal_hosts = 198.51.100.0/24\n", {"address": b"127.0.0.1"}, False),
    ("milter_internal_hosts = 198.51.100.0/24 !198.51.100.7\n", {"address": STRANGER}, False),
    ("milter_internal_hosts = 2001:db8::/32\n", {"address": b"2001:db8::9"}, True),
    ("milter_internal_hosts = .inside.example\n", {"address": STRANGER, "host": b"a.inside.example"}, True),
    ("milter_internal_hosts = .inside.example\n", {"address": STRANGER, "host": b"inside.example.evil.example"}, False),
    ("milter_daemons = MSA other\n", {"address": STRANGER, "macros": {"daemon_name": "MSA"}}, True),
    ("milter_daemons = MSA other\n", {"address": STRANGER, "macros": {"daemon_name": "MTA"}}, False),
    ("milter_macros = {trusted}\n", {"address": STRANGER, "macros": {"trusted": ""}}, True),
    ("milter_macros = trusted=yes\n", {"address": STRANGER, "macros": {"trusted": "no"}}, False),
    ("milter_macros = trusted=yes\n", {"address": STRANGER, "macros": {"trusted": "yes"}}, True),
]


@pytest.mark.parametrize(("options", "message", "is_signed"), OURS)
def test_whose_clients_mail_is_signed(options: str, message: dict[str, object], is_signed: bool) -> None:
    exchange = pass_through(make_filter(SIGNER + options), **message)  # type: ignore[arg-type]
    assert bool(exchange.values("DKIM-Signature")) is is_signed
    assert bool(exchange.results) is not is_signed


AUTHORS: list[tuple[str, list[bytes], str]] = [
    ("", [b" alice@example.org"], "example.org"),
    ("", [b" Alice <alice@EXAMPLE.org>"], "example.org"),
    ("", [b' "bob@other.example" <alice@example.org>'], "example.org"),
    ("", [b" alice@sub.example.org"], ""),
    ("milter_subdomains\n", [b" alice@deep.sub.example.org"], "example.org"),
    ("milter_subdomains\n", [b" alice@notexample.org"], ""),
    ("", [b" alice@other.example"], ""),
    ("", [b" alice@example.org, bob@other.example"], ""),
    ("", [b" alice@example.org", b" bob@other.example"], ""),
    ("", [b" alice@example.org, bob@example.org"], "example.org"),
    ("", [b" undisclosed:;"], ""),
    ("", [b" alice"], ""),
    ("", [b""], ""),
    ("", [], ""),
]


@pytest.mark.parametrize(("options", "authors", "domain"), AUTHORS)
def test_whose_mail_is_signed(options: str, authors: list[bytes], domain: str) -> None:
    fields = [*((b"From", author) for author in authors), *FIELDS[1:]]
    exchange = pass_through(make_filter(f"{SIGNER}{options}milter_mode = s\n"), fields)
    assert exchange.response == CONTINUE
    assert verdicts(exchange) == ([(domain, "pass")] if domain else [])


def test_options_are_expanded_with_what_the_mta_tells() -> None:
    text = f"""
dkim_domain = ${{domain:$h_from:}}
dkim_selector = ${{if eq{{$authenticated_id/$sender_host_address/$message_exim_id/$sender_address}}\\
  {{alice/198.51.100.7/QUEUEID/alice@example.org}}{{key1}}{{${{if eq{{$acl_m_daemon_name}}{{MSA}}{{rsa}}}}}}}}
dkim_private_key = {KEY}
dkim_identity = ${{address:$h_from:}}
"""
    exchange = pass_through(make_filter(text), address=STRANGER, macros={"auth_authen": "alice"})
    assert verdicts(exchange) == [("example.org", "pass")]
    assert "s=key1;" in exchange.values("DKIM-Signature")[0]
    assert "i=alice@example.org;" in exchange.values("DKIM-Signature")[0]
    exchange = pass_through(make_filter(text), macros={"daemon_name": "MSA"})
    assert "s=rsa;" in exchange.values("DKIM-Signature")[0]


@pytest.mark.parametrize(
    ("author", "is_signed"), [("a@example.org", True), ("a@x.example.org", True), ("a@b.example", False)]
)
def test_nothing_is_signed_for_others_without_milter_domains(author: str, is_signed: bool) -> None:
    text = f"dkim_domain = example.org\ndkim_selector = key1\ndkim_private_key = {KEY}\n"
    exchange = pass_through(make_filter(text), [(b"From", b" " + author.encode()), *FIELDS[1:]])
    assert bool(exchange.values("DKIM-Signature")) is is_signed


def test_a_key_for_each_domain(tmp_path: Path) -> None:
    (tmp_path / "example.org.pem").write_bytes(KEY.read_bytes())
    text = "milter_domains = example.org *.wild.example\ndkim_selector = key1\n"
    filter = make_filter(f"{text}dkim_private_key = {tmp_path}/$acl_m_signing_domain.pem\n")
    assert verdicts(pass_through(filter)) == [("example.org", "pass")]
    exchange = pass_through(filter, [(b"From", b" a@x.wild.example"), *FIELDS[1:]])
    assert exchange.response.data.startswith(b"451 4.3.0 could not be signed: Tainted filename")


def test_several_signatures() -> None:
    text = f"""
milter_domains = example.org
dkim_selector = rsa : ed
dkim_private_key = {KEY.parent}/${{if eq{{$dkim_selector}}{{ed}}{{ed25519}}{{rsa2048}}}}.pem
"""
    exchange = pass_through(make_filter(text))
    assert verdicts(exchange) == [("example.org", "pass"), ("example.org", "pass")]
    assert ["a=rsa-sha256" in value for value in exchange.values("DKIM-Signature")] == [True, False]
    verified = pass_through(make_filter(VERIFIER), exchange.fields, address=STRANGER)
    assert verified.results[0].count("dkim=pass") == 2


def test_macros_that_decide_are_asked_for() -> None:
    filter = make_filter(f"{SIGNER}milter_macros = trusted v=1\n")
    with Serving(filter) as world, MilterClient(world.address) as mta:
        asked = {stage: names.decode().split() for stage, names in mta.agreed.macros}
    assert {"j", "{daemon_name}", "{trusted}", "v"} <= set(asked[Stage.CONNECT])
    assert {"i", "{auth_authen}", "{trusted}", "v"} <= set(asked[Stage.MAIL])
    with Serving(make_filter(SIGNER)) as world, MilterClient(world.address) as mta:
        assert mta.agreed.macros == ()


KEY_RULES = f"""
*@example.org:example.org:{KEY}:key1:Alice@*
*@example.org:*:{KEY}:rsa:@other.example
alice@*:example.org:{KEY_DIRECTORY / "ed25519.pem"}:ed:x@sub.example.org
*@example.org:example.org:{KEY}:key1:Alice@*
"""


@pytest.mark.parametrize(
    ("option", "signed"),
    [
        ("", ["key1 Alice@example.org"]),
        ("milter_multiple_signatures", ["key1 Alice@example.org", "rsa ", "ed x@sub.example.org"]),
        ("dkim_identity = $acl_m_signing_selector@example.org", ["key1 key1@example.org"]),
        (
            "milter_multiple_signatures\ndkim_selector = same",
            ["same Alice@example.org", "same ", "same x@sub.example.org"],
        ),
    ],
)
def test_rules_with_identities(tmp_path: Path, option: str, signed: list[str]) -> None:
    (tmp_path / "rules").write_text(KEY_RULES)
    exchange = pass_through(make_filter(f"milter_key_list = {tmp_path}/rules\n{option}\n"))
    tags = [
        dict(tag.strip().partition("=")[::2] for tag in each.split(";")) for each in exchange.values("DKIM-Signature")
    ]
    assert [f"{each['s']} {each.get('i', '')}" for each in tags] == signed
    assert {result for _, result in verdicts(exchange)} == {"pass"} or "same" in option


def test_too_many_rules_fit(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("".join(f"*@example.org:example.org:{KEY}:s{n}\n" for n in range(21)))
    exchange = pass_through(make_filter(f"milter_key_list = {tmp_path}/rules\nmilter_multiple_signatures\n"))
    assert exchange.response.letter == b"y"
    assert b"21 rules fit" in exchange.response.data


def test_rules(tmp_path: Path) -> None:

    (tmp_path / "rules").write_text(
        f"# who: as whom: with what\nnews@example.org:example.org:{KEY}:rsa\n*@example.org:*:{KEY}:key1\n"
    )
    filter = make_filter(f"milter_key_list = {tmp_path}/rules\nmilter_mode = s\n")
    for author, selector in ((b"alice@example.org", "key1"), (b"news@example.org", "rsa"), (b"x@other.example", "")):
        exchange = pass_through(filter, [(b"From", author), *FIELDS[1:]])
        assert verdicts(exchange) == ([("example.org", "pass")] if selector else [])
        assert [f"s={selector};" in value for value in exchange.values("DKIM-Signature")] == [True] * bool(selector)


UNSIGNABLE = (
    "milter_domains = example.org\ndkim_selector = key1\ndkim_private_key = ${if eq{a}{b}{x}{/nonexistent/key}}\n"
)


@pytest.mark.parametrize(
    ("options", "letter"),
    [
        ("", b"y"),
        ("dkim_strict = true\n", TEMPFAIL.letter),
        ("dkim_strict = false\n", CONTINUE.letter),
        ("milter_actions = internal=accept\n", CONTINUE.letter),
        ("milter_actions = internal=reject\n", b"y"),
    ],
)
def test_what_should_have_been_signed_and_could_not_be(options: str, letter: bytes) -> None:
    exchange = pass_through(make_filter(UNSIGNABLE + options))
    assert exchange.response.letter == letter
    assert exchange.values("DKIM-Signature") == []


# --- verification ---------------------------------------------------------------------------------------------------

VERIFIER = "milter_mode = v\n"


@pytest.mark.parametrize(
    ("fields_and_body", "word"),
    [
        (signed_message(), "dkim=pass"),
        ((signed_message()[0], b"Other text\r\n"), "dkim=fail"),
        ((list(FIELDS), BODY), "dkim=none"),
    ],
)
@pytest.mark.parametrize("offer", [VERSION_6, VERSION_2], ids=["version 6", "version 2"])
def test_results(fields_and_body: Parts, word: str, offer: Negotiation) -> None:
    fields, body = fields_and_body
    exchange = pass_through(make_filter(VERIFIER), fields, body, address=STRANGER, offer=offer)
    assert exchange.response == CONTINUE
    assert exchange.fields[0][0] == b"Authentication-Results"
    (result,) = exchange.results
    assert result.startswith("mx.example;")
    assert word in result


def test_the_name_in_the_results() -> None:
    exchange = pass_through(make_filter(f"{VERIFIER}authserv_id = own.example\n"), address=STRANGER)
    assert exchange.results[0].startswith("own.example;")


FORGED = [
    (b"Authentication-Results", b" mx.example; dkim=pass header.d=example.org"),
    (b"Authentication-Results", b" other.example; dkim=pass header.d=example.org"),
    (b"authentication-results", b" MX.example; dkim=pass;; what is this (="),
    (b"Authentication-Results", b" mx.example; spf=pass smtp.mailfrom=example.org"),
    (b"Authentication-Results", b" mx.example; dmarc=pass header.from=example.org"),
    (b"Authentication-Results", b" mx.example 1; none"),
]


@pytest.mark.parametrize(
    ("options", "name", "kept"),
    [
        (VERIFIER, "dkim-filter", ["other.example"]),
        (f"{VERIFIER}milter_trusted_results = dmarc\n", "dkim-filter", ["other.example", "dmarc="]),
        (f"{VERIFIER}milter_trusted_results = dkim : spf\n", "dkim-filter", ["other.example", "spf="]),
        (f"{VERIFIER}milter_trusted_results = dkim\n", "sid-filter", ["dkim=", "other.example"]),
        (VERIFIER, "everything", ["other.example"]),
        (SIGNER, "dkim-filter", ["other.example"]),
    ],
)
def test_forged_results_are_removed(options: str, name: str, kept: list[str]) -> None:
    exchange = pass_through(make_filter(options, name), [*FORGED, *FIELDS])
    removed = [change for change in exchange.outcome.modifications if isinstance(change, ChangeField)]
    positions = [change.position for change in removed]
    assert positions == sorted(positions, reverse=True)
    assert {change.value for change in removed} == {b""}
    own = 0 if options == SIGNER else 1
    assert len(exchange.results) == own + len(kept)
    assert all(part in text for part, text in zip(kept, exchange.results[own:], strict=True))


def test_filters_in_a_row_know_each_others_results(monkeypatch: pytest.MonkeyPatch) -> None:
    fields, body = signed_message()
    first = pass_through(make_filter("", "sid-filter"), [FORGED[3], *fields], body, address=STRANGER)
    assert len(first.results) == 1
    second = pass_through(make_filter(VERIFIER), first.fields, body, address=STRANGER)
    assert ["dkim=pass" in second.results[0], "spf=fail" in second.results[1]] == [True, True]
    third = pass_through(make_filter(VERIFIER, "dk-filter"), second.fields, body, address=STRANGER)
    assert len(third.results) == 3
    for other in ({"sender": b"<b@example.org>"}, {"address": b"198.51.100.8"}):
        again = pass_through(make_filter(VERIFIER), first.fields, body, **{"address": STRANGER, **other})  # type: ignore[arg-type]
        assert len(again.results) == 1, "a stamp is for one message"
    changed = [(name, value.replace(b"spf=fail", b"spf=pass")) for name, value in first.fields]
    assert len(pass_through(make_filter(VERIFIER), changed, body, address=STRANGER).results) == 1
    for user in ("filter", "forgery"):
        monkeypatch.setattr(f"milter_server.{user}.host_key", lambda: b"")
    assert len(pass_through(make_filter(VERIFIER), first.fields, body, address=STRANGER).results) == 1


def actions(text: str) -> str:
    return f"{VERIFIER}milter_actions = {text}\n"


BROKEN = ([(b"DKIM-Signature", b" this is none"), *FIELDS], BODY)
UNKNOWN_KEY = ([(name, value.replace(b"s=rsa;", b"s=gone;")) for name, value in signed_message()[0]], BODY)
SILENT_KEY = ([(name, value.replace(b"s=rsa;", b"s=silent;")) for name, value in signed_message()[0]], BODY)


@pytest.mark.parametrize(
    ("text", "fields_and_body", "letter", "code"),
    [
        ("badsignature=reject", (signed_message()[0], b"x\r\n"), b"y", b"550 5.7.20"),
        ("badsignature=t", (signed_message()[0], b"x\r\n"), b"y", b"451 4.7.20"),
        ("badsignature=discard", (signed_message()[0], b"x\r\n"), DISCARD.letter, b""),
        ("badsignature=reject", (list(FIELDS), BODY), b"c", b""),
        ("nosignature=reject", (list(FIELDS), BODY), b"y", b"550 5.7.20"),
        ("default=reject nosignature=accept", (list(FIELDS), BODY), b"c", b""),
        ("default=reject", signed_message(), b"c", b""),
        ("signatureerror=reject", BROKEN, b"y", b"550 5.7.20"),
        ("keynotfound=reject", UNKNOWN_KEY, b"y", b"550 5.7.20"),
        ("dnserror=tempfail", SILENT_KEY, b"y", b"451 4.7.5"),
        ("", SILENT_KEY, b"c", b""),
        ("", (signed_message()[0], b"x\r\n"), b"c", b""),
    ],
)
def test_actions(text: str, fields_and_body: Parts, letter: bytes, code: bytes) -> None:
    fields, body = fields_and_body
    exchange = pass_through(make_filter(actions(text)), fields, body, address=STRANGER)
    assert exchange.response.letter == letter
    assert exchange.response.data.startswith(code)
    assert bool(exchange.results) is (letter == CONTINUE.letter)  # what is refused is not changed


def test_a_test_refuses_nothing() -> None:
    exchange = pass_through(make_filter(actions("default=reject") + "milter_test_mode\n"), address=STRANGER)
    assert (exchange.response, len(exchange.results)) == (CONTINUE, 1)


def test_quarantine_instead_of_refusal() -> None:
    exchange = pass_through(make_filter(actions("default=reject") + "milter_quarantine\n"), address=STRANGER)
    assert exchange.response == CONTINUE
    assert Quarantine(b"the message is not signed") in exchange.outcome.modifications


def test_required_fields() -> None:
    text = VERIFIER + "milter_require_fields\nmilter_actions = security=reject\n"
    assert pass_through(make_filter(text), address=STRANGER).response == CONTINUE
    twice = [*FIELDS, (b"Subject", b" again")]
    assert pass_through(make_filter(text), twice, address=STRANGER).response.data.startswith(b"550 5.6.0 2 Subject")
    assert pass_through(make_filter(text), FIELDS[:3], address=STRANGER).response.data.startswith(b"550 5.6.0 0 Date")


def test_peers_are_left_alone() -> None:
    filter = make_filter(SIGNER + "milter_peers = 198.51.100.0/24 !198.51.100.7\n")
    assert pass_through(filter, [*FORGED, *FIELDS], address=b"198.51.100.8").outcome.modifications == []
    assert pass_through(filter, address=STRANGER).results


def test_exempt_domains_are_not_verified_and_cannot_forge() -> None:
    filter = make_filter(VERIFIER + "milter_exempt_domains = example.org\n")
    exchange = pass_through(filter, [FORGED[0], *FIELDS], address=STRANGER)
    assert exchange.results == []
    assert pass_through(filter, sender=b"<a@other.example>", address=STRANGER).results == []
    other = [(b"From", b" a@other.example"), *FIELDS[1:]]
    assert pass_through(filter, other, sender=b"<a@other.example>", address=STRANGER).results
    assert pass_through(filter, other, sender=b"<a@example.org>", address=STRANGER).results == []


def test_identification() -> None:
    exchange = pass_through(make_filter(f"{VERIFIER}milter_identification\n"), address=STRANGER)
    (value,) = exchange.values("X-DKIM")
    assert re.fullmatch(r"exim-dkim dkim-filter \S+ mx\.example QUEUEID", value)


# --- trouble --------------------------------------------------------------------------------------------------------


def handler_of(filter: AuthenticationFilter) -> tuple[MessageHandler, Changes]:
    connection = Connection()
    connection.family, connection.address = Family.INET, STRANGER
    return filter.begin(Transaction(connection, b"a@example.org", ())), Changes(filter.actions)


def test_a_header_that_was_cut_is_not_judged() -> None:
    filter = make_filter(VERIFIER)
    handler, _ = handler_of(filter)
    answer = handler.end_of_headers(Header([b"From: a@example.org"], cut=True))
    assert not isinstance(answer, Response)
    assert asyncio.run(answer).data.startswith(b"451 4.3.0 the header is longer")


@pytest.mark.parametrize(
    ("action", "letter"),
    [("tempfail", b"y"), ("accept", b"c"), ("reject", b"y"), ("discard", b"d"), ("quarantine", b"c")],
)
def test_what_breaks_here_is_internal(action: str, letter: bytes) -> None:
    assert make_filter(actions(f"internal={action}")).failed(None, ValueError()).letter == letter


def test_a_test_refuses_nothing_when_something_breaks() -> None:
    filter = make_filter(actions("internal=reject") + "milter_test_mode\n")
    assert filter.failed(None, ValueError()) == CONTINUE


class Broken:
    """A resolver that fails in a way that none may."""

    async def resolve(self, *questions: object) -> tuple[()]:
        raise RuntimeError("broken")


def test_a_fault_of_ours_is_recorded_and_deferred_only_if_so_wanted() -> None:
    fields, body = signed_message()
    for text, letter in ((VERIFIER, b"c"), (actions("dnserror=tempfail"), b"y")):
        filter = make_filter(text)
        filter.authenticator = Authenticator(Broken(), policies(filter.configuration.settings), lambda: 0.0)
        exchange = pass_through(filter, fields, body, address=STRANGER)
        assert exchange.response.letter == letter
        assert letter == b"y" or "dkim=temperror (internal error; see the log)" in exchange.results[0]


def test_the_name_in_the_results_without_macro_j() -> None:
    filter = make_filter(VERIFIER + "primary_hostname = own.example\n")
    handler, _ = handler_of(filter)
    assert filter.authserv_id(handler.transaction) == "own.example"
    filter = make_filter(VERIFIER)
    handler, _ = handler_of(filter)
    assert filter.authserv_id(handler.transaction) == os.uname().nodename


@pytest.mark.parametrize(
    ("family", "host", "address", "is_ours"),
    [
        (Family.UNIX, b"localhost", b"/run/x", True),
        (Family.UNKNOWN, b"localhost", b"", True),
        (Family.UNKNOWN, b"unknown", b"", False),
        (Family.INET, b"localhost", b"198.51.100.7", False),
        (Family.INET, b"unknown", b"127.0.0.1", True),
        (Family.INET6, b"localhost", b"::ffff:127.0.0.1", True),
        (Family.INET, b"localhost", b"nonsense", False),
    ],
)
def test_mail_of_local_programs(family: Family, host: bytes, address: bytes, is_ours: bool) -> None:
    connection = Connection()
    connection.family, connection.host, connection.address = family, host, address
    origin = origin_of(make_filter(SIGNER).configuration, Transaction(connection, b"", ()))
    assert (bool(origin.why), origin.submitted) == (is_ours, False)


@pytest.mark.parametrize(
    ("options", "message", "line"),
    [
        (SIGNER, {}, "dkim-filter: QUEUEID [127.0.0.1] F=<alice@example.org> signed d=example.org s=key1"),
        (
            SIGNER,
            {"address": STRANGER},
            "comes as alice@example.org from a host that is not internal, and is not signed",
        ),
        (
            SIGNER,
            {"fields": [(b"From", b" a@x.example")]},
            "not signed (internal host): x.example is not in milter_domains",
        ),
        (SIGNER, {"fields": [FORGED[0], *FIELDS]}, "1 forged Authentication-Results of mx.example removed"),
        (VERIFIER, {"address": STRANGER}, "dkim=none"),
        (actions("nosignature=reject"), {"address": STRANGER}, "dkim=none -> reject"),
        (UNSIGNABLE, {}, "could not be signed: /nonexistent/key: No such file or directory -> tempfail"),
    ],
)
def test_the_log(
    options: str,
    message: dict[str, object],
    line: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("milter_server"), "propagate", True)
    with caplog.at_level(logging.INFO, "milter_server"):
        pass_through(make_filter(options), **message)  # type: ignore[arg-type]
    assert line in caplog.text


def test_a_quiet_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("milter_server"), "propagate", True)
    with caplog.at_level(logging.INFO, "milter_server"):
        pass_through(make_filter(SIGNER + "milter_quiet\n"))
        pass_through(make_filter(SIGNER + "milter_quiet\nmilter_external_hosts = 198.51.100.7\n"), address=STRANGER)
    assert "example.org" not in caplog.text


# --- SPF and Sender ID ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "sender", "words"),
    [
        (b"192.0.2.1", b"<alice@example.org>", ("spf=pass", "sender-id=pass")),
        (b"2001:db8::1", b"<alice@example.org>", ("spf=pass", "sender-id=pass")),
        (STRANGER, b"<alice@example.org>", ("spf=fail", "sender-id=fail")),
        (STRANGER, b"<>", ("spf=none", "sender-id=fail")),
        (STRANGER, b"<a@slow.example>", ("spf=temperror", "sender-id=fail")),
    ],
)
def test_spf_and_sender_id(address: bytes, sender: bytes, words: tuple[str, ...]) -> None:
    exchange = pass_through(make_filter("", "sid-filter"), address=address, sender=sender)
    assert exchange.response == CONTINUE
    (result,) = exchange.results
    assert all(word in result for word in words)


@pytest.mark.parametrize(
    ("options", "sender", "author", "code"),
    [
        ("milter_senderid_reject = 1", b"<a@nobody.example>", b" a@nobody.example", b"550 5.7.23"),
        ("milter_senderid_reject = 1", b"<a@nobody.example>", b" a@soft.example", b""),
        ("milter_senderid_reject = 2", b"<a@nobody.example>", b" a@soft.example", b"550 5.7.23"),
        ("milter_senderid_reject = 3", b"<a@soft.example>", b" a@soft.example", b"550 5.7.23"),
        ("milter_senderid_reject = 2", b"<a@slow.example>", b" a@soft.example", b"451 4.7.24"),
        ("milter_senderid_reject = 2\nmilter_dns_softfail", b"<a@slow.example>", b" a@soft.example", b""),
        ("milter_senderid_reject = 2\nmilter_test_mode", b"<a@nobody.example>", b" a@soft.example", b""),
        (
            "milter_senderid_reject = 2\nmilter_reject_text = no: %a %i %t 100%%",
            b"<a@nobody.example>",
            b" a@soft.example",
            b"550 5.7.23 no: a@nobody.example 198.51.100.7 SPF 100%%\0",
        ),
    ],
)
def test_refusals_of_spf_and_sender_id(options: str, sender: bytes, author: bytes, code: bytes) -> None:
    filter = make_filter(options + "\n", "sid-filter")
    exchange = pass_through(filter, [(b"From", author), *FIELDS[1:]], address=STRANGER, sender=sender)
    assert exchange.response.data.startswith(code)
    assert bool(code) is bool(exchange.response.data)


GUESSING = "spf_guess = v=spf1 a/24 mx/24 ptr ?all\nmilter_senderid_reject = "


@pytest.mark.parametrize(
    ("options", "address", "sender", "author", "code"),
    [
        (f"{GUESSING}3", b"192.0.2.9", b"<a@plain.example>", b" a@plain.example", b""),
        (f"{GUESSING}4", b"192.0.2.9", b"<a@plain.example>", b" a@plain.example", b""),
        (f"{GUESSING}4", STRANGER, b"<a@plain.example>", b" a@plain.example", b"550 5.7.23"),
        (f"{GUESSING}2", STRANGER, b"<a@plain.example>", b" a@plain.example", b""),
        (f"{GUESSING}5", b"192.0.2.9", b"<a@plain.example>", b" a@nobody.example", b""),
        (f"{GUESSING}3", STRANGER, b"<a@half.example>", b" a@half.example", b"451 4.7.24"),
        (f"{GUESSING}3\nmilter_dns_softfail", STRANGER, b"<a@half.example>", b" a@half.example", b"550 5.7.23"),
        (f"{GUESSING}4\nsenderid_spf1 = false", b"192.0.2.9", b"<a@plain.example>", b" a@plain.example", b"550 5.7.23"),
        ("milter_senderid_reject = 3", b"192.0.2.9", b"<a@plain.example>", b" a@plain.example", b"550 5.7.23"),
    ],
)
def test_a_guess_counts_for_refusals_only(
    options: str, address: bytes, sender: bytes, author: bytes, code: bytes
) -> None:
    filter = make_filter(options + "\n", "sid-filter")
    exchange = pass_through(filter, [(b"From", author), *FIELDS[1:]], address=address, sender=sender)
    assert exchange.response.data.startswith(code)
    assert bool(code) is bool(exchange.response.data)
    assert not any("pass" in result.replace("policy.best-guess=pass", "") for result in exchange.results)


def test_a_guess_is_recorded_as_what_it_is() -> None:
    fields = [(b"From", b" a@plain.example"), *FIELDS[1:]]
    filter = make_filter(f"{GUESSING}0\n", "sid-filter")
    (result,) = pass_through(filter, fields, address=b"192.0.2.9", sender=b"<a@plain.example>").results
    said = "none (the domain has no SPF record; this client would match the best guess (a/24))"
    assert f"spf={said} smtp.mailfrom=a@plain.example policy.best-guess=pass;" in result
    assert f"sender-id={said} header.from=a@plain.example policy.best-guess=pass" in result


REFUSING = "milter_senderid_reject = 2\nmilter_daemons = MSA\nmilter_internal_hosts = 198.51.100.7\n"


@pytest.mark.parametrize(
    ("address", "macros", "recorded"),
    [
        (b"198.51.100.8", {"auth_authen": "alice"}, False),
        (b"198.51.100.8", {"daemon_name": "MSA"}, False),
        (b"198.51.100.7", {}, True),
    ],
)
def test_our_own_clients_are_not_refused_by_spf(address: bytes, macros: dict[str, str], recorded: bool) -> None:
    exchange = pass_through(make_filter(REFUSING, "sid-filter"), address=address, macros=macros)
    assert (exchange.response, len(exchange.results)) == (CONTINUE, recorded)
    stranger = pass_through(make_filter(REFUSING, "sid-filter"), address=b"198.51.100.8")
    assert stranger.response.data.startswith(b"550 5.7.23")


def test_all_methods_in_one_field() -> None:
    fields, body = signed_message()
    exchange = pass_through(make_filter(VERIFIER, "everything"), fields, body, address=b"192.0.2.1")
    (result,) = exchange.results
    assert all(word in result for word in ("dkim=pass", "spf=pass", "sender-id=pass"))


# --- DomainKeys -----------------------------------------------------------------------------------------------------

DOMAINKEYS_SIGNER = f"milter_domains = example.org\ndomainkeys_selector = key1\ndomainkeys_private_key = {KEY}\n"


@pytest.mark.parametrize("canonicalization", ["nofws", "simple"])
@pytest.mark.parametrize("offer", [VERSION_6, VERSION_2], ids=["version 6", "version 2"])
def test_domainkeys(canonicalization: str, offer: Negotiation) -> None:
    text = f"{DOMAINKEYS_SIGNER}domainkeys_canon = {canonicalization}\n"
    exchange = pass_through(make_filter(text, "dk-filter"), offer=offer)
    (value,) = exchange.values("DomainKey-Signature")
    assert "h=from:to:subject:date;" in value.lower().replace(": ", ":")
    assert exchange.values("DKIM-Signature") == []
    received = [
        (b"Received", b" from a\n\tby b"),
        *exchange.fields[:1],
        (b"Received", b" from Sendmail"),
        *exchange.fields[1:],
    ]
    verified = pass_through(make_filter(VERIFIER, "dk-filter"), received, address=STRANGER)
    assert "domainkeys=pass" in verified.results[0]
    verified = pass_through(make_filter(VERIFIER, "dk-filter"), received, b"other\r\n", address=STRANGER)
    assert "domainkeys=fail" in verified.results[0]


def test_a_queue_id_that_comes_with_the_end_of_the_message() -> None:
    """It is in the stamp of the filter before us, and enough to know that by."""
    fields: Parts = ([*FIELDS], BODY)
    for count, name in enumerate(("sid-filter", "dkim-filter"), 1):
        exchange = pass_through(make_filter(VERIFIER, name), *fields, address=STRANGER, macros={"i": ""})
        assert len(exchange.results) == count
        fields = [*exchange.fields], BODY


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dk-filter", f"{DOMAINKEYS_SIGNER}domainkeys_sign_headers = *\n"),
        ("dkim-filter", f"{SIGNER}dkim_sign_headers = from:authentication-results:subject\n"),
    ],
)
def test_what_is_removed_as_forged_is_not_signed(name: str, text: str) -> None:
    claims = [(b"Authentication-Results", b" %s; dkim=pass" % host) for host in (b"mx.test", b"other.test", b"mx.test")]
    fields = [claims[0], *FIELDS[:2], *claims[1:], *FIELDS[2:]]
    exchange = pass_through(make_filter(f"authserv_id = mx.test\n{text}", name), fields)
    assert exchange.results == ["other.test; dkim=pass"]
    verified = pass_through(make_filter(VERIFIER, name), exchange.fields, address=STRANGER)
    assert "=pass" in verified.results[0]


def test_the_dkim_of_2005() -> None:
    exchange = pass_through(make_filter(f"{SIGNER}dkim_legacy\ndkim_canon = nowsp\n"))
    (value,) = exchange.values("DKIM-Signature")
    assert "a=rsa-sha1" in value
    assert "c=nowsp" in value
    assert "bh=" not in value
    verified = pass_through(make_filter(f"{VERIFIER}dkim_legacy\n"), exchange.fields, address=STRANGER)
    assert "dkim=pass" in verified.results[0]
    verified = pass_through(make_filter(VERIFIER), exchange.fields, address=STRANGER)
    assert "dkim=pass" not in verified.results[0]


def test_domainkeys_and_dkim_in_one_filter() -> None:
    text = f"{SIGNER}{DOMAINKEYS_SIGNER.partition(chr(10))[2]}milter_methods = dkim : domainkeys\n"
    exchange = pass_through(make_filter(text, "both"))
    assert [name for name, _ in exchange.fields[:2]] == [b"DKIM-Signature", b"DomainKey-Signature"]
    verified = pass_through(
        make_filter(f"{VERIFIER}milter_methods = dkim : domainkeys\n", "both"), exchange.fields, address=STRANGER
    )
    assert "dkim=pass" in verified.results[0]
    assert "domainkeys=pass" in verified.results[0]
    dkim_only = pass_through(make_filter(text.replace(" : domainkeys", ""), "dkim-filter"))
    assert dkim_only.values("DomainKey-Signature") == []
