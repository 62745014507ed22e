"""What is found out for a query, and shared: SPF, Sender ID, DomainKeys and fields of others, beside DKIM."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.authres import parse_authres
from exim_dkim.errors import ConfigurationError
from exim_dkim.memory import MemoryResolver, Value
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from lookup_server.look_up import EXIM_HEADER_LIMIT, INLINE
from tests.support import domainkeys
from tests.support.lookup_service import (
    GOOD,
    GOOD_HEADER,
    ask,
    in_spool,
    make_service,
    reply_to,
    request,
    spool_request,
    spool_service,
)
from tests.support.mail import HEADER, MESSAGE, record, resolver, signed

pytestmark = pytest.mark.usefixtures("log_is_seen")


ENVELOPE = {
    "sender_host_address": "192.0.2.1",
    "sender_helo_name": "mail.example.org",
    "sender_address": "alice@example.org",
}
SPF: dict[str, Value] = {
    "sel._domainkey.example.org": record(),
    "example.org": "v=spf1 ip4:192.0.2.1 -all exp=why.example.org",
    "mail.example.org": "v=spf1 -all",
    "why.example.org": "%{i} is not one of ours",
    "slow.example": Trouble.TIMEOUT,
}


@pytest.mark.parametrize(
    ("query", "changes", "reply"),
    [
        ("spf", {}, "pass"),
        ("spf helo", {}, "fail"),
        ("spf", {"sender_host_address": "192.0.2.9"}, "fail"),
        ("spf", {"sender_host_address": "::ffff:192.0.2.1"}, "pass"),
        ("spf", {"sender_address": '""'}, "fail"),
        ("spf", {"sender_address": "a@slow.example"}, "temperror"),
        ("spf", {"sender_host_address": ""}, "none"),
        ("why spf", {}, "pass: mailfrom example.org: the domain permits this client (ip4:192.0.2.1)"),
        ("why spf helo", {}, "fail: helo mail.example.org: the domain says that this client is not permitted (-all)"),
        ("senderid", {}, "none"),  # no message yet
        ("why senderid", {}, "none: there is no message yet"),
        ("senderid mfrom", {}, "pass"),
        ("smtp spf", {}, "SPF check of MAIL FROM passed"),
        (
            "smtp spf",
            {"sender_host_address": "192.0.2.9"},
            "SPF check of MAIL FROM failed; example.org explains: 192.0.2.9 is not one of ours",
        ),
        (
            "smtp spf helo",
            {},
            "SPF check of HELO failed: 192.0.2.1 is not permitted to send mail for mail.example.org",
        ),
        (
            "smtp spf",
            {"sender_address": "a@slow.example"},
            "SPF check of MAIL FROM: temperror (slow.example: the name servers did not answer in time)",
        ),
    ],
)
def test_spf_before_there_is_a_message(query: str, changes: dict[str, str], reply: str) -> None:
    values = {**ENVELOPE, **changes}
    lines = [query, *(f"{name} = {value}" for name, value in values.items())]
    assert ask(make_service(MemoryResolver(SPF)), "\n".join(lines).encode()) == [reply]


def test_a_guess_is_told_as_one() -> None:
    dns = MemoryResolver({("plain.example", RecordType.A): "192.0.2.80"})
    service = make_service(dns, "spf_guess = v=spf1 a/24 ?all")
    values = {**ENVELOPE, "sender_address": "a@plain.example"}
    why, word, field = ask(service, *(request(b"", query, **values) for query in ("why spf", "spf", "authres spf")))
    guessed = "the domain has no SPF record; this client would match the best guess (a/24)"
    assert (word, why) == ("none", f"none: mailfrom plain.example: {guessed}")
    assert " ".join(field.split()).endswith("smtp.mailfrom=a@plain.example policy.best-guess=pass")


def test_spf_is_asked_once() -> None:
    dns = MemoryResolver(SPF)
    service = make_service(dns)
    asked = request(b"", "spf", **ENVELOPE)
    later = request(GOOD, "spf", **ENVELOPE)
    other = request(b"", "spf", **{**ENVELOPE, "sender_address": "bob@example.org"})
    assert ask(service, asked, asked, later, other) == ["pass"] * 4
    assert (service.counts["verified"], service.counts["remembered"], service.counts["pass"]) == (2, 2, 4)


def test_only_what_is_wanted_is_asked_of_dns() -> None:
    for query, names in {
        "dkim example.org": ["sel._domainkey.example.org"],
        "spf": ["example.org"],
        "spf helo": ["mail.example.org"],
        "senderid": ["example.org"],
        "authres dkim": ["sel._domainkey.example.org"],
        "forged": [],
        "ping": [],
    }.items():
        dns = MemoryResolver({**SPF, "example.org": "v=spf1 +all"})
        ask(make_service(dns), request(GOOD, query, **ENVELOPE))
        assert [question.name for question in dns.asked] == names, query


def test_authres() -> None:
    service = make_service(MemoryResolver(SPF), "authserv_id = mx.example")
    (field,) = ask(service, request(GOOD, "authres", **ENVELOPE))
    results = parse_authres(field.partition(":")[2].encode())
    assert field.startswith("Authentication-Results: mx.example;\n\t")
    assert [(result.method, result.result) for result in results.results] == [
        ("dkim", "pass"),
        ("spf", "pass"),
        ("sender-id", "pass"),
    ]
    assert results.results[2].value("header", "from") == "alice@example.org"


@pytest.mark.parametrize(
    ("data", "methods"),
    [
        (request(GOOD, "authres spf_helo dkim", **ENVELOPE), ["dkim=pass", "spf=fail"]),
        (request(GOOD, "authres SPF:senderid", **ENVELOPE), ["spf=pass", "sender-id=pass"]),
        (request(GOOD, "authres").replace(b"control = dkim_verify\n", b""), ["spf=none", "sender-id=none"]),
        (request(b"", "authres", **ENVELOPE), ["spf=pass"]),
        (request(b"", "authres dkim", **ENVELOPE), []),
    ],
)
def test_authres_tells_of_what_was_asked_for_and_can_be_told(data: bytes, methods: list[str]) -> None:
    (field,) = ask(make_service(MemoryResolver(SPF)), data)
    results = parse_authres(field.partition(":")[2].encode())
    assert [f"{result.method}={result.result}" for result in results.results] == methods


def test_json_of_every_method() -> None:
    options = "lookup_methods = dkim : spf : spf_helo : senderid : senderid_mfrom"
    (text,) = ask(make_service(MemoryResolver(SPF), options), request(GOOD, "json", **ENVELOPE))
    told = json.loads(text)
    assert [told[name] for name in ["dkim", "spf", "spf_helo", "senderid", "senderid_mfrom"]] == [
        "good", "pass", "fail", "pass", "pass",
    ]  # fmt: skip
    assert told["senderid_detail"] == {
        "reason": "matched_pass",
        "domain": "example.org",
        "address": "alice@example.org",
        "field": "from",
        "mechanism": "ip4:192.0.2.1",
        "text": None,
        "lookups": 0,
        "explanation": "pra example.org (From): the domain permits this client (ip4:192.0.2.1)",
    }
    assert told["spf_helo_detail"]["reason"] == "matched_fail"
    assert (told["forged"], told["why"], told["omitted"]) == (0, {}, 0)


def test_methods_of_the_option() -> None:
    options = "lookup_methods = spf"
    service = make_service(MemoryResolver(SPF), options)
    assert ask(service, request(GOOD, "all", **ENVELOPE)) == ["spf=pass forged=0"]
    with pytest.raises(ConfigurationError, match="'spam' is no method"):
        make_service(MemoryResolver(SPF), "lookup_methods = spf : spam")


class HalfSilent:
    """Never answers for SPF."""

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        if any("_domainkey" not in question.name for question in questions):
            await asyncio.Event().wait()
        return await resolver().resolve(*questions)


def test_at_the_deadline_what_is_finished_is_told() -> None:
    service = make_service(HalfSilent(), "lookup_timeout = 1s")

    async def run() -> list[str]:
        queries = [request(GOOD, query, **ENVELOPE) for query in ("all", "authres", "json", "dkim example.org", "spf")]
        return await asyncio.gather(*(reply_to(service, query) for query in queries))

    everything, field, text, dkim, spf = asyncio.run(run())
    assert everything == 'dkim=good dkim_domains="example.org" spf=temperror senderid=temperror forged=0'
    results = parse_authres(field.partition(":")[2].encode()).results
    assert [(result.method, result.result) for result in results] == [
        ("dkim", "pass"),
        ("spf", "temperror"),
        ("sender-id", "temperror"),
    ]
    assert results[1].comments == ("not finished within 1s (lookup_timeout)",)
    assert json.loads(text)["why"]["spf"] == "not finished within 1s (lookup_timeout)"
    assert (dkim, spf) == ("good", "temperror")


def test_spf_does_not_go_on_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    service = make_service(HalfSilent(), "lookup_timeout = 1s")

    async def run() -> str:
        assert await reply_to(service, request(b"", "spf", **ENVELOPE)) == "temperror"
        return await reply_to(service, request(b"", "why spf", **ENVELOPE))

    assert asyncio.run(run()) == "temperror: not finished within 2s"
    assert "spf=temperror [not finished within 2s]" in caplog.text


@pytest.mark.parametrize(
    ("broken", "query", "reply"),
    [
        ("lookup_server.service.tell", "all", "defer"),
        ("lookup_server.service.tell", "forged", "defer"),
        ("lookup_server.service.parse_query", "spf", "defer"),
        (
            "lookup_server.service.sort_fields",
            "all",
            'dkim=defer dkim_domains="" spf=temperror senderid=temperror forged=unknown',
        ),
        ("lookup_server.look_up.read_envelope", "spf", "temperror"),
        ("lookup_server.body.RequestBody.feed", "why dkim", "defer: internal error; see the log"),
    ],
)
def test_faults_of_ours(
    broken: str, query: str, reply: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever breaks: a reply, and a line in the log."""
    monkeypatch.setattr(broken, lambda *arguments: divmod(1, 0))
    assert ask(make_service(MemoryResolver(SPF)), request(GOOD, query, **ENVELOPE)) == [reply]
    assert "ZeroDivisionError" in caplog.text


