"""What came with mail in everything that the expansion language has: the target `values-in-expansions`."""

from __future__ import annotations

from contextlib import suppress

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Value, expand, parse_template

_OPERATORS = b"""address addresses base32 base32d base62 base62d base64 base64d domain escape escape8bit eval eval10
    from_utf8 hash_5 hex2b64 hexquote ipv6denorm ipv6norm lc length_3 listcount local_part mask md5 nhash_5 quote
    quote_local_part reverse_ip rfc2047 rfc2047d rxquote sha3 str2b64 strlen substr_-3_2 time_eval time_interval
    utf8_domain_from_alabel
    utf8_domain_to_alabel utf8clean headerwrap_40_0 listnamed expand""".split()
_MORE = (
    b"${extract{a}{$acl_m_x}}${extract{2}{:,}{$acl_m_x}}${extract{$acl_m_x}{:}{a:b}{y}{n}}",
    b"${extract json{a}{$acl_m_x}{y}{n}}",
    b"${extract jsons{2}{$acl_m_x}{y}{n}}",
    b"${if forany_json{$acl_m_x}{eq{$item}{a}}{y}{n}}",
    b"${map{$acl_m_x}{${uc:$item}}}${filter{$acl_m_x}{match{$item}{^a}}}",
    b"${sort{$acl_m_x}{lt}{$item}}",
    b"${sort{$acl_m_x}{<}{$item}}",
    b"${reduce{$acl_m_x}{0}{${eval:$value+1}}}${listextract{2}{$acl_m_x}}${listquote{:}{$acl_m_x}}",
    b"${sg{$acl_m_x}{a}{bb}}${sg{$acl_m_x}{a*}{x}}${tr{$acl_m_x}{a-z}{b}}",
    b"${if match{$acl_m_x}{\\N^(a+)+$\\N}{$1}{n}}",
    b"${if match{a}{$acl_m_x}{$1}{n}}",
    b"${if match_domain{$acl_m_x}{^a : *.b : +x}{y}{n}}",
    b"${if match_address{$acl_m_x}{*@b}{y}{n}}${if inlist{a}{$acl_m_x}{y}{n}}${if isip{$acl_m_x}{y}{n}}",
    b"${if match_ip{$acl_m_x}{192.0.2.0/24}{y}{n}}",
    b"${if bool_lax{$acl_m_x}{y}{n}}${if eqi{$acl_m_x}{a}{y}{n}}",
    b"${if >{$acl_m_x}{1}{y}{n}}",
    b"$h_x:$rh_x:$bh_x:$lh_x:${hmac{md5}{k}{$acl_m_x}}${hash{3}{$acl_m_x}}",
)
_TEMPLATES = [parse_template(b"${%s:$acl_m_x}" % name) for name in _OPERATORS] + [
    parse_template(text) for text in _MORE
]
VALUES = (
    b"a:b::c: :d",
    b'{"a": [1, "x,y"], "b": {"c": "\\""}}',
    b'["a", 2, [3]]',
    b"Joe <joe@x.example>, g: a@b, (c) d@e;",
    b"192.0.2.1/24",
    b"2001:db8::1/64",
    b"1+(2*3)<<4|0x5",
    b"=?utf-8?q?a=2Cb?= =?iso-8859-1?b?5A==?=",
    b'a=1 b = "x y" c',
    b"xn--bcher-kva.example",
    "b\u00fccher.example".encode(),
    b"1w2d3h",
    b"^(a|b)*$",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
)
TOKENS = (
    b":",
    b"::",
    b"<;",
    b",",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b"=?",
    b"?=",
    b"(",
    b")",
    b"<",
    b">",
    b"@",
    b" ",
    b"\n",
    b"1",
    b"-",
    b"~",
    b"\xc3",
    b"\xe2\x82",
    b"a",
    b"/",
    b".",
    b"$",
    b"*",
    b"a+",
)


class _Mail(EmptyEnvironment):
    """An environment of which everything came with mail."""

    def __init__(self, text: bytes) -> None:
        self._value = Value(text, True)

    def variable(self, name: bytes) -> Value:
        return self._value

    def header_fields(self) -> tuple[bytes, ...]:
        return (b"X:" + self._value.text + b"\n", b"X: " + self._value.text + b"\n")


def expand_mail(data: bytes) -> None:
    """What came with mail, as much as Exim lets it be, in everything that the language has."""
    environment = _Mail(data[: 64 << 10])
    for template in _TEMPLATES:
        with suppress(ExpansionError):
            value = expand(template, environment)
            assert len(value.text) <= 1 << 20
