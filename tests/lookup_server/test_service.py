"""From requests to replies, without sockets: the words, the bodies, what is remembered, what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ConfigurationError
from exim_dkim.memory import MemoryResolver, Value
from exim_dkim.resolver import Answer, Question, Trouble
from exim_dkim.system.aside import LARGE
from lookup_server.look_up import EXIM_HEADER_LIMIT, INLINE, MAX_FIELDS, MAX_HEADER
from lookup_server.request import RequestError, parse_request
from tests.support.lookup_service import (
    GOOD,
    GOOD_BODY,
    GOOD_HEADER,
    ID,
    LONG_ID,
    ask,
    in_spool,
    make_service,
    reply_to,
    request,
    spool_request,
    spool_service,
)
from tests.support.mail import BODY, HEADER, MESSAGE, record, resolver, signed

pytestmark = pytest.mark.usefixtures("log_is_seen")


@pytest.mark.parametrize(
    ("message", "key", "word"),
    [
        (GOOD, "example.org", "good"),
        (GOOD.replace(b"\r\n", b"\n"), "example.org", "good"),
        (GOOD, "EXAMPLE.org", "good"),
        (GOOD, "@example.org", "good"),
        (GOOD, "other.example", "unsigned"),
        (MESSAGE, "example.org", "unsigned"),
        (GOOD.replace(b"this is it", b"this is not it"), "example.org", "bad"),
        (GOOD.replace(b"Alice", b"Mallory"), "example.org", "bad"),
        (signed(selector="slow"), "example.org", "defer"),
        (signed(selector="gone"), "example.org", "bad"),
        (signed(signed(selector="slow")), "example.org", "good"),
        (signed(selector="testing", number=1), "example.org", "unsigned"),
        (b"", "example.org", "unverified"),
        (GOOD_HEADER, "example.org", "unverified"),  # no body, and no id to find it by
        (b"\nonly a body\n", "example.org", "unsigned"),
        (b"\xff\0\r\n", "example.org", "unverified"),
    ],
)
def test_words(message: bytes, key: str, word: str) -> None:
    records: dict[str, Value] = {
        "sel._domainkey.example.org": record(),
        "slow._domainkey.example.org": Trouble.TIMEOUT,
        "testing._domainkey.example.org": record().replace("v=DKIM1;", "v=DKIM1; t=y;"),
    }
    assert ask(make_service(MemoryResolver(records)), request(message, f"dkim {key}")) == [word]


def test_without_control_nothing_is_verified() -> None:
    keys = resolver()
    service = make_service(keys)
    assert (
        ask(service, b"dkim example.org\n\n" + GOOD, b"dkim example.org\ncontrol = \n\n" + GOOD) == ["unverified"] * 2
    )
    assert ask(service, b"dkim example.org\ncontrol = something\n\n" + GOOD) == ["unverified"]
    assert keys.asked == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (request(GOOD, "dkim"), "needs a key"),
        (request(GOOD, "dkim not a domain"), "neither a domain"),
        (request(GOOD, "dkim a..b"), "neither a domain"),
        (request(GOOD, "dkim @"), "neither a domain"),
        (request(GOOD, "spam"), "unknown query 'spam'; there are: dkim"),
        (request(GOOD, "why ping"), "unknown query"),
        (request(GOOD, "spf pra"), "spf: 'pra' is no identity; write helo"),
        (request(GOOD, "senderid x"), "write pra or mfrom"),
        (request(GOOD, "authres dkim spam"), "'spam' is no method"),
        (request(b"", "spf", sender_host_address="localhost"), "sender_host_address"),
        (request(GOOD_HEADER, message_exim_id="../../../etc/passwd"), "message id"),
        (request(GOOD_HEADER, message_exim_id="1xUw9H-00013Q-2i/../x"), "message id"),
        (request(GOOD_HEADER, message_exim_id=ID, queue_name="../../etc"), "queue"),
        (request(GOOD_HEADER, message_exim_id=ID, spool_directory="/etc"), "lookup_spool_directories"),
        (
            request(GOOD_HEADER, message_exim_id=ID, spool_directory="/var/spool/exim4/../.."),
            "lookup_spool_directories",
        ),
        (request(b"X: y\n" * (MAX_HEADER // 5 + 1) + b"\n"), "header is longer"),
    ],
)
def test_wrong_requests_get_no_verdict(data: bytes, text: str) -> None:
    (reply,) = ask(make_service(resolver()), data)
    assert reply.startswith("error: ")
    assert text in reply


def test_a_sender_cannot_write_requests() -> None:
    """A key or value that mail made, with line ends in it: as `${quote:` writes them, they stay what they are."""
    whole = GOOD.decode("ascii").replace("\r\n", "\\n").replace('"', '\\"')
    key = f'"example.org\\ncontrol = dkim_verify\\n\\n{whole}"'
    forged = f"dkim {key}\ncontrol = dkim_verify\n\nFrom: Mallory <alice@example.org>\n\nGive me money.\n"
    (reply,) = ask(make_service(resolver()), forged.encode())
    assert reply.startswith("error: dkim: 'example.org control")
    sender = f"dkim example.org\nsender_address = {key}\ncontrol = dkim_verify\n\nFrom: Mallory <m@example.org>\n\nx\n"
    assert ask(make_service(resolver()), sender.encode()) == ["unsigned"]


def test_operators_queries() -> None:
    service = make_service(resolver())
    ping, version, *_ = ask(service, b"ping", b"version", request(GOOD), request(GOOD))
    assert ping == "pong"
    assert version.startswith("exim-dkim ")
    assert "requests=5 errors=0 verified=1 remembered=1 unverified=0 unsigned=0 good=2" in ask(service, b"stats")[0]


def test_all_and_json() -> None:
    message = signed(signed(domain="other.example", selector="none"))
    service = make_service(resolver())
    everything, of_other, text = ask(
        service,
        request(message, "all"),
        request(message, "all other.example"),
        request(message, "json"),
    )
    assert everything == 'dkim=good dkim_domains="example.org" spf=none senderid=none forged=0'
    assert of_other == 'dkim=bad dkim_domains="example.org" spf=none senderid=none forged=0'
    told = json.loads(text)
    assert told["dkim"] == "good"
    assert told["dkim_domains"] == ["example.org"]
    first, second = told["signatures"]
    assert first == {
        "domain": "example.org",
        "selector": "sel",
        "identity": "@example.org",
        "algorithm": "rsa-sha256",
        "result": "pass",
        "reason": "good",
        "explanation": "d=example.org s=sel: the signature is good",
        "testing": False,
        "key_bits": 1024,
    }
    assert (second["domain"], second["result"], second["reason"]) == ("other.example", "permerror", "key_nxdomain")
    (of_other,) = ask(service, request(message, "json other.example"))
    assert [s["domain"] for s in json.loads(of_other)["signatures"]] == ["other.example"]


def test_json_with_more_signatures_than_fit_is_still_json() -> None:
    label = "x" * 60
    field = f"DKIM-Signature: v=1; d={label}.{label}.{label}.example; s={label}.{label}.{label}; a={'y' * 80}\r\n"
    (text,) = ask(make_service(resolver()), request(field.encode() * 150 + b"From: a@b\r\n\r\nbody\r\n", "json"))
    told = json.loads(text)
    assert told["omitted"] > 0
    assert len(told["signatures"]) + told["omitted"] == 150


def test_json_of_hostile_bytes_is_ascii_and_one_line() -> None:
    field = b"DKIM-Signature: v=1; d=\xff\x00\xe2\x80\xa8; s=\n x; a=" + b"\xfe" * 300 + b"; i=\x01@\xc3\xbc.example\n"
    (text,) = ask(make_service(resolver()), request(field + b"From: a@b\n\nbody\n", "json"))
    assert text.isascii()
    assert json.loads(text)["dkim"] == "bad"


@pytest.mark.parametrize(
    ("message", "query", "text"),
    [
        (GOOD, "why dkim example.org", "good: d=example.org s=sel: the signature is good"),
        (GOOD.replace(b"this", b"that"), "why dkim example.org", "bad: d=example.org s=sel: the body was changed"),
        (GOOD, "why dkim other.example", "unsigned: no signature matches; the message has signatures of example.org"),
        (MESSAGE, "why dkim other.example", "unsigned: the message has no DKIM signature"),
        (b"", "why dkim", "unverified: there is no message yet"),
        (GOOD_HEADER, "why dkim", "unverified: the request has neither a body nor message_exim_id"),
        (signed(selector="gone"), "why dkim", "bad: d=example.org s=gone: there is no key: the name does not exist"),
    ],
)
def test_why(message: bytes, query: str, text: str) -> None:
    assert ask(make_service(resolver()), request(message, query))[0].startswith(text)


@pytest.mark.parametrize(
    ("body", "message_id", "place", "values"),
    [
        (GOOD_BODY.replace(b"\r\n", b"\n"), ID, "input", {}),
        (GOOD_BODY, ID, "input", {}),  # spool_wireformat
        (GOOD_BODY, LONG_ID, "input", {}),
        (GOOD_BODY, ID, "input/H", {}),  # split spool
        (GOOD_BODY, ID, "fast/input", {"queue_name": "fast"}),
        (GOOD_BODY, ID, "input", {"queue_name": '""', "message_body_size": len(GOOD_BODY)}),
    ],
)
def test_body_from_the_spool(
    spool: Path, body: bytes, message_id: str, place: str, values: Mapping[str, str | int]
) -> None:
    in_spool(spool, body, message_id, place)
    service = spool_service(spool, resolver())
    header = GOOD_HEADER.replace(b"\r\n", b"\n")
    assert ask(service, spool_request(spool, header, message_id, **values)) == ["good"]
    assert ask(service, spool_request(spool, header.replace(b"Alice", b"Eve"), message_id, **values)) == ["bad"]


def test_the_spool_is_not_for_clients_elsewhere(spool: Path) -> None:
    in_spool(spool, GOOD_BODY)
    asked = spool_request(spool, GOOD_HEADER)
    assert "lookup_spool_over_inet" in ask(spool_service(spool, resolver()), asked, local=False)[0]
    permitting = spool_service(spool, resolver(), "lookup_spool_over_inet = true")
    assert ask(permitting, asked, local=False) == ["good"]
    assert ask(spool_service(spool, resolver()), request(GOOD), local=False) == ["good"]


def test_spool_files_that_cannot_be_trusted_defer(spool: Path, tmp_path: Path) -> None:
    service = spool_service(spool, resolver())
    file = spool / "input" / f"{ID}-D"
    why = spool_request(spool, GOOD_HEADER).replace(b"dkim ", b"why dkim ", 1)

    def replies() -> tuple[str, str]:
        word, reason = ask(service, spool_request(spool, GOOD_HEADER), why)
        return word, reason

    assert replies() == ("defer", f"defer: {file}: No such file or directory")
    (tmp_path / "elsewhere").write_bytes(f"{ID}-D\n".encode() + GOOD_BODY)
    file.symlink_to(tmp_path / "elsewhere")
    assert replies() == ("defer", f"defer: {file}: is a link")
    file.unlink()
    file.mkdir()
    assert replies()[0] == "defer"
    file.rmdir()
    for content in (b"", f"{ID}-".encode(), b"1xUw9H-00013Q-2j-D\n" + GOOD_BODY):
        file.write_bytes(content)
        assert replies() == ("defer", f"defer: {ID}-D does not begin with its own name")
    in_spool(spool, GOOD_BODY[:-4])
    cut = spool_request(spool, GOOD_HEADER, message_body_size=len(GOOD_BODY))
    assert ask(service, cut) == ["defer"]


def test_a_spool_file_that_changes_while_it_is_read_defers(spool: Path) -> None:
    file = in_spool(spool, GOOD_BODY)

    class Meddler:
        """Changes the file while the key is being fetched."""

        async def resolve(self, *questions: Question) -> Sequence[Answer]:
            with file.open("ab") as stream:
                stream.write(b"more\n")
            return await resolver().resolve(*questions)

    assert ask(spool_service(spool, Meddler()), spool_request(spool, GOOD_HEADER)) == ["defer"]


@pytest.mark.parametrize("cut", [EXIM_HEADER_LIMIT - 1, EXIM_HEADER_LIMIT])
def test_a_header_that_exim_may_have_cut_has_no_verdict(spool: Path, cut: int) -> None:
    in_spool(spool, GOOD_BODY)
    service = spool_service(spool, resolver())
    header = GOOD_HEADER.replace(b"\r\n", b"\n") + b"X: " + b"y" * (2 * cut)
    word, why = ask(
        service,
        spool_request(spool, header[:cut]),
        spool_request(spool, header[:cut]).replace(b"dkim", b"why dkim", 1),
    )
    assert word == "unverified"
    assert "64 KiB" in why
    shorter = header[: cut - 10] + b"\n"
    assert ask(service, spool_request(spool, shorter)) == ["good"]
    whole = GOOD_HEADER + b"X: " + b"y" * (2 * cut) + b"\r\n\r\n" + GOOD_BODY
    assert ask(service, request(whole)) == ["good"]


def test_a_header_of_very_many_fields_has_no_verdict() -> None:
    service = make_service(resolver(), "authserv_id = mx.example")
    many, folded = b"X:\r\n" * MAX_FIELDS, b"X:\r\n" + b" x\r\n" * MAX_FIELDS
    for query, told in (
        ("why dkim example.org", "unverified: the header has more than 10000 fields"),
        ("forged", "unknown"),
    ):
        assert ask(service, request(many + GOOD, query)) == [told]
    assert ask(service, request(folded + GOOD)) == ["good"]
    assert ask(service, request(GOOD + b"\r\n" * MAX_FIELDS)) == ["good"]


def test_the_search_in_a_large_header_is_done_aside() -> None:
    """And what is not found in time is not known."""
    claims = b"Authentication-Results: mx.example; dkim=pass\r\nAuthentication-Results: other.example; none\r\n"
    large = claims + b"X: " + b"y" * LARGE + b"\r\n" + GOOD
    service = make_service(resolver(), "authserv_id = mx.example")
    assert isinstance(service.answer(parse_request(request(claims + GOOD, "forged")), True), bytes)

    async def run() -> None:
        assert await reply_to(service, request(large, "forged")) == "1"
        assert await reply_to(service, request(large, "foreign")) == "Authentication-Results: other.example; none"
        assert (await reply_to(service, request(large, "all"))).endswith("forged=1")
        pending = service.answer(parse_request(request(large, "forged")), True)
        assert not isinstance(pending, bytes)
        assert service.finish(pending) == b"unknown"
        await asyncio.wait([pending.task])
        assert pending.task.cancelled()

    asyncio.run(run())


def test_a_message_is_verified_once(spool: Path) -> None:
    in_spool(spool, GOOD_BODY)
    keys = resolver()
    service = spool_service(spool, keys)
    asked = spool_request(spool, GOOD_HEADER)

    async def run() -> None:
        first = await asyncio.gather(*(reply_to(service, asked) for _ in range(10)))
        assert set(first) == {"good"}
        assert isinstance(service.answer(parse_request(asked), True), bytes)  # at once
        assert await reply_to(service, asked.replace(b"example.org", b"other.example", 1)) == "unsigned"

    asyncio.run(run())
    assert len(keys.asked) == 1
    in_spool(spool, GOOD_BODY + b"more\r\n")
    assert ask(service, asked) == ["bad"]  # another body under the same id
    assert len(keys.asked) == 2


class Slow:
    """A resolver that answers late."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        await asyncio.sleep(self.seconds)
        return await resolver().resolve(*questions)