def test_a_method_that_breaks_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def resolve(self, *questions: Question) -> Sequence[Answer]:
            if any("_domainkey" in question.name for question in questions):
                raise ZeroDivisionError("oh no")
            return await MemoryResolver(SPF).resolve(*questions)

    service = make_service(Broken())
    (reply,) = ask(service, request(GOOD, "all", **ENVELOPE))
    assert reply == 'dkim=defer dkim_domains="" spf=pass senderid=pass forged=0'
    assert "ZeroDivisionError" in caplog.text


FORGED = (
    b"Authentication-Results: mx.example; dkim=pass\n"
    b"authentication-results:\n (x) MX.EXAMPLE\n ; dkim=\n"
    b"Authentication-Results: other.example;\n\tdkim=pass (mx.example)\n"
    b"Authentication-Results: third.example; none\n"
)


def test_forged_fields() -> None:
    service = make_service(resolver(), "authserv_id = mx.example\nlookup_methods = dkim")
    data = {name: request(FORGED + GOOD_HEADER.replace(b"\r\n", b"\n"), name) for name in ("forged", "foreign", "all")}
    assert ask(service, data["forged"], data["foreign"], data["all"]) == [
        "2",
        "Authentication-Results: other.example;\n\tdkim=pass (mx.example)\nAuthentication-Results: third.example; none",
        'dkim=unverified dkim_domains="" forged=2',
    ]
    assert ask(service, request(GOOD, "forged"), request(GOOD, "foreign")) == ["0", "none"]
    assert ask(service, request(b"", "forged"), request(b"", "foreign")) == ["unknown", "none"]
    cut = request(FORGED + b"X: " + b"y" * EXIM_HEADER_LIMIT, "forged")
    assert ask(service, cut) == ["unknown"]


