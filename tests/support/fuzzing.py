"""Fuzz targets: one a parser, each with its contract: it returns, or raises one of the errors that it documents.

`tests/fuzz/test_targets.py` replays seeds and mutations of them in every test run; `python -m tests.fuzz.run TARGET`
hands a target to atheris (coverage-guided, `pip install atheris`) for as long as one likes.
"""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from exim_dkim import der
from exim_dkim.canonical import BODY_CANONICALIZATIONS, WHOLE_BODY_CANONICALIZATIONS
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.crypto import load_private_key, load_public_key
from exim_dkim.dkim.signature import parse_signature
from exim_dkim.dkim.verify import verify
from exim_dkim.errors import ConfigurationError, ExpansionError, KeyFormatError, ParseError
from exim_dkim.expansion import EmptyEnvironment, Template, expand, parse_template, split_list
from exim_dkim.expansion.lookups.dbm import BerkeleyDbTrouble, look_for
from exim_dkim.keyrecord import parse_key_record
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_field, parse_header, parse_message, to_wire
from exim_dkim.names import Domain, Selector, split_address
from exim_dkim.policy import VerificationPolicy
from exim_dkim.reports.record import parse_report_record
from exim_dkim.system.mailbox import read_message
from exim_dkim.system.nameservers import parse_nameserver, parse_resolv_conf
from exim_dkim.system.spool_header import SpoolError, parse_spool_header
from exim_dkim.system.zone import ZoneResolver
from exim_dkim.taglist import parse_tag_list
from exim_dkim.words import parse_key
from lookup_server.request import RequestError, RequestReader, parse_request
from milter_server.packet import ProtocolError
from tests.support import fuzzing_authres as authres
from tests.support import fuzzing_domainkeys as domainkeys
from tests.support import fuzzing_milter, naive
from tests.support import fuzzing_milter_lists as milter_lists
from tests.support.berkeleydb import small_berkeley_db
from tests.support.fuzzing_addresses import (
    HEADER_TOKENS,
    HEADERS,
    MAILBOX_TOKENS,
    MAILBOXES,
    SENDER_ID,
    SENDER_ID_TOKENS,
    mailboxes,
    responsible_address,
    sender_id,
)
from tests.support.fuzzing_milter import COMMANDS, CONVERSATIONS, PACKETS, REPLIES
from tests.support.fuzzing_milter import TOKENS as MILTER_TOKENS
from tests.support.fuzzing_reports import REPORTED, report
from tests.support.fuzzing_spf import SPF_TOKENS, judge_record, spf_records
from tests.support.fuzzing_values import TOKENS, VALUES, expand_mail
from tests.support.run import run
from transport_wrapper.arguments import UsageError, parse_arguments

VECTORS = Path(__file__).parents[1] / "vectors"
MAX_INPUT = 4096
"""Bytes: grammars do not get more interesting with length, only slower."""


@dataclass(frozen=True)
class Target:
    """A parser under test. `errors` are all that it may raise; `tokens` is what its language is made of."""

    name: str
    parse: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Sequence[bytes]
    tokens: Sequence[bytes]

    def __call__(self, data: bytes) -> None:
        """One input; anything raised is a fault."""
        with suppress(*self.errors):
            self.parse(data)


def _messages() -> list[bytes]:
    return [path.read_bytes() for path in sorted(VECTORS.glob("*/*.msg")) if path.stat().st_size < MAX_INPUT]


def _records() -> list[bytes]:
    lines = {line for path in VECTORS.glob("*/*.want") for line in path.read_bytes().splitlines()}
    return sorted(line.split(b" ", 2)[2] for line in lines if line.startswith(b"dns "))


_MESSAGES = _messages()
_SIGNATURES = [message.partition(b"\r\nReceived")[0] for message in _MESSAGES if message.startswith(b"DKIM-Signature:")]
_RECORDS = _records()
_PRIVATE_KEYS = [path.read_bytes() for path in sorted((VECTORS / "keys").glob("*.pem"))]
_PUBLIC_KEYS = [parse_key_record(record).data for record in _RECORDS if record.startswith(b"v=DKIM1; p=MI")]
_TAGS = [tag + b"=" for tag in b"v a b bh c d h i l q s t x z k n p".split()]
_RESOLVER = MemoryResolver({"rsa2048._domainkey.example.org": _RECORDS})


