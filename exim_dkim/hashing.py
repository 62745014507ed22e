"""Body and header hashes (RFC 6376 §3.7). A body is canonicalised once for each canonicalisation and hashed once for
each (hash, canonicalisation, length), however many signatures want it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exim_dkim import crypto
from exim_dkim.canonical import ALL_BODIES, ALL_WHOLE_BODIES, HEADER_CANONICALIZATIONS, BodyCanonicalizer
from exim_dkim.message import HeaderField

CHUNK = 65536
"""Bytes canonicalised at once: what stays in a processor's cache between the passes."""


class BodyHash:
    """One hash of the canonical body, of the first `length` bytes of it or of all (None)."""

    __slots__ = ("_digest", "_hash", "_length", "total")

    def __init__(self, hash_name: str, length: int | None) -> None:
        self._hash = crypto.new_hash(hash_name)
        self._length = length
        self._digest = b""
        self.total = 0
        """Bytes of the canonical body so far; kept only where a length was given."""

    def feeder(self) -> Callable[[bytes], object]:
        """What takes the canonical bytes."""
        return self._hash.update if self._length is None else self._update_to_length

    def _update_to_length(self, text: bytes) -> None:
        assert self._length is not None
        wanted = self._length - self.total
        if wanted > 0:
            self._hash.update(text[:wanted])
        self.total += len(text)

    def digest(self) -> bytes:
        """The digest; nothing can be fed after it was asked for."""
        if not self._digest:
            self._digest = self._hash.finalize()
        return self._digest


class BodyHasher:
    """All hashes that are wanted of one body. Ask for them with `want`, then feed the body, then `finish`."""

    __slots__ = ("_canonicalizers", "_feeders", "_finished", "_hashes")

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, str, int | None], BodyHash] = {}
        self._feeders: dict[str, list[Callable[[bytes], object]]] = {}
        self._canonicalizers: list[BodyCanonicalizer] | None = None
        self._finished = False

    def want(self, hash_name: str, canonicalization: str, length: int | None = None) -> BodyHash:
        """The hash for these three; the same object for the same wish."""
        key = (canonicalization, hash_name, length)
        body_hash = self._hashes.get(key)
        if body_hash is None:
            body_hash = self._hashes[key] = BodyHash(hash_name, length)
            self.add(canonicalization, body_hash.feeder())
        return body_hash

    def add(self, canonicalization: str, feed: Callable[[bytes], object]) -> None:
        """Hand the canonical body to `feed`, too: for hashes that began with the header (DomainKeys)."""
        self._feeders.setdefault(canonicalization, []).append(feed)

    def update(self, chunk: bytes) -> None:
        """The next piece of the body in wire form, of any size."""
        if self._canonicalizers is None:
            self._canonicalizers = self._start()
        if len(chunk) <= CHUNK:
            for canonicalizer in self._canonicalizers:
                canonicalizer.update(chunk)
            return
        for start in range(0, len(chunk), CHUNK):
            piece = chunk[start : start + CHUNK]
            for canonicalizer in self._canonicalizers:
                canonicalizer.update(piece)

    def take_whole(self, body: bytes) -> None:
        """All of the body at once, instead of `update` and `finish`; for one that is no longer than `CHUNK`."""
        self._finished = True
        for canonicalization, feeders in self._feeders.items():
            text = ALL_WHOLE_BODIES[canonicalization](body)
            for feed in feeders:
                feed(text)

    def finish(self) -> None:
        """The body is complete."""
        if not self._finished:
            self._finished = True
            if self._canonicalizers is None:
                self._canonicalizers = self._start()
            for canonicalizer in self._canonicalizers:
                canonicalizer.finish()

    def _start(self) -> list[BodyCanonicalizer]:
        return [ALL_BODIES[name](_fan_out(sinks)) for name, sinks in self._feeders.items()]


def _fan_out(sinks: list[Callable[[bytes], object]]) -> Callable[[bytes], object]:
    if len(sinks) == 1:
        return sinks[0]

    def feed(text: bytes) -> None:
        for sink in sinks:
            sink(text)

    return feed


def header_text(chosen: Sequence[HeaderField], signature: HeaderField, canonicalization: str) -> bytes:
    """What a signature is made over (RFC 6376 §3.7 step 2): the chosen fields, then the signature field.

    The signature field is given with an empty b= value; it ends without a CRLF.
    """
    return HEADER_CANONICALIZATIONS[canonicalization]([*chosen, signature])


class FieldChooser:
    """Chooses the fields that h= names (RFC 6376 §5.4.2): from the bottom up, a field at most once."""

    __slots__ = ("_last", "_lists", "repeated")

    def __init__(self, fields: Sequence[HeaderField]) -> None:
        last: dict[bytes, HeaderField] = {}
        lists: dict[bytes, list[HeaderField]] = {}
        for field in fields:
            name = field[0]
            if name in last:
                lists.setdefault(name, [last[name]]).append(field)
            last[name] = field
        last.pop(b"", None)  # nothing can refer to lines without a name
        lists.pop(b"", None)
        self._last = last
        self._lists = lists
        self.repeated = set(lists)
        """The names that stand more than once."""

    def all(self, name: bytes) -> Sequence[HeaderField]:
        """The fields of this name (lower case), from the top down."""
        return self._lists.get(name) or ([self._last[name]] if name in self._last else ())

    def count(self, name: bytes) -> int:
        """How many fields of this name (lower case) the header has."""
        return len(self.all(name))

    def choose(self, names: Sequence[bytes]) -> list[HeaderField]:
        """The fields for `names` (lower case), in that order. A name beyond the last field stands for nothing."""
        last = self._last
        different = set(names)
        if len(different) == len(names):
            return [last[name] for name in names if name in last]
        left = {name: list(self.all(name)) for name in different}  # once each: h= may say x:x:x:… thousands of times
        return [left[name].pop() for name in names if left[name]]
