"""Bodies: the wire form of what came, in pieces, from the request or the spool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookup_server import body
from lookup_server.body import BodyError, BodySource, RequestBody, SpoolBody
from lookup_server.request import Request, RequestError

ID = "1xUw9H-00013Q-2i"


def fed(source: body.Body) -> list[bytes]:
    pieces: list[bytes] = []
    source.feed(pieces.append)
    source.close()
    return pieces


def in_spool(directory: Path, data: bytes) -> SpoolBody:
    (directory / "input").mkdir(exist_ok=True)
    (directory / "input" / f"{ID}-D").write_bytes(f"{ID}-D\n".encode() + data)
    return SpoolBody(str(directory), "", ID, False)


@pytest.mark.parametrize(
    ("data", "wire", "expected"),
    [
        (b"", False, b""),
        (b"a\nb\n", False, b"a\r\nb\r\n"),
        (b"a\r\nb\r\n", True, b"a\r\nb\r\n"),
        (b"a\r\nlone\nb\r\n", True, b"a\r\nlone\nb\r\n"),
        (b"a", False, b"a"),
    ],
)
def test_body_of_a_request(data: bytes, wire: bool, expected: bytes) -> None:
    assert b"".join(fed(RequestBody(b"header" + data, 6, wire))) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"lone\nthen\r\nwire\r\n", b"lone\nthen\r\nwire\r\n"),  # BDAT with spool_wireformat keeps it
        (b"no end", b"no end"),
    ],
)
def test_body_in_the_spool(tmp_path: Path, data: bytes, expected: bytes) -> None:
    spooled = in_spool(tmp_path, data)
    assert spooled.size == len(data)
    assert b"".join(fed(spooled)) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"\r\n", b"bcd", b" "])).map(b"".join), st.integers(1, 5))
def test_where_pieces_are_cut_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, chunk: int
) -> None:
    directory = tmp_path_factory.mktemp("spool", numbered=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "CHUNK", chunk)
        assert b"".join(fed(RequestBody(data, 0, True))) == data
        lines = data.replace(b"\r\n", b"\n")
        assert b"".join(fed(RequestBody(lines, 0, False))) == data
        assert b"".join(fed(in_spool(directory, lines))) == data


def test_a_large_body_comes_in_pieces(tmp_path: Path) -> None:
    data = b"0123456789abcde\n" * (body.CHUNK // 8)
    assert [len(piece) for piece in fed(in_spool(tmp_path, data))] == [body.CHUNK * 17 // 16] * 2


def test_a_file_that_shrinks_or_grows_is_not_trusted(tmp_path: Path) -> None:
    for content in (b"shorter\n", b"much longer than it was\n"):
        spooled = in_spool(tmp_path, b"ten bytes\n")
        (tmp_path / "input" / f"{ID}-D").write_bytes(f"{ID}-D\n".encode() + content)
        with pytest.raises(BodyError):
            fed(spooled)


def test_what_is_asked_for_must_be_allowed(tmp_path: Path) -> None:
    in_spool(tmp_path, b"x\n").close()
    source = BodySource((f"{tmp_path}/",), str(tmp_path), split=True, over_inet=False)

    def find(*, local: bool = True, **values: Any) -> body.Body | None:
        request = Request("dkim", values={name.encode(): value.encode() for name, value in values.items()})
        return source.find(request, None, False, local)

    assert find() is None
    found = find(message_exim_id=ID)
    assert found
    assert fed(found) == [b"x\r\n"]
    wrong: list[dict[str, Any]] = [
        {"message_exim_id": ID, "spool_directory": "/etc"},
        {"message_exim_id": "../../x"},
        {"message_exim_id": ID, "queue_name": ".."},
    ]
    for values in wrong:
        with pytest.raises(RequestError):
            find(**values)
    with pytest.raises(RequestError):
        find(local=False, message_exim_id=ID)