def _verify(data: bytes) -> None:
    message = parse_message(to_wire(data))
    for verdict in run(verify(message, _RESOLVER, VerificationPolicy(), 1_790_000_000)):
        assert verdict.explanation.isprintable()


def _split_message(data: bytes) -> None:
    """Nothing is lost: the fields and the body make up the message."""
    message = parse_message(data)
    header = b"\r\n".join(field.raw for field in message.fields)
    if message.has_body and message.fields:
        assert header + b"\r\n\r\n" + message.body == data
    assert parse_header(header) == message.fields


def _body(data: bytes) -> None:
    for name, reference in naive.BODY.items():
        out: list[bytes] = []
        canonicalizer = BODY_CANONICALIZATIONS[name](out.append)
        cut = data[0] if data else 0
        canonicalizer.update(data[:cut])
        canonicalizer.update(data[cut:])
        canonicalizer.finish()
        assert b"".join(out) == reference(data)
        assert WHOLE_BODY_CANONICALIZATIONS[name](data) == reference(data)


def _stored_message(data: bytes) -> None:
    stored = read_message(io.BytesIO(data), "stdin")
    for _ in stored.body:
        pass


def _chunked_request(data: bytes) -> None:
    """However it is cut, a request is the same, or as wrong."""
    try:
        whole: object = parse_request(data)
    except RequestError as error:
        whole = str(error)
    reader = RequestReader(len(data))
    for start in range(0, len(data), 7):
        reader.feed(data[start : start + 7])
    reader.end()
    try:
        pieces: object = reader.request()
    except RequestError as error:
        pieces = str(error)
    assert pieces == whole


def _decoded(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def _der(data: bytes) -> None:
    der.rsa_numbers(data)
    der.ed25519_seed(data)


def _expand(data: bytes) -> None:
    """The same, use after use: what is kept of a template must not change its value or its error."""
    template = parse_template(data)
    results = {_value_or_error(template) for _ in range(4)}
    assert len(results) == 1, results


def _value_or_error(template: Template) -> tuple[object, ...]:
    try:
        return expand(template, EmptyEnvironment())
    except ExpansionError as error:
        return type(error), error.message, error.start


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "replace"))


_FIELDS = (
    b"P Received: from a by b;\n\tMon, 21 Sep 2026 15:33:20 +0000\n",
    b"F From: Alice <alice@example.org>\n",
    b"  Subject: x\n",
    b"* X-Gone: y\n",
)
_SPOOL_HEADER = b"""1xUw9H-00013Q-2i-H
Debian-exim 105 113
<alice@example.org>
1790000000 0
-received_time_usec .123456
-helo_name mail.example.org
-host_address [192.0.2.1]:4711
-body_linecount 3
-acl 0 5
hello
-aclc _x 3
a b
--aclm _y 1
z
-max_received_linelength 70
YY bob@example.net
NN carol@example.net
NN erin@example.net
2
bob@example.net
dave@example.net 12,-1 0,1#1

""" + b"".join(b"%03d%s" % (len(field) - 2, field) for field in _FIELDS)