def test_domainkeys() -> None:
    message = domainkeys.signed(GOOD)
    dns = {**SPF, "_domainkey.example.org": "o=-"}
    service = make_service(MemoryResolver(dns), "domainkeys_verify = true")
    queries = ["domainkeys example.org", "domainkeys alice@example.org", "domainkeys other.example", "all"]
    assert ask(service, *[request(message, query, **ENVELOPE) for query in queries]) == [
        "good",
        "good",
        "unsigned",
        'dkim=good dkim_domains="example.org" domainkeys=good domainkeys_domains="example.org" spf=pass senderid=pass'
        " forged=0",
    ]
    assert ask(service, request(MESSAGE, "domainkeys example.org"), request(MESSAGE, "why domainkeys")) == [
        "bad",
        "bad: alice@example.org: there is no signature, but the domain says that it signs all mail (o=-)",
    ]
    (text,) = ask(service, request(message.replace(b"this is", b"that is"), "json"))
    told = json.loads(text)
    assert (told["domainkeys"], told["domainkeys_signatures"][0]["result"]) == ("bad", "fail")
    assert told["domainkeys_signatures"][0]["signs_all"] is True


@pytest.mark.parametrize("control", ["dkim_verify", "dk_verify"])
def test_control_for_domainkeys(control: str) -> None:
    service = make_service(MemoryResolver(SPF), "domainkeys_verify = true")
    data = request(domainkeys.signed(), "domainkeys example.org").replace(b"dkim_verify", control.encode())
    assert ask(service, data, data.replace(b"control", b"x")) == ["good", "unverified"]
    field = ask(service, data.replace(b"domainkeys example.org", b"authres", 1))[0]
    assert ("dkim=none" in field) == (control == "dkim_verify")


def test_domainkeys_that_is_not_verified() -> None:
    dns = MemoryResolver(SPF)
    service = make_service(dns)
    message = domainkeys.signed()
    assert ask(service, request(message, "domainkeys example.org"), request(MESSAGE, "domainkeys example.org")) == [
        "unverified",
        "unsigned",
    ]
    assert "domainkeys" not in ask(service, request(message, "all", **ENVELOPE))[0]
    assert not any("domainkey" in question.name for question in dns.asked)


