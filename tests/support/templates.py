"""Random templates of all that the language has: well-formed ones, and some with a byte too many or too few."""

from __future__ import annotations

import random

# One word a line; a line may begin or end with a blank.
_WORDS = """a
b
ab

1
2
10
-1
a:b
a::b
: :
<;a;b
\x20x\x20
A@b.example
Joe <joe@x.example>
x y
k=v j="w x"
\\n
\\t
\\}
\\{
{
192.0.2.1
::1
a.example
x.b.example
"q"
a,b
(c)
0x1f
1k
\\\\
~
é
<
@
a@
g: a@b, c@d;
=?utf-8?q?a?=
..
.
a=b
true
no
yes
\\x41
*
!a
$1
\\N$x\\N"""
_VARIABLES = """sender_address acl_m_hdr h_subject: h_from: rh_to: lh_x-added: h_x-q: value h_none: 1 bh_x-w: item
acl_c_conn primary_hostname acl_m_none"""
_OPERATORS = """lc uc domain local_part address addresses strlen quote rxquote listcount length_2 l_1 substr_1_2
substr_-2 s_1 quote_local_part eval eval10 time_eval time_interval md5 sha1 sha256 sha2_384 sha3 base64 str2b64 base64d
base32 base32d base62 base62d hex2b64 hexquote escape escape8bit rfc2047 rfc2047d utf8clean mask mask_n ipv6norm
ipv6denorm reverse_ip hash_3 hash_2_10 h_4_62 nhash_5 nh_5_7 listnamed listnamed_d utf8_domain_to_alabel from_utf8"""
_COMPARISONS = "eq eqi lt lti le lei gt gti ge gei inlist inlisti"
_LOOKUPS = "lsearch lsearch* partial-lsearch lsearch*@ lsearch,ret=full lsearch,ret=key"
_LISTS = "a.example|*.b.example : c|+locals|!a.example : *|@||^a|!^x(.)|^(a).*e"
_PATTERNS = """a
b
(a)
^(.)(.)
[ab]+
a*
x|(b)
\\\\.
\\N^(\\w)\\s?\\N
(?i)B
(?=b)

(
\\d+"""

WORDS, VARIABLES, OPERATORS = _WORDS.split("\n"), _VARIABLES.split(), _OPERATORS.split()
COMPARISONS, LOOKUPS, LISTS = _COMPARISONS.split(), _LOOKUPS.split(), _LISTS.split("|")
PATTERNS = _PATTERNS.split("\n")
REPLACEMENTS = ["", "x", "[\\$1]", "\\$0\\$0", "\\$2", "y$1", ":"]