_EXPANSIONS = (
    b"${lc:$h_from:}",
    b"${if eq{a}{b}{c}{d}}",
    b"${if and{{match{abc}{^(.)b}}{!eqi{a}{B}}{exists{/x}}}{$1}{${domain:a@b}}}",
    b"${extract{2}{:}{a:b:c}{$value}fail}",
    b"${extract{x}{x=1 y=2}}${listextract{-1}{a:b}}",
    b"${sg{abc}{[ab]}{x\\N$\\N}}${tr{abc}{a-z}{A-Z}}",
    b"${map{<,a,b}{${uc:$item}}}${filter{a:b}{eq{$item}{a}}}${reduce{a:b}{}{$value$item}}",
    b"${length_3:${hash_5:abcdef}}${substr{-2}{1}{abc}}${nhash{8}{abc}}",
    b"$1${domain:a@b}\\x41\\101\\n",
    b"${eval:1+2*(3-4)/5%6<<1}${eval10:0x1f}${if >{1k}{1M}{a}{b}}",
    b"${rfc2047:x}${rfc2047d:=?utf-8?q?a?=}${quote:a b}${address:A <a@b>}${addresses:a@b, c@d}",
    b"${base64:abc}${base64d:YWJj}${md5:x}${sha256:x}${hex2b64:00ff}${mask:192.0.2.1/24}${reverse_ip:::1}",
    b"${sort{3:2:1}{<}{$item}}${str2b64:x}${time_interval:3600}${time_eval:1h}${escape:\\x00}",
    b"${lookup{a}lsearch{/x}{$value}{b}}${run{/bin/true}}${readfile{/x}}${dlfunc{a}{b}}",
    b'${extract jsons{a}{\\{"a":"x,y","b":[1]\\}}{$value}{n}}${if forany_json{[1,2]}{eq{$item}{2}}{y}{n}}',
    b"${sort{b:a:c}{lt}{${expand:\\$item}}}${reduce{<,a,b}{}{${sg{$value$item}{(.)}{\\$1}}}}",
    b"${headerwrap_20_60:a b c}${rfc2047:\\xe9}${from_utf8:\\xc3\\xa9}${utf8clean:\\xc3}${hmac{sha1}{k}{x}}",
    b"${nhash_8_64:x}${hash{3}{5}{abcdef}}${listnamed_d:+x}",
    b"${readsocket{/x}{y}{1s}{}{z}}${env{A}{$value}{n}}${stat:/x}${randint:5}${if match_domain{a}{^b}}",
    b'${acl{x}{y}}${hmac{md5}{k}{x}}${prvs{a@b}{k}}${extract json{a}{{"a":1}}}',
)
_CONFIGURATIONS = (
    b"dkim_domain = example.org\ndkim_selector = ${if eq{a}{b}{c}{d}}\n# comment\nlookup_timeout = 4s\n",
    b"A = x\n.ifdef A\ndns_cache_size = 10\n.else\nno_split_spool_directory\n.endif\n",
    b'lookup_listen = <; /run/a ; inet:127.0.0.1:1\nlookup_max_request = 64M\npid_file_path = "a\\nb"\n',
    b"hide log_destination = \\\n  syslog\ndomainlist local = a : b\n",
    b".include /x\n",
)
_ZONES = (
    b'$ORIGIN example.org.\n$TTL 60\n@ IN SOA a b 1 2 3 4 5\ns._domainkey TXT ( "v=DKIM1; "\n "p=x" )\n;! TIMEOUT a\n',
    b'example.org. 60 IN TXT "v=spf1 -all"\nmx.example.org. A 192.0.2.1\nx.y. CNAME z.\n',
)
_REQUESTS = (
    b"dkim example.org\ncontrol = dkim_verify\n\nFrom: x\n\nbody\n",
    b"ping\n",
    b"why dkim a@b\nlength = 5\n\nabcdefg",
    b'dkim "exa\\x6dple.org"\r\nsender_address = "a\\"b"\r\n\r\nFrom: x\r\n',
)
_STORED = (b"From: a\n\nbody\n", b"From a@b Mon Sep 21 00:00:00 2026\nFrom: x\n\ny\n", b"1xUw9H-00013Q-2i-D\nx\n")
_EXPANSION_TOKENS = b"${|}|{|$h_|if |eq|\\|:|fail|$item|$value|$1|${eval:|and{|\\N|999999999999999999".split(b"|")
_DER_TOKENS = (b"\x02", b"\x03", b"\x04", b"\x30", b"\x82", b"\x80", b"\0", b"\xff")
_LINE_ENDS = (b"\r\n", b"\n", b"\r")

