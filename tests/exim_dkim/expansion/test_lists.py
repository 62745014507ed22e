"""Exim's list rules. The tables were made with `exim -be '${map{LIST}{[$item]}}'`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.expansion.lists import BLANKS, append_item, split_items, split_list

TABLE = [
    (b"", []),
    (b"a", [b"a"]),
    (b"a:b", [b"a", b"b"]),
    (b":", [b""]),
    (b": :", [b"", b""]),
    (b"a:", [b"a"]),
    (b"a: ", [b"a"]),
    (b"a::b", [b"a:b"]),
    (b"a: :b", [b"a", b"", b"b"]),
    (b"a:b::::c", [b"a", b"b::c"]),
    (b":a", [b"", b"a"]),
    (b" : a", [b"", b"a"]),
    (b"::a", [b":a"]),
    (b"::: a", [b":", b"a"]),
    (b" a b : c ", [b"a b", b"c"]),
    (b"a:b\\  :c", [b"a", b"b\\ ", b"c"]),
    (b"a\\ ", [b"a\\ "]),
    (b"<; a;b;;c; d ;", [b"a", b"b;c", b"d"]),
    (b" <; a;b", [b"a", b"b"]),
    (b"<; ; a", [b"", b"a"]),
    (b"<<a<b<<c", [b"a", b"b<c"]),
    (b"<-a-b", [b"a", b"b"]),
    (b"<a xay", [b"<a xay"]),
    (b"< a b", [b"< a b"]),
    (b"<", []),
    (b"<;", []),
    (b"<\n a\n\nb\n c", [b"a", b"", b"b", b"c"]),
    (b"<\t a\t b\t\tc", [b"a", b"b", b"", b"c"]),
    (b"<\x7f a\x7fb\x7f\x7fc", [b"a", b"b", b"", b"c"]),
    (b"<\x80 a\x80b:c", [b"<\x80 a\x80b", b"c"]),
]


@pytest.mark.parametrize(("text", "items"), TABLE)
def test_split(text: bytes, items: list[bytes]) -> None:
    assert split_list(text) == items


def test_mail_does_not_choose_the_separator() -> None:
    assert split_list(b"<; a;b:c", tainted=True) == [b"a;b:c"]
    assert split_list(b"<;", tainted=True) == []
    assert split_list(b"a:b", tainted=True) == [b"a", b"b"]


@given(st.binary(max_size=40))
def test_any_bytes_are_a_list(text: bytes) -> None:
    for item in split_list(text):
        assert item == item.lstrip(BLANKS)
        assert item == item.rstrip(BLANKS) or item[-2:-1] == b"\\"


@given(st.lists(st.binary(min_size=1, max_size=8).map(lambda item: b"x" + item.strip() + b"x"), max_size=5))
def test_what_is_joined_is_split_again(items: list[bytes]) -> None:
    parts: list[bytes] = []
    for item in items:
        append_item(parts, item, b":")
    assert split_items(b"".join(parts), 0x3A) == items