class Templates:
    """A source of random templates; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def take(self, count: int) -> list[bytes]:
        """Templates that `exim -be` reads as they are: one short line, no macro, no blanks around."""
        found: list[bytes] = []
        while len(found) < count:
            text = self._damaged(self._template(self._random.randint(1, 4))).encode()
            if (
                text
                and len(text) < 900
                and text.strip() == text
                and not text.endswith(b"\\")
                and not text[:1].isupper()
            ):
                found.append(text)
        return found

    def _damaged(self, text: str) -> str:
        if self._random.random() > 0.12:
            return text
        place = self._random.randint(0, len(text))
        return text[:place] + self._pick(["", "}", "{", "$", "\\", " "]) + text[place + self._random.randint(0, 2) :]

    def _pick(self, choices: list[str]) -> str:
        return self._random.choice(choices)

    def _template(self, depth: int) -> str:
        if depth <= 0 or self._random.random() < 0.3:
            return "".join(self._pick(WORDS) for _ in range(self._random.randint(0, 2)))
        make = self._random.choice(
            [
                *(self._variable, self._operator, self._operator, self._if, self._if, self._extract, self._item),
                *(self._item, self._pair, self._list_item, self._json),
            ]
        )
        return make(depth - 1)

    def _pair(self, depth: int) -> str:
        return self._template(depth) + self._template(depth)

    def _variable(self, depth: int) -> str:
        return "$" + self._pick(VARIABLES) + self._pick(["", "", " "])

    def _operator(self, depth: int) -> str:
        return f"${{{self._pick(OPERATORS)}:{self._template(depth)}}}"

    def _branches(self, depth: int) -> str:
        yes, no = "{[$value]" + self._template(depth) + "}", "{" + self._template(depth) + "}"
        return self._pick(["", yes, yes + no, yes + "fail", f" {yes} {no} "])

    def _if(self, depth: int) -> str:
        return "${if " + self._condition(depth) + self._branches(depth) + "}"

    def _extract(self, depth: int) -> str:
        if self._random.random() < 0.5:
            key = self._pick(["k", "j", "a", "zz"])
            return f"${{extract{{{key}}}{{{self._template(depth)}}}{self._branches(depth)}}}"
        number, separators = self._pick(["1", "2", "-1", "0", "9"]), self._pick([":", ",", ": ", "=", ""])
        return f"${{extract{{{number}}}{{{separators}}}{{{self._template(depth)}}}{self._branches(depth)}}}"

    def _item(self, depth: int) -> str:
        text = self._template(depth)
        start, length = self._pick(["0", "1", "-1", "-9", "5"]), self._pick(["0", "1", "9"])
        return self._pick(
            [
                f"${{listextract{{{self._pick(['1', '2', '-1'])}}}{{{text}}}{self._branches(depth)}}}",
                f"${{lookup{{{text}}}{self._pick(LOOKUPS)}{{TABLES/table}}{self._branches(depth)}}}",
                f"${{substr{{{start}}}{{{length}}}{{{text}}}}}",
                f"${{length{{{length}}}{{{text}}}}}",
                f"${{listquote{{{self._pick([':', ',', '', ';'])}}}{{{text}}}}}",
                f"${{tr{{{text}}}{{{self._pick(['ab', 'a', '', 'aa:'])}}}{{{self._pick(['xy', '', 'z'])}}}}}",
                f"${{hash{{{length}}}{{{text}}}}}",
                f"${{nhash{{7}}{{{text}}}}}",
                f"${{hmac{{{self._pick(['md5', 'sha1', 'x'])}}}{{k}}{{{text}}}}}",
                f"${{sg{{{text}}}{{{self._pick(PATTERNS)}}}{{{self._pick(REPLACEMENTS)}}}}}",
            ]
        )

    def _list_item(self, depth: int) -> str:
        items, inner = (
            self._pick(["a:b:c", "<,a,b,,c", "1:2:10", "b: :a", self._template(depth)]),
            self._template(depth),
        )
        order, field = self._pick(["lt", "gt", "le", "ge"]), "$item"
        if self._random.random() < 0.5:
            order, field = self._pick(["<", "<=", ">", ">="]), self._pick(["1", "${strlen:$item}"])
        return self._pick(
            [
                f"${{map{{{items}}}{{{inner}$item}}}}",
                f"${{map{{{items}}}{{{inner}}}}}",
                f"${{filter{{{items}}}{{{self._condition(depth)}}}}}",
                f"${{reduce{{{items}}}{{{inner}}}{{$value$item{self._template(depth)}}}}}",
                f"${{sort{{{self._pick(['a:b:c', '<,b,a,c', 'z:yy:xxx:w', '2:1:10'])}}}{{{order}}}{{{field}}}}}",
                f"${{listextract{{2}}{{{items}}}{self._branches(depth)}}}",
            ]
        )

    def _json(self, depth: int) -> str:
        form, key = self._pick(["json", "jsons"]), self._pick(["a", "b", "1", "2", "9", "0"])
        text = self._pick(
            [
                '\\{"a":1, "b" : "x"\\}',
                '["p",2 , [3,4]]',
                '\\{"a":\\{"b":[1,2]\\}\\}',
                "[]",
                '\\{"b"',
                self._template(depth),
            ]
        )
        return f"${{extract {form} {{{key}}}{{{text}}}{self._branches(depth)}}}"

    def _condition(self, depth: int) -> str:
        no, one, two = self._pick(["", "", "!", "! ", "!!"]), self._template(depth), self._template(depth)
        inner = "".join(
            f"{{{self._condition(depth - 1)}}}" for _ in range(self._random.randint(0, 2) if depth > 0 else 0)
        )
        number = self._pick(["1", "2", "1k", " ", "-1", one])
        strings = self._pick(['["1","2"]', '["a" , "b"]', "[]"])
        return no + self._pick(
            [
                f"{self._pick(COMPARISONS)}{{{one}}} {{{two}}}",
                f"{self._pick(COMPARISONS)}{{{one}}}{{{two}}}",
                f"{self._pick(['=', '==', '<', '<=', '>', '>='])}{{{number}}}{{{self._pick(['1', '2', ''])}}}",
                f"{self._pick(['and', 'or'])}{{{inner}}}",
                f"{self._pick(['bool_lax', 'isip', 'isip4', 'isip6'])}{{{one}}}",
                f"def:{self._pick(['sender_address', 'acl_m_none', 'h_from:', 'h_none:', 'h_x-empty:', 'acl_m_hdr'])}",
                f"{self._pick(['forany', 'forall'])}{{{one}}}{{eq{{$item}}{{{two}}}}}",
                f"match_domain{{{one}}}{{{self._pick(LISTS)}}}",
                f"match_address{{{one}}}{{{self._pick(['a@b.example', '*@b.example'])}}}",
                f"match{{{one}}}{{{self._pick(PATTERNS)}}}",
                f"match{{{one}}}{{{self._pick(PATTERNS)}}}",
                f"{self._pick(['forany_json', 'forall_json', 'forany_jsons'])}{{{strings}}}{{eq{{$item}}{{{two}}}}}",
                f"match_local_part{{{one}}}{{{self._pick(['a', '*b', 'a:b', '!a'])}}}",
            ]
        )
