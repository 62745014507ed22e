"""Physical lines to logical ones."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.config.lines import MAX_INCLUDE_DEPTH, LogicalLines
from exim_dkim.errors import ConfigurationError

FILES = {
    "/dir/inner": b"inner = 1\n.include other\n",
    "/dir/other": b"A = defined\nother = 2\n",
    "/dir/self": b".include self\n",
    "/dir/open": b".ifdef A\n",
}
SUBSTRING = b"cannot be defined as a macro because previously defined macro"


def lines(text: bytes, macros: dict[bytes, bytes] | None = None) -> list[bytes]:
    return [line.text for line in LogicalLines(text, "/dir/main", FILES.get, macros)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"", []),
        (b"a = b", [b"a = b"]),
        (b"  a = b \t\r\n\n# c\n  # d\nx", [b"a = b", b"x"]),
        (b"a = b # c", [b"a = b # c"]),
        (b"a = b\\\n   c \\\n d", [b"a = bc d"]),
        (b"a = b \\\n# comment\n  # another\n c", [b"a = b c"]),
        (b"a = b \\\n\nc = d", [b"a = b", b"c = d"]),
        (b"a = b \\", [b"a = b"]),
        (b"A = x\nb = A AA", [b"b = x xx"]),
        (b"A = x\nAB = y", [b'!"AB" ' + SUBSTRING + b' "A" is a substring']),
        (b"AB = y\nA = x\nc = AB", [b"c = y"]),
        (b"A = x\nB = A\nc = B", [b"c = x"]),
        (b"B = A\nA = x\nc = B", [b"c = x"]),
        (b"A = x\nA = y", [b'!macro "A" is already defined (use "==" if you want to redefine it)']),
        (b"A = x\nA == y\nb = A", [b"b = y"]),
        (b"A == y", [b'!can\'t redefine an undefined macro "A"']),
        (b"A", [b"!malformed macro definition"]),
        (b"A =\nb = (A)", [b"b = ()"]),
        (b".ifdef A\na = 1\n.else\na = 2\n.endif", [b"a = 2"]),
        (b"A = x\n.ifdef A\na = 1\n.else x\na = 2\n.endif x", [b"a = 1"]),
        (b"A = x\n.ifdef\tA\na = 1\n.endif", [b"a = 1"]),
        (b"A = x\n.ifndef A\na = 1\n.elifdef B\na = 2\n.elifndef B\na = 3\n.else\na = 4\n.endif", [b"a = 3"]),
        (b"A = x\n.ifdef A\n.ifdef B\na = 1\n.else\na = 2\n.endif\n.endif", [b"a = 2"]),
        (b".ifdef A\n.include /none\nA = x\n.endif\nb = A", [b"b = A"]),
        (b"a = b \\\n.ifdef X\n c \\\n.endif\n d", [b"a = b d"]),
        (b".ifdef A", [b"!Unexpected end of configuration file: .endif missing"]),
        (b".endif", [b"!.endif without matching .ifdef"]),
        (b".else", [b"!.else without matching .ifdef"]),
        (b".ifdefx", [b".ifdefx"]),
        (b".include inner\nx = A", [b"inner = 1", b"other = 2", b"x = defined"]),
        (b'.include "/dir/other"', [b"other = 2"]),
        (b".INCLUDE_IF_EXISTS /dir/none\nx", [b"x"]),
        (b".include none", [b"!failed to open included configuration file none"]),
        (b".include_if_exists rel", [b'!.include specifies a non-absolute path "rel"']),
        (b".include self", [b"!files include each other more than %d deep" % MAX_INCLUDE_DEPTH]),
        (b".include open\na = 1\n.endif\nb = 2", [b"b = 2"]),
        (b"\xef\xbb\xbfa = b", [b"!found unexpected BOM (Byte Order Mark)"]),
        (b"a = b\nc\0", [b"!found a NUL byte"]),
    ],
)
def test_lines(text: bytes, wanted: list[bytes]) -> None:
    if wanted and wanted[-1].startswith(b"!"):
        with pytest.raises(ConfigurationError) as caught:
            lines(text)
        assert caught.value.message == wanted[-1][1:].decode()
        assert caught.value.file
        assert caught.value.line
    else:
        assert lines(text) == wanted


def test_macros_of_the_command_line_stay() -> None:
    assert lines(b"A = file\nA == again\nb = A", {b"A": b"command"}) == [b"b = command"]


def test_a_line_knows_where_it_begins() -> None:
    text = b"\n# c\na = 1 \\\n  2\n.include inner\nz"
    places = [(line.file, line.number) for line in LogicalLines(text, "/dir/main", FILES.get)]
    assert places == [("/dir/main", 3), ("/dir/inner", 1), ("/dir/other", 2), ("/dir/main", 6)]


DIRECTIVES = b"A = |B == x|a = A|.ifdef A|.ifdef\t|.endif|.else|.elifdef B|.include inner|.include self".split(b"|")
PIECES = st.sampled_from([*DIRECTIVES, b"\\", b"#", b"\n", b"\n", b"\n", b" ", b"\0", b"\xff"])


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=25).map(b"".join)))
def test_any_text_is_lines_or_the_one_error(text: bytes) -> None:
    try:
        found = lines(text)
    except ConfigurationError as error:
        assert error.message.isprintable()  # noqa: PT017 - either outcome is right
    else:
        assert all(line and b"\n" not in line for line in found)


def doubled(times: int) -> bytes:
    """Macros each of which holds ten of the one before."""
    macros = [b"M0M = " + b"x" * 100]
    macros += [b"M%dM = " % number + b"M%dM" % (number - 1) * 10 for number in range(1, times)]
    return b"\n".join(macros)


@pytest.mark.parametrize(
    "text",
    [
        doubled(12),
        b"A = " + b"x" * 100000 + b"\n" + b"a = A\n" * 100000,
        b"a \\\n" * 200000,
        b".ifdef A\n" * 200000,
    ],
    ids=["macros in macros", "many macros", "one long line", "many conditions"],
)
def test_texts_that_grow_are_bounded(text: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(ConfigurationError):
        lines(text)
    assert time.process_time() - start < 10