def test_dkim_and_domainkeys_share_the_body_of_the_spool(spool: Path) -> None:
    """One piece of work, and both are remembered."""
    header, _, body = domainkeys.signed(GOOD).partition(b"\r\n\r\n")
    in_spool(spool, body)
    service = spool_service(spool, MemoryResolver(SPF), "domainkeys_verify = true\nlookup_methods = dkim : domainkeys")
    data = spool_request(spool, header + b"\r\n")
    asked = [
        data.replace(b"dkim example.org", query, 1) for query in (b"all", b"dkim a.example", b"domainkeys b.example")
    ]
    assert [reply.partition(" ")[0] for reply in ask(service, *asked)] == ["dkim=good", "unsigned", "unsigned"]
    assert (service.counts["verified"], service.counts["remembered"]) == (1, 2)


def test_large_messages_with_two_kinds_of_signatures() -> None:
    message = domainkeys.signed(signed(HEADER + b"\r\n" + b"y" * INLINE))
    service = make_service(MemoryResolver(SPF), "domainkeys_verify = true\nlookup_methods = dkim : domainkeys")
    replies = ask(service, request(message, "all"), request(message, "all"), request(message + b"z", "all"))
    assert [reply.split(" ")[::2] for reply in replies] == [
        ["dkim=good", "domainkeys=good", "forged=0"],
        ["dkim=good", "domainkeys=good", "forged=0"],
        ["dkim=bad", "domainkeys=bad", "forged=0"],
    ]
    assert service.counts["verified"] == 2


class SilentPolicy:
    """Answers for keys, never for a policy."""

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        if any(question.name == "_domainkey.example.org" for question in questions):
            await asyncio.Event().wait()
        return await MemoryResolver(SPF).resolve(*questions)


def test_dkim_does_not_wait_for_domainkeys_beyond_the_deadline() -> None:
    options = "domainkeys_verify = true\nlookup_timeout = 1s\nlookup_methods = dkim : domainkeys"
    service = make_service(SilentPolicy(), options)
    (reply,) = ask(service, request(domainkeys.signed(GOOD), "all"))
    assert reply == 'dkim=good dkim_domains="example.org" domainkeys=defer domainkeys_domains="" forged=0'


@pytest.mark.parametrize(
    ("options", "host", "name"),
    [
        ("", "mx.example", "mx.example"),
        ("authserv_id = ours.example", "mx.example", "ours.example"),
        ("primary_hostname = host.example", "mx.example", "host.example"),
        ("", "...", os.uname().nodename),
        ("", '"a\\nb"', os.uname().nodename),
        ("", "", os.uname().nodename),
    ],
)
def test_the_name_in_the_field(options: str, host: str, name: str) -> None:
    (field,) = ask(make_service(resolver(), options), request(b"", "authres", primary_hostname=host))
    assert parse_authres(field.partition(":")[2].encode()).authserv_id == name


def test_forged_in_the_name_of_the_mail_server() -> None:
    service = make_service(resolver())
    assert ask(service, request(FORGED + GOOD_HEADER, "forged", primary_hostname="mx.example")) == ["2"]
    assert ask(service, request(FORGED + GOOD_HEADER, "forged", primary_hostname="other.example")) == ["1"]


def quoted(value: bytes) -> bytes:
    """As `${quote:...}` writes it."""
    escaped = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return b'"' + escaped + b'"'


HOSTILE_WORDS = (
    b"x@example.org", b'"; dkim=pass (" @example.org', b"%{i}@example.org", "ü@müller.example".encode(), b"[192.0.2.1]",
    b"\r\nBcc: eve@x", b"a" * 2000 + b"@example.org", b"(" * 300, b"@", b"a@b@c", b"mail.example.org",
)  # fmt: skip
HOSTILE = st.binary(max_size=60) | st.sampled_from(HOSTILE_WORDS)


@settings(max_examples=200, deadline=None)
@given(
    sender=HOSTILE, helo=HOSTILE, query=st.sampled_from(["authres", "all", "json", "why spf", "smtp spf", "spf helo"])
)
def test_hostile_envelopes(sender: bytes, helo: bytes, query: str) -> None:
    """Whatever a client says, the reply is one of its kind."""
    head = b"%s\nsender_host_address = 192.0.2.9\nsender_address = %s\nsender_helo_name = %s\n\n"
    data = head % (query.encode(), quoted(sender), quoted(helo))
    (reply,) = ask(make_service(MemoryResolver(SPF)), data)
    assert not reply.startswith("error")
    if query == "authres":
        results = parse_authres(reply.partition(":")[2].encode()).results
        assert [result.method for result in results] == ["spf"]
        assert all(len(line.encode()) <= 998 for line in reply.split("\n\t"))
    elif query == "json":
        assert json.loads(reply)["spf"] in ("none", "fail", "permerror")
    else:
        assert reply.isprintable()
