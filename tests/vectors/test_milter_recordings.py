"""The recordings in milter/ can be read, and written again as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.milter_proxy import Recorded, form, parse

RECORDINGS = sorted((Path(__file__).parent / "milter").glob("*.trace"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recordings(path: Path) -> None:
    title, _, text = path.read_text().partition("\n")
    connections = parse(text)
    assert title.startswith(("# Sendmail: ", "# Postfix: "))
    assert form(connections) == text
    for connection in connections:
        (from_mta, offer), (_, answer), *_ = connection
        assert (from_mta, offer[:1], answer[:1]) == (True, b"O", b"O")


def test_there_are_recordings() -> None:
    assert len(RECORDINGS) >= 40


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("BLDi"), st.binary(max_size=20), st.sampled_from([1, 500]))))
def test_the_text_form(packets: list[tuple[bool, str, bytes, int]]) -> None:
    connection = [Recorded(from_mta, letter.encode() + data * times) for from_mta, letter, data, times in packets]
    text = form([connection])
    assert parse(text) == [connection]
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.isascii()