def test_past_lookup_timeout_it_is_defer_and_the_work_is_not_lost() -> None:
    service = make_service(Slow(1.5), "lookup_timeout = 1s")

    async def run() -> None:
        assert await reply_to(service, request(GOOD)) == "defer"
        assert await reply_to(service, request(GOOD)) == "good"

    asyncio.run(run())


def test_an_internal_fault_is_logged_in_one_line_and_defers(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def resolve(self, *questions: Question) -> Sequence[Answer]:
            raise ZeroDivisionError("oh\nno")

    assert ask(make_service(Broken()), request(GOOD, "why dkim")) == ["defer: internal error; see the log"]
    assert any("ZeroDivisionError: oh no at " in message for message in caplog.messages)
    assert not any("\n" in message for message in caplog.messages)


def test_the_log_has_one_bounded_line_a_message(caplog: pytest.LogCaptureFixture) -> None:
    hostile = '"evil\\n\\x1b[31m' + "x" * 5000 + '"'
    values = {
        "message_exim_id": ID,
        "sender_address": hostile,
        "sender_host_address": "192.0.2.1",
    }
    message = signed()
    for _ in range(20):
        message = message.replace(b"DKIM-Signature:", b"DKIM-Signature: v=1; d=x\r\nDKIM-Signature:", 1)
    ask(make_service(resolver()), *[request(message, **values)] * 3)
    (line,) = caplog.messages
    assert line.startswith(f"{ID} [192.0.2.1] F=<evil [31mxxx")
    assert "dkim=good d=x" in line
    assert len(line) < 1400
    assert line.isprintable()


def test_a_large_body_does_not_hold_up_others() -> None:
    body = (b"y" * 70 + b"\r\n") * 400_000
    message = signed(HEADER + b"\r\n" + body)
    service = make_service(resolver())

    async def run() -> int:
        turns = 0
        task = asyncio.create_task(reply_to(service, request(message)))
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert task.result() == "good"
        return turns

    assert asyncio.run(run()) > 5  # held up, it would be two or three


def test_a_large_message_is_verified_once_too() -> None:
    message = signed(HEADER + b"\r\n" + b"y" * INLINE)
    service = make_service(resolver())
    assert ask(service, request(message), request(message), request(message + b"z")) == ["good", "good", "bad"]
    assert (service.counts["verified"], service.counts["remembered"]) == (2, 1)


def test_a_fault_while_a_large_message_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookup_server.look_up.sha256", lambda _: divmod(1, 0))
    asked = [request(b"From: a@b\n\n" + b"y" * size, "why dkim") for size in (10, INLINE)]
    assert ask(make_service(resolver()), *asked) == ["defer: internal error; see the log"] * 2


@pytest.mark.parametrize(
    "options",
    [
        "dkim_verify_hashes = md5",
        "dkim_verify_min_keysizes = rsa",
        "dkim_verify_signatures = 0",
        "dkim_verify_hashes = ",
    ],
)
def test_options_without_sense(options: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^test\.conf:1: "):
        make_service(resolver(), options)


def test_defer_and_refuse() -> None:
    service = make_service(resolver())
    assert service.defer(parse_request(request(b"", "all")), "busy") == (
        b'dkim=defer dkim_domains="" spf=temperror senderid=temperror forged=unknown'
    )
    assert service.defer(parse_request(request(b"", "why dkim")), "busy") == b"defer: busy"
    assert service.defer(parse_request(b"nonsense"), "busy").startswith(b"error: ")
    assert service.refuse("bad\nrequest") == b"error: bad request"


EVERY_QUERY = (
    "dkim example.org", "all", "json", "why dkim", "why dkim a@example.org", "senderid", "why senderid",
    "senderid mfrom", "authres", "authres senderid", "forged", "foreign", "smtp senderid",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(EVERY_QUERY),
    st.lists(
        st.sampled_from(
            [
                GOOD_HEADER,
                BODY,
                b"\r\n",
                b"\n",
                b"\0",
                b":",
                b"DKIM-Signature: ",
                b"v=1; a=rsa-sha256; d=example.org",
                b"From",
            ]
        )
        | st.binary(max_size=20),
        max_size=12,
    ).map(b"".join),
)
def test_any_message_gets_a_reply(query: str, message: bytes) -> None:
    try:
        data = parse_request(request(message, query))
    except RequestError:
        raise AssertionError("the head is a good one") from None
    assert data.query in query
    (reply,) = ask(make_service(resolver()), request(message, query))
    assert not reply.startswith("error: ")
    assert "internal" not in reply
