"""Authentication-Results: what is read, what is written, and whose field it claims to be."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exim_dkim.authres import (
    MAX_FIELD,
    MAX_LINE,
    MAX_PIECES,
    MAX_RESULTS,
    MAX_VALUE,
    AuthenticationResults,
    MethodResult,
    Property,
    bears_id,
    format_authres,
    parse_authres,
)
from exim_dkim.errors import ParseError
from exim_dkim.message import parse_field

PASS = MethodResult("dkim", "pass")


def one(*results: MethodResult, **more: object) -> AuthenticationResults:
    return AuthenticationResults("mx.example", results, **more)  # type: ignore[arg-type]


READ = {
    b" mx.example; none": one(),
    b"mx.example;none": one(),
    b"mx.example; none;": one(),
    b"mx.example": one(),
    b"mx.example;": one(),
    b"\r\n\tmx.example\r\n\t;\r\n\tNONE\r\n": one(),
    b"mx.example 1; none": one(version=1),
    b'"mx.example" (ours)(really) 1 (v); none': one(version=1, comments=("ours", "really", "v")),
    b'"a \\"b\\"" ; none': AuthenticationResults('a "b"'),
    b"mx.example; DKIM=Pass": one(PASS),
    b"mx.example; dkim=pass;": one(PASS),
    b"mx.example; dkim / 2 (draft) = (so) pass": one(PASS._replace(version=2, comments=("draft", "so"))),
    b"mx.example; dkim=pass (a (b (c)) \\) d)": one(PASS._replace(comments=("a (b (c)) ) d",))),
    b"mx.example; dkim=pass (folded\r\n\there)": one(PASS._replace(comments=("folded here",))),
    b'mx.example; dkim=pass reason="good; signature" header . d = x': one(
        PASS._replace(reason="good; signature", properties=(Property("header", "d", "x"),))
    ),
    b"mx.example; spf=pass smtp.mailfrom=alice@example.org smtp.helo=h": one(
        MethodResult("spf", "pass", (Property("smtp", "mailfrom", "alice@example.org"), Property("smtp", "helo", "h")))
    ),
    b'mx.example; spf=pass smtp.mailfrom="a b"@example.org': one(
        MethodResult("spf", "pass", (Property("smtp", "mailfrom", '"a b"@example.org'),))
    ),
    b"mx.example; spf=none smtp.mailfrom=<>": one(MethodResult("spf", "none", (Property("smtp", "mailfrom", "<>"),))),
    b"mx.example; dkim=pass header.b=ab/cd+= header.i=@x": one(
        PASS._replace(properties=(Property("header", "b", "ab/cd+="), Property("header", "i", "@x")))
    ),
    b"mx.example; dmarc=fail action=none header.from=x": one(
        MethodResult("dmarc", "fail", (Property("", "action", "none"), Property("header", "from", "x")))
    ),
    b"mx.example; x=pass policy.dkim-rules=unsigned": one(
        MethodResult("x", "pass", (Property("policy", "dkim-rules", "unsigned"),))
    ),
    b'"m\xc3\xbcller.example"; dkim=pass header.i=\xc3\xbc@m\xc3\xbcller.example': AuthenticationResults(
        "müller.example", (PASS._replace(properties=(Property("header", "i", "ü@müller.example"),)),)
    ),
    b"mx.example; dkim=pass" + b"(" * 10_000 + b")" * 10_000: one(PASS._replace(comments=("(" * 9_999 + ")" * 9_999,))),
}


@pytest.mark.parametrize(("text", "wanted"), READ.items(), ids=[repr(text[:50]) for text in READ])
def test_read(text: bytes, wanted: AuthenticationResults) -> None:
    assert parse_authres(text) == wanted


NOT_READ = [
    b"",
    b" (only a comment)",
    b"; dkim=pass",
    b"dkim=pass",
    b"mx.example dkim=pass",
    b"mx.example; dkim",
    b"mx.example; dkim=",
    b"mx.example; dkim=pass header.d",
    b"mx.example; dkim=pass header.d=",
    b"mx.example; dkim=pass header.=x",
    b"mx.example; dkim/x=pass",
    b"mx.example; dkim=pass none",
    b"mx.example; dkim=pass (no end",
    b'mx.example; dkim=pass reason="no end',
    b"mx.example; dkim=pass (ends with \\",
    b"mx.example; dkim=pass )",
    b"mx.example; dkim=pass\x00header.d=x",
    b"mx.example; ;",
    b"x" * (MAX_FIELD + 1),
    b"mx.example" + b"; dkim=pass" * (MAX_RESULTS + 1),
]


@pytest.mark.parametrize("text", NOT_READ, ids=[repr(text[:50]) for text in NOT_READ])
def test_not_read(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_authres(text)


WRITTEN = {
    one(): b"Authentication-Results: mx.example;\r\n\tnone",
    one(PASS, version=1): b"Authentication-Results: mx.example 1;\r\n\tdkim=pass",
    AuthenticationResults("müller.example"): 'Authentication-Results: "müller.example";\r\n\tnone'.encode(),
    one(PASS._replace(comments=("a (b) c",), reason="why; not")): (
        b'Authentication-Results: mx.example;\r\n\tdkim=pass (a (b) c) reason="why; not"'
    ),
    one(PASS._replace(comments=(":-)", "\\", "((((x))))"))): (
        b"Authentication-Results: mx.example;\r\n\tdkim=pass (:-\\)) (\\\\) (\\(\\(\\(\\(x\\)\\)\\)\\))"
    ),
    one(PASS._replace(properties=(Property("header", "b", "a/b="), Property("header", "i", "@example.org")))): (
        b'Authentication-Results: mx.example;\r\n\tdkim=pass header.b="a/b=" header.i=@example.org'
    ),
    one(PASS._replace(properties=(Property("smtp", "mailfrom", '"a b"@x'), Property("", "action", "none")))): (
        b'Authentication-Results: mx.example;\r\n\tdkim=pass smtp.mailfrom="\\"a b\\"@x" action=none'
    ),
    one(PASS._replace(properties=(Property("smtp", "helo", ""),))): (
        b'Authentication-Results: mx.example;\r\n\tdkim=pass smtp.helo=""'
    ),
    one(PASS._replace(properties=(Property("smtp", "helo", "x" * MAX_VALUE),))): (
        b"Authentication-Results: mx.example;\r\n\tdkim=pass\r\n\tsmtp.helo=" + b"x" * MAX_VALUE
    ),
    one(PASS._replace(properties=(Property("smtp", "helo", "x" * (MAX_VALUE + 1)),))): (
        b"Authentication-Results: mx.example;\r\n\tdkim=pass"
    ),
    one(PASS, PASS._replace(comments=("word " * 30,))): (
        b"Authentication-Results: mx.example;\r\n\tdkim=pass;\r\n\tdkim=pass"
        b" (word word word word word word word word word word word word word\r\n\t"
        b"word word word word word word word word word word word word word word word\r\n\tword word)"
    ),
}


@pytest.mark.parametrize(("results", "wanted"), WRITTEN.items())
def test_written(results: AuthenticationResults, wanted: bytes) -> None:
    assert format_authres(results) == wanted
    assert len(wanted) > MAX_VALUE or all(len(line) <= MAX_LINE for line in wanted.split(b"\r\n"))


@pytest.mark.parametrize(
    "hostile",
    [
        "a\r\nBcc: eve@x",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\x85b",
        "a\u2028b",
        "a\ud800b",
        '"; dkim=pass',
        "); dkim=pass (",
        "\\",
    ],
)
def test_nothing_breaks_out(hostile: str) -> None:
    """Whatever a sender wrote: the field stays one field, with the one result that it had."""
    result = MethodResult("spf", "fail", (Property("smtp", "mailfrom", hostile),), hostile, (hostile,))
    field = format_authres(AuthenticationResults(hostile, (result,), comments=(hostile,)))
    assert not re.search(rb"\r\n[^\t]|\r(?!\n)|[^\r]\n|[\0\x7f]", field)
    back = parse_authres(field.partition(b":")[2])
    assert [(each.method, each.result, len(each.properties), len(each.comments)) for each in back.results] == [
        ("spf", "fail", 1, 1)
    ]


@pytest.mark.parametrize("word", ["", "a b", "a;", "a\r\nb", "-a", "ä"])
def test_what_is_no_keyword_is_a_fault_of_the_caller(word: str) -> None:
    for result in (MethodResult(word, "pass"), MethodResult("dkim", word)):
        with pytest.raises(ValueError, match="keyword"):
            format_authres(one(result))
    with pytest.raises(ValueError, match="keyword"):
        format_authres(one(PASS._replace(properties=(Property("header", word, "x"),))))


KEYWORDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)
VALUES = TEXTS.map(lambda text: text.strip(" "))
COMMENTS = TEXTS.map(lambda text: " ".join(text.split(" ")).strip(" ")).map(lambda text: re.sub(" +", " ", text))
NUMBERS = st.none() | st.integers(0, 999)
RESULTS = st.builds(
    MethodResult,
    KEYWORDS.filter(lambda word: word != "none"),
    KEYWORDS,
    st.lists(st.builds(Property, KEYWORDS, KEYWORDS, VALUES), max_size=4).map(tuple),
    st.none() | VALUES,
    st.lists(COMMENTS, max_size=3).map(tuple),
    NUMBERS,
)
FIELDS = st.builds(
    AuthenticationResults,
    VALUES.filter(bool),
    st.lists(RESULTS, max_size=4).map(tuple),
    NUMBERS,
    st.lists(COMMENTS, max_size=2).map(tuple),
)


@given(FIELDS)
@example(one(PASS._replace(comments=("a  b",))))
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_again(results: AuthenticationResults) -> None:
    field = format_authres(results)
    assert all(len(line) <= 998 for line in field.split(b"\r\n"))
    back = parse_authres(field.partition(b":")[2])
    assert format_authres(back) == field
    squeezed = [tuple(re.sub(" +", " ", text) for text in each.comments) for each in results.results]
    assert [each.comments for each in back.results] == squeezed
    assert [each._replace(comments=()) for each in back.results] == [
        each._replace(comments=()) for each in results.results
    ]
    assert (back.authserv_id, back.version) == (results.authserv_id, results.version)
    if any(map(str.isalnum, results.authserv_id)):
        assert bears_id(parse_field(field), results.authserv_id)


PIECES = st.sampled_from(
    [
        b"mx.example",
        b";",
        b"dkim",
        b"=",
        b"pass",
        b" ",
        b"\r\n\t",
        b"(",
        b")",
        b"\\",
        b'"',
        b"header.d",
        b"/",
        b"1",
        b"reason",
        b"none",
        b"\0",
        b"\xff",
        b"\xc3\xbc",
        b".",
        b"@",
    ]
)


@given(st.binary(max_size=100) | st.lists(PIECES, max_size=30).map(b"".join))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    bears_id(parse_field(b"Authentication-Results:" + text), "mx.example")
    try:
        results = parse_authres(text)
    except ParseError:
        return
    again = parse_authres(format_authres(results).partition(b":")[2])
    assert [each[:2] for each in again.results] == [each[:2] for each in results.results]


OURS = [
    b"Authentication-Results: mx.example; dkim=pass",
    b"authentication-RESULTS:MX.Example;none",
    b"Authentication-Results \t: mx.example; dkim=pass",
    b"Authentication-Results:\r\n mx.example\r\n ;",
    b"Authentication-Results:\n\tmx.example\n;",
    b"Authentication-Results: (a (b)\\)) mx.example",
    b'Authentication-Results: "mx.example"; x',
    b'Authentication-Results: "m\\x.example" 1',
    b'Authentication-Results: m"x".example',
    b"Authentication-Results: mx.(comment)example; x",
    b"Authentication-Results: mx. example; x",
    b"Authentication-Results: mx.example.; x",
    b"Authentication-Results: mx.example/1; x",
    b"Authentication-Results: mx.example=1; x",
    b"Authentication-Results: mx.example 1; (((",
    b"Authentication-Results: mx.example; dkim=",
    b"Authentication-Results: mx.example dkim=pass",
    b"Authentication-Results: mx.example\0; x",
    b"Authentication-Results: m\0x.example; x",
    b"Authentication-Results: \xa0mx.example; x",
    b"Authentication-Results: (mx.example; dkim=pass",
    b'Authentication-Results: "mx.example; dkim=pass',
    b"Authentication-Results: ) mx.example; dkim=pass",
    b"Authentication-Results: m\\x.example; x",
    b"Authentication-Results: <mx.example>; x",
    b"Authentication-Results: 'mx.example.'; x",
    b"Authentication-Results: 1 mx.example; x",
    b"Authentication-Results: https://mx.example/; x",
    b"Authentication-Results: =?utf-8?q?mx=2Eexample?=; x",
    b"Authentication-Results: m=?us-ascii?b?eC5leGFtcGxlOyBka2ltPXBhc3M=?=",
    b"Authentication-Results: (comment) =?utf-8?q?mx.example;_dkim=3Dpass?=",
    b"Authentication-Results: " + b"(" * 20_000 + b")" * 20_000 + b"mx.example",
    b"Authentication-Results: " + b"()" * MAX_FIELD + b"MX.example",
    b"Authentication-Results: other.example; " + b"x" * MAX_FIELD + b" MX.example",
    b"Authentication-Results: other.example" + b")" * MAX_PIECES + b"; x (MX.example)",
]


@pytest.mark.parametrize("field", OURS, ids=[repr(field[22:60]) + repr(field[-3:]) for field in OURS])
def test_claims_to_be_ours(field: bytes) -> None:
    assert bears_id(parse_field(field), "mx.example")
    assert not bears_id(parse_field(b"X-" + field), "mx.example")


FOREIGN = [
    b"Authentication-Results: other.example; dkim=pass (mx.example)",
    b"Authentication-Results: other.example; x=pass smtp.helo=mx.example",
    b"Authentication-Results: (mx.example) other.example; none",
    b"Authentication-Results: (=?utf-8?q?mx.example?=) other.example; none",
    b"Authentication-Results: other.example; none (=?utf-8?q?mx.example?=)",
    b"Authentication-Results: mx.example..other; none",
    b"Authentication-Results: mx.example.evil.example; dkim=pass",
    b"Authentication-Results: mx.example-2; dkim=pass",
    b"Authentication-Results: mx.exampl; dkim=pass",
    b"Authentication-Results: amx.example; dkim=pass",
    b"Authentication-Results: ;mx.example",
    b"Authentication-Results: other.example (without end",
    b'Authentication-Results: "other.example; none',
    b"Authentication-Results:",
    b"ARC-Authentication-Results: i=1; mx.example; dkim=pass",
]


@pytest.mark.parametrize("field", FOREIGN)
def test_claims_to_be_of_another(field: bytes) -> None:
    assert not bears_id(parse_field(field), "mx.example")


@given(st.lists(st.sampled_from(b"mx . example MX.Example ; = =? < > 1 xn--mller-kva K".split()) | PIECES))
@settings(max_examples=500, deadline=None)
def test_what_is_seen_at_once_is_what_a_closer_look_shows(pieces: list[bytes]) -> None:
    """A comment, which changes nothing else, makes for the closer look."""
    text = b"".join(pieces)
    for own in ("mx.example", "müller.example", "k"):
        plain, looked = parse_field(b"Authentication-Results:" + text), parse_field(b"Authentication-Results:()" + text)
        assert bears_id(plain, own) == bears_id(looked, own)


@pytest.mark.parametrize("own", ["xn--mller-kva.example", "müller.example", "MÜLLER.example."])
@pytest.mark.parametrize("written", ["xn--mller-kva.example", '"müller.example"', "Müller.Example"])
def test_internationalised_names_have_two_forms(own: str, written: str) -> None:
    assert bears_id(parse_field(f"Authentication-Results: {written}; none".encode()), own)
