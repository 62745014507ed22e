"""Look-up in a Berkeley DB file (Exim specification §9.3, dbm): hash or btree, of exim_dbmbuild, makemap, postmap …

The file is pages of one size, in the byte order of who wrote it. The first says what it is; of the others, those of
leaves have a table of offsets behind their header, by turns of a key and its value. What is looked for is found by its
bytes, and counts where such a table has it as a key: so there is no need to know by which hash or order the file is
arranged. These lines are here instead of a library because Oracle's is under the AGPL (before version 6, Sleepycat's
licence) and has to be compiled.

What is not read, and deferred: files with check sums, encryption, compression or several databases in one; keys too
long to stand in their page; values that are trees of duplicates.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain

_MAGIC: Final = 12  # where the numbers of the first page stand
_PAGE_SIZE: Final = 20
_CIPHER: Final = 24
_CHECK_SUMS: Final = 26
_LAST_PAGE: Final = 32
_FLAGS: Final = 48

_HASH: Final = 0x061561
_BTREE: Final = 0x053162
_OTHER_FLAGS: Final = {_HASH: 0x02, _BTREE: 0x02 | 0x20 | 0x80}  # several databases; records by number, compression
_LEAVES: Final = {_HASH: (2, 13), _BTREE: (5,)}
_OVERFLOW: Final = 7

_ENTRIES: Final = 20  # and of every other page
_NEXT: Final = 16
_LENGTH: Final = 22
_TYPE: Final = 25
_TABLE: Final = 26

_DATA: Final = 1  # kinds of items
_DUPLICATES: Final = 2
_ELSEWHERE: Final = 3
_KINDS: Final = (1, 2, 3, 4)
_DELETED: Final = 0x80  # a mark of these


class BerkeleyDbTrouble(Exception):
    """A file that cannot be read; the text says why."""


class _Layout(NamedTuple):
    """What the first page says. `half`, `word`: numbers of 16 and 32 bits."""

    kind: int
    page: int
    half: struct.Struct
    word: struct.Struct


def is_berkeley_db(data: bytes) -> bool:
    """Whether the content of a file begins as such a file does."""
    return _kind(data)[1] != 0


def _kind(data: bytes) -> tuple[str, int]:
    """Byte order, and hash or btree; 0 for anything else."""
    for order in "<>":
        for kind in _LEAVES:
            if data[_MAGIC : _MAGIC + 4] == struct.pack(order + "I", kind):
                return order, kind
    return "<", 0


def look_for(data: bytes, key: bytes) -> bytes | None:
    """The value of a key in the content of a file; the first, if it has several. Raises `BerkeleyDbTrouble`."""
    try:
        return _look_for(data, key) if key else None
    except (struct.error, IndexError):
        raise BerkeleyDbTrouble("it is damaged") from None


def _look_for(data: bytes, key: bytes) -> bytes | None:
    layout = _layout(data)
    if len(key) > layout.page // 5 - 8:
        raise BerkeleyDbTrouble("so long a key is not looked for")
    for at in _places(data, layout, key):
        start = at - at % layout.page
        if data[start + _TYPE] in _LEAVES[layout.kind]:
            found = _value(data, layout, start, at - start, len(key))
            if found is not None:
                return found
    return None


def _places(data: bytes, layout: _Layout, key: bytes) -> Iterator[int]:
    """Where an item with this key may begin. An item of a hash ends where another begins, with its kind, or at the end
    of the page; one of a btree begins with its length.
    """
    if layout.kind == _BTREE:
        yield from _occurrences(data, layout.half.pack(len(key)) + bytes((_DATA,)) + key, layout.page)
        return
    item = bytes((_DATA,)) + key
    for kind in _KINDS:
        yield from _occurrences(data, item + bytes((kind,)), layout.page)
    for end in range(2 * layout.page, len(data) + 1, layout.page):
        if data.startswith(item, end - len(item)):
            yield end - len(item)


def _occurrences(data: bytes, text: bytes, at: int) -> Iterator[int]:
    while (at := data.find(text, at)) >= 0:
        yield at
        at += 1


def _layout(data: bytes) -> _Layout:
    order, kind = _kind(data)
    if not kind:
        raise BerkeleyDbTrouble("not a Berkeley DB file (hash or btree)")
    word = struct.Struct(order + "I")
    (page,), (last,), (flags,) = (word.unpack_from(data, place) for place in (_PAGE_SIZE, _LAST_PAGE, _FLAGS))
    if not 512 <= page <= 65536 or page & (page - 1) or (last + 1) * page > len(data):
        raise BerkeleyDbTrouble("it is damaged, or being written")
    if data[_CIPHER] or data[_CHECK_SUMS] or flags & _OTHER_FLAGS[kind]:
        raise BerkeleyDbTrouble("Berkeley DB of a kind that is not read here (check sums, several databases …)")
    return _Layout(kind, page, struct.Struct(order + "H"), word)


def _value(data: bytes, layout: _Layout, start: int, offset: int, length: int) -> bytes | None:
    """The value of the key at `offset` in the page at `start`; None if there is no such key after all."""
    (entries,) = layout.half.unpack_from(data, start + _ENTRIES)
    table = data[start + _TABLE : start + min(layout.page, _TABLE + 2 * entries)]
    wanted = layout.half.pack(offset)
    place = table.find(wanted)
    while place % 4:  # keys stand at even numbers
        if place < 0:
            return None
        place = table.find(wanted, place + 1)
    (value,) = layout.half.unpack_from(table, place + 2)
    if layout.kind == _BTREE:
        return _btree_item(data, layout, start + value)
    end = layout.half.unpack_from(table, place - 2)[0] if place else layout.page
    if end - offset != length + 1:
        return None
    return _hash_item(data, layout, data[start + value : start + offset])


def _hash_item(data: bytes, layout: _Layout, item: bytes) -> bytes:
    """The value in an item of a hash: items stand one before the other, and begin with their kind."""
    kind = item[0] if item else 0
    if kind == _DATA:
        return item[1:]
    if kind == _DUPLICATES:
        (length,) = layout.half.unpack_from(item, 1)
        return item[3 : 3 + length]
    return _elsewhere(data, layout, kind, item)


def _btree_item(data: bytes, layout: _Layout, at: int) -> bytes:
    """The value in an item of a btree: its length, its kind, itself."""
    (length,) = layout.half.unpack_from(data, at)
    kind = data[at + 2]
    return data[at + 3 : at + 3 + length] if kind == _DATA else _elsewhere(data, layout, kind, data[at : at + 12])


def _elsewhere(data: bytes, layout: _Layout, kind: int, item: bytes) -> bytes:
    """A value that has pages of its own."""
    if kind != _ELSEWHERE:
        raise BerkeleyDbTrouble("the value is of a kind that is not read here (a tree of duplicates)")
    (number,), (length,) = layout.word.unpack_from(item, 4), layout.word.unpack_from(item, 8)
    if length > len(data):
        raise BerkeleyDbTrouble("it is damaged")
    value = b""
    while len(value) < length:
        start = number * layout.page
        (size,) = layout.half.unpack_from(data, start + _LENGTH)
        if not start or data[start + _TYPE] != _OVERFLOW or not 0 < size <= layout.page - _TABLE:
            raise BerkeleyDbTrouble("it is damaged")
        value += data[start + _TABLE : start + _TABLE + size]
        (number,) = layout.word.unpack_from(data, start + _NEXT)
    return value[:length]


def pairs(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All keys with their values, in no order, for who takes a file over as a whole. Raises `BerkeleyDbTrouble`."""
    try:
        layout = _layout(data)
        for start in range(layout.page, len(data) - layout.page + 1, layout.page):
            if data[start + _TYPE] in _LEAVES[layout.kind]:
                yield from _pairs_of(data, layout, start)
    except (struct.error, IndexError):
        raise BerkeleyDbTrouble("it is damaged") from None


