"""Items of texts, `extract`, captures: scope and arguments. Tables against Exim: tests/vectors/expansion."""

from __future__ import annotations

import pytest

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, expand, parse_template


def value(template: bytes) -> bytes:
    return expand(parse_template(template), EmptyEnvironment()).text


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        # What a match captures lasts as long as its `if`, and comes back after what is inside.
        (b"${if match{ab}{(a)}{${if match{xy}{(x)}{$1}{}}$1}}[$1]", b"xa[]"),
        (b"${if match{ab}{(a)}{${sg{xy}{(x)}{<\\$1>}}$1}}", b"<x>ya"),
        (b"${if match{ab}{(a)}{${map{x:y}{$1$item}}}}", b"ax:ay"),
        (b"${if and{{match{ab}{(a)}}{match{$1}{^a}}}{y}{n}}", b"y"),
        # $value and $item.
        (b"${extract{1}{:}{a:b}{[$value]${extract{2}{:}{c:d}{$value}}[$value]}}[$value]", b"[a]d[a][]"),
        (b"${map{a:b}{${map{c}{$item}}$item}}[$item]", b"ca:cb[]"),
        (b"${reduce{a:b}{}{$value${reduce{c}{}{$value$item}}}}", b"cc"),
        (b"${filter{a:b}{match_domain{$item}{b}}}[$value]", b"b[]"),
        (b'${extract json{a}{\\{"a":1\\}}{${extract json{1}{[2]}{$value}}$value}}', b"21"),
        # As many arguments as there are.
        (b"${hash{2}{abcdef}}${hash{2}{5}{abcdef}}", value(b"${hash_2:abcdef}${hash_2_5:abcdef}")),
        (b"${env{X}{y}{n}}${env{X}}", b"n"),
    ],
)
def test_scope(template: bytes, wanted: bytes) -> None:
    assert value(template) == wanted


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (b"${env X}", "missing '{' for name arg of env"),
        (b"${env{X}{y}fail}", '"env" failed and "fail" requested'),
        (b"${hmac{sha256}{a}{b}}", 'hmac algorithm "sha256" is not recognised'),
        (b"${extract jsonx{a}{b}}", "extract"),
        (b"${extract json{a}}", "missing '{' for arg 2 of extract"),
        (b"${extract json{a}{\\{\\}}{y}{n}{z}}", "missing or misplaced"),
        (b"${extract json{a}{\\{\\}}fail}", "missing or misplaced"),
        (b"${sg{a}{a}{\\$nosuch}}", 'unknown variable name "nosuch"'),
    ],
)
def test_what_fails(template: bytes, message: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        value(template)
    assert message in caught.value.message