TARGETS = (
    Target("tag list", parse_tag_list, (ParseError,), [*_SIGNATURES[:20], *_RECORDS], [*_TAGS, b";", b"\r\n\t", b" "]),
    Target("key record", parse_key_record, (ParseError,), _RECORDS, [*_TAGS, b";", b"DKIM1", b"rsa", b":", b"y", b"s"]),
    Target("signature", lambda data: parse_signature(parse_field(data)), (), _SIGNATURES, [*_TAGS, b";", b"/", b":"]),
    Target("message", _split_message, (), _MESSAGES, [*_LINE_ENDS, b": ", b" ", b"\t", b"\0"]),
    Target("body", _body, (), [b"a b\r\n", b" \t\r\n\r\n", b"\r"], [*_LINE_ENDS, b" ", b"\t", b"x"]),
    Target("verify", _verify, (), _MESSAGES, [*_TAGS, b";", b"\r\n", b"From: x\r\n", b"=", b"relaxed/relaxed"]),
    Target(
        "domain", Domain.parse, (ParseError,), [b"example.org", "bücher.example".encode()], [b".", b"-", b"_", b"xn--"]
    ),
    Target("domainkeys signature", domainkeys.read_signature, (), domainkeys.SIGNATURES, domainkeys.TOKENS),
    Target("domainkeys policy", domainkeys.read_policy, (ParseError,), domainkeys.POLICIES, domainkeys.TOKENS),
    Target("domainkeys body", domainkeys.canonicalize, (), domainkeys.BODIES, [*_LINE_ENDS, b" ", b"\t", b"x", b"\0"]),
    Target("domainkeys", domainkeys.judge, (), domainkeys.MESSAGES, domainkeys.TOKENS),
    Target("dkim of 2005", domainkeys.judge_legacy, (), domainkeys.LEGACY, [*domainkeys.TOKENS, b"nowsp", b"l="]),
    Target("selector", Selector.parse, (ParseError,), [b"s2048", b"a.b"], [b".", b"-", b"_", b"xn--"]),
    Target("address", split_address, (ParseError,), [b"alice@example.org", b'"a@b"@example.org'], [b"@", b".", b'"']),
    Target("mailboxes", mailboxes, (ParseError,), MAILBOXES, MAILBOX_TOKENS),
    Target("responsible address", responsible_address, (), HEADERS, HEADER_TOKENS),
    Target("sender id", sender_id, (), SENDER_ID, SENDER_ID_TOKENS),
    Target("key of a look-up", parse_key, (ParseError,), [b"example.org", b"a@example.org", b"@x.y"], [b"@", b"."]),
    Target(
        "report record",
        parse_report_record,
        (ParseError,),
        [b"ra=dkim-errors; rp=50; rr=v:x", b"ra=a=2Eb; rr=all; rs=no"],
        [b"ra=", b"rp=", b"rr=", b";", b":", b"=40", b"@", b"100", b"all"],
    ),
    Target("report", report, (), REPORTED, [b"r=y", b"@", b'"', *_LINE_ENDS, b"From: ", b";", b"=", b"\0", b"<", b">"]),
    Target(
        "private key", load_private_key, (KeyFormatError,), _PRIVATE_KEYS, [b"-----", b"\n", b"RSA ", b"BEGIN ", b"="]
    ),
    Target("DER", _der, (), [_decoded(pem) for pem in _PRIVATE_KEYS], _DER_TOKENS),
    Target("public key", partial(load_public_key, "rsa"), (KeyFormatError,), _PUBLIC_KEYS, _DER_TOKENS),
    Target("expansion", _expand, (ExpansionError,), _EXPANSIONS, _EXPANSION_TOKENS),
    Target("values in expansions", expand_mail, (), VALUES, TOKENS),
    Target("SPF record", judge_record, (), spf_records(), SPF_TOKENS),
    Target("authentication results", authres.read_and_write, (ParseError,), authres.FIELDS, authres.TOKENS),
    Target("forgeries", authres.find_forgeries, (), authres.FIELDS, authres.TOKENS),
    Target("list", split_list, (), [b"a:b::c", b"<, a, b", b"<\\n a\nb"], [b":", b"::", b"<;", b"<,", b" ", b"\n"]),
    Target(
        "configuration",
        parse_configuration,
        (ConfigurationError,),
        _CONFIGURATIONS,
        [b" = ", b"\n", b"\\\n", b".ifdef ", b".endif", b".include ", b'"', b"4h3m", b"10M", b"no_"],
    ),
    Target(
        "request",
        _chunked_request,
        (),
        _REQUESTS,
        [*_LINE_ENDS, b"\n\n", b" = ", b'"', b"\\", b"length = ", b"control = ", b"dkim "],
    ),
    Target(
        "spool header",
        parse_spool_header,
        (SpoolError,),
        [_SPOOL_HEADER],
        [b"\n", b"-acl ", b"--aclm _x ", b"YN ", b"XX\n", b" 0,1#1", b"999999999", b"-", b"012  "],
    ),
    Target("stored message", _stored_message, (), [*_STORED, *_MESSAGES[:5]], [*_LINE_ENDS, b"From ", b"\0", b": "]),
    Target(
        "zone file",
        _text(ZoneResolver),
        (ConfigurationError,),
        _ZONES,
        [b"\n", b" TXT ", b'"', b"(", b")", b"$ORIGIN ", b";!", b" IN ", b"\\", b"@", b".", b"$INCLUDE /etc/passwd"],
    ),
    Target(
        "name server", _text(parse_nameserver), (ConfigurationError,), [b"192.0.2.1", b"[::1]:53"], [b":", b".", b"5"]
    ),
    Target("resolv.conf", _text(parse_resolv_conf), (), [b"nameserver 192.0.2.1\nsearch x\n"], [b"\n", b"nameserver "]),
    Target(
        "Berkeley DB",
        lambda data: look_for(data, b"192.0.2.7"),
        (BerkeleyDbTrouble,),
        [small_berkeley_db([(b"192.0.2.7", b"yes"), (b"x", b"192.0.2.7")], order) for order in "<>"],
        [b"\x01", b"\x03", b"\x05", b"\0", b"\xff", b"192.0.2.7"],
    ),
    Target("milter lists", milter_lists.lists, (), milter_lists.SEEDS, milter_lists.TOKENS),
    Target("opendkim.conf", milter_lists.opendkim, (ConfigurationError,), milter_lists.OPENDKIM, milter_lists.TOKENS),
    Target("milter packets", fuzzing_milter.packets, (ProtocolError,), PACKETS[2:], MILTER_TOKENS),
    Target("milter command", fuzzing_milter.command, (ProtocolError,), COMMANDS, MILTER_TOKENS),
    Target("milter reply", fuzzing_milter.reply, (ProtocolError,), REPLIES, MILTER_TOKENS),
    Target("milter conversation", fuzzing_milter.conversation, (), CONVERSATIONS, MILTER_TOKENS),
    Target(
        "arguments of the filter",
        lambda data: parse_arguments(data.decode("utf-8", "replace").split("\n")),
        (UsageError,),
        [b"--config\n/x\n--dkim-domain=a\n-DA=b", b"--help"],
        [b"--", b"=", b"\n", b"-D", b"config", b"dkim-strict"],
    ),
)
BY_NAME = {target.name.replace(" ", "-"): target for target in TARGETS}


def mutations(target: Target, count: int, seed: int) -> Iterator[bytes]:
    """The seeds, then changes of them: pieces cut, doubled, mixed, replaced. The same for the same arguments."""
    yield b""
    yield from target.seeds
    source = random.Random(f"{target.name} {seed}")
    for _ in range(count):
        data = bytearray(source.choice(target.seeds))
        for _ in range(source.choice((1, 1, 2, 4, 8))):
            _change(data, target, source)
        yield bytes(data[:MAX_INPUT])


def _change(data: bytearray, target: Target, source: random.Random) -> None:
    start = source.randrange(len(data) + 1)
    end = min(len(data), start + source.choice((1, 1, 2, 5, 20, 100)))
    match source.randrange(6):
        case 0:
            data[start:end] = b""
        case 1:
            data[start:start] = source.choice(target.tokens)
        case 2:
            data[start:end] = source.choice(target.tokens) * source.choice((1, 1, 2, 50))
        case 3:
            data[start:end] = source.randbytes(end - start)
        case 4:
            data[start:start] = data[start:end] * source.choice((1, 3))
        case _:
            other = source.choice(target.seeds)
            cut = source.randrange(len(other) + 1)
            data[start:] = other[cut:]