def _pairs_of(data: bytes, layout: _Layout, start: int) -> Iterator[tuple[bytes, bytes]]:
    (entries,) = layout.half.unpack_from(data, start + _ENTRIES)
    if _TABLE + 2 * entries > layout.page:
        raise BerkeleyDbTrouble("it is damaged")
    offsets = [layout.half.unpack_from(data, start + _TABLE + 2 * number)[0] for number in range(entries)]
    ends = [layout.page, *offsets]
    for number in range(0, entries - 1, 2):
        if layout.kind == _HASH:
            key, value = (
                _hash_item(data, layout, data[start + offsets[place] : start + ends[place]])
                for place in (number, number + 1)
            )
        elif data[start + offsets[number] + 2] & _DELETED:
            continue
        else:
            key, value = (_btree_item(data, layout, start + offsets[place]) for place in (number, number + 1))
        yield key, value


def _finder(key_of: Callable[[bytes], bytes]) -> Callable[[Request], Value | None]:
    """Makes the look-up whose keys are in the file as `key_of` says. What follows a NUL in a value does not count."""

    def find(request: Request) -> Value | None:
        shown = printable(request.file)
        try:
            found = look_for(request.files.read(request.file), key_of(request.key))
        except FileTrouble as error:
            raise LookupFailed(f"failed to open {shown} as a Berkeley DB file: {error}") from None
        except BerkeleyDbTrouble as error:
            raise LookupDeferred(f"{shown}: {error}") from None
        return None if found is None else plain(found.partition(b"\0")[0])

    return find


def _joined(key: bytes) -> bytes:
    return b"\0".join(split_list(key))


DBM: Final = Lookup(_finder(lambda key: key + b"\0"))
DBMNZ: Final = Lookup(_finder(lambda key: key))
DBMJZ: Final = Lookup(_finder(_joined))
