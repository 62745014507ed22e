"""The rarer operators; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, expand, parse_template


class Lists(EmptyEnvironment):
    """Named lists, two of them in others."""

    lists = {  # noqa: RUF012  never changed
        ("domain", b"all"): b"a : +more : b",
        ("domain", b"more"): b"<; x ; y:z",
        ("domain", b"loop"): b"+loop",
        ("host", b"more"): b"192.0.2.1",
        ("address", b"all"): b"a@b",
    }

    def named_list(self, kind: str, name: bytes) -> bytes | None:
        return self.lists.get((kind, name))


def value(template: bytes) -> bytes:
    return expand(parse_template(template), Lists()).text


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        (b"${listnamed:all}", b"a@b"),
        (b"${listnamed_d:all}", b"a : x : y::z : b"),
        (b"${listnamed_h:+more}", b"192.0.2.1"),
    ],
)
def test_named_lists(template: bytes, wanted: bytes) -> None:
    assert value(template) == wanted


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (b"${listnamed_d:loop}", "lists refer to each other more than 20 deep"),
        (b"${listnamed_l:all}", '"all" is not a localpart named list'),
        (b"${listnamed_x:all}", "bad suffix"),
        (b"${listnamed_:all}", "bad suffix"),
        (b"${stat:/x}", r"stat\(/x\) failed: file access is not available here"),
        (b"${randint:7}", "no random numbers here"),
        (b"${headerwrap_1x:a}", "bad argument to headerwrap"),
        (b"${utf8_domain_from_alabel:xn--\\xff}", "error converting alabel"),
    ],
)
def test_what_fails(template: bytes, message: str) -> None:
    with pytest.raises(ExpansionError, match=message):
        value(template)


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        (b"${headerwrap_20:short}", b"short"),
        (b"${headerwrap_20:aaaaaaaaaaaa bbbbbbbbbbb}", b"aaaaaaaaaaaa\n\tbbbbbbbbbbb"),
        (b"${headerwrap:a\\\\nb\\nc}", b"a\n\tb\n\tc"),
        (b"${headerwrap_4:abcdefgh}", b"abcd\n\te\n\tf\n\tg\n\th"),
        (b"${headerwrap_80_3:abcdef}", b"abcdef"),
        (b"${headerwrap_4_6:abcdefgh}", b"abcd\n\t"),
    ],
)
def test_long_header_fields_are_wrapped(template: bytes, wanted: bytes) -> None:
    assert value(template) == wanted


@settings(max_examples=200, deadline=None)
@given(st.text("ab \n", max_size=120).map(str.encode), st.integers(12, 60))
def test_nothing_but_blanks_is_lost_in_wrapping(text: bytes, columns: int) -> None:
    wrapped = value(b"${headerwrap_%d_0:\\N%s\\N}" % (columns, text))
    assert wrapped.translate(None, b" \n\t") == text.translate(None, b" \n\t")
    assert all(len(line.lstrip(b"\t")) <= columns for line in wrapped.split(b"\n"))
