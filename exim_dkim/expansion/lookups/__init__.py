"""Look-ups (Exim specification, chapter 9): what all types have in common.

    type = [ "partial" [ number ] [ "(" affix ")" ] "-" ] name [ "*" / "*@" ] *( "," option )

A look-up type is a `Lookup`; `table.py` says where each is. A plug-in is a `Lookup`, too, which a package offers under
its name in the entry-point group `exim_dkim.lookups`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import Files, FoundByLookup
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.lookups.table import LOOKUPS, Style, load, style_of
from exim_dkim.expansion.value import EMPTY, Value, plain
from exim_dkim.lazypattern import lazy_pattern

__all__ = ["LOOKUPS", "Lookup", "LookupDeferred", "LookupFailed", "Request", "look_up", "parse_type", "quote_for"]


class Request:
    """One question to a look-up type.

    `key` is the key or, for types that take one, the query. `file` is a checked name, never tainted; empty if the type
    has none. `tainted` tells whether mail had a say in the key. `state` gives the environment, and is for types that
    expand what they find.
    """

    __slots__ = ("file", "files", "key", "options", "state", "tainted")

    def __init__(
        self,
        key: bytes,
        file: bytes,
        options: tuple[bytes, ...],
        files: Files,
        state: State | None = None,
        tainted: bool = False,
    ) -> None:
        self.key = key
        self.file = file
        self.options = options
        self.files = files
        self.state = state
        self.tainted = tainted

    def option(self, name: bytes) -> bytes | None:
        """The value of the option `name=value`; None if it is not given."""
        start = name + b"="
        return next((option[len(start) :] for option in self.options if option.startswith(start)), None)


class LookupDeferred(Exception):
    """A look-up that cannot be answered now; the text says why."""


class LookupFailed(Exception):
    """A look-up that cannot be made, such as in a file that cannot be opened; the text is the whole message."""


class Lookup:
    """A look-up type.

    `find` gives the value, or None if there is none; it raises LookupDeferred or LookupFailed when it could not find
    out, which is never "none". A value that anybody may have written (such as DNS data) is tainted. `style` says what
    comes before and after the type: a key and a file, a query, a query about a file, or either a key and something that
    is no file, or a query, which `ask` answers instead of `find`. `quote` makes a text safe in a query, given it and
    the option of `${quote_TYPE_OPTION:`; None if it has no such option. `proves_key`: what is found under a key says
    that the table has this very key (which `ret=key` gives back untainted), not only one like it.
    """

    __slots__ = ("ask", "find", "proves_key", "quote", "style")

    def __init__(
        self,
        find: Callable[[Request], Value | None],
        style: Style = "key",
        quote: Callable[[bytes, bytes], bytes | None] | None = None,
        proves_key: bool = True,
        ask: Callable[[Request], Value | None] | None = None,
    ) -> None:
        self.find = find
        self.ask = find if ask is None else ask
        self.style = style
        self.quote = quote
        self.proves_key = proves_key


_TYPE = lazy_pattern(
    rb"(?P<partial>partial(?P<least>[0-9]{0,4})(?:\((?P<affix>[^)]*)\)|-))?(?P<name>[A-Za-z0-9_]+)(?P<star>\*@|\*)?"
    rb"(?:,(?P<options>.*))?",
    re.DOTALL,
)
_MAX_KNOWN: Final = 1000  # answers that are kept for a message
_KEPT_TYPES: Final = 256  # those of lists, which are parsed each time a list is gone through
_CACHE_OPTIONS: Final = (b"cache=no_rd", b"cache=no_wr", b"cache=no")


class LookupType:
    """A parsed type. `least` is the number of labels that a partial look-up keeps; None: not partial.

    `kept`: while a message is looked at, the answer for a key stays the same, as it does in Exim.
    """

    __slots__ = ("affix", "kept", "least", "name", "options", "returns_key", "star", "style")

    def __init__(
        self,
        name: bytes,
        style: Style,
        least: int | None = None,
        affix: bytes = b"",
        star: bytes = b"",
        options: bytes = b"",
    ) -> None:
        given = options.split(b",") if options else []
        self.name = name
        self.style = style
        self.least = least
        self.affix = affix
        self.star = star
        self.options = tuple(option for option in given if option != b"ret=key" and option not in _CACHE_OPTIONS)
        self.returns_key = b"ret=key" in given
        self.kept = style == "key" and b"cache=" not in options


@lru_cache(_KEPT_TYPES)
def parse_type(text: bytes, with_key: bool | None) -> LookupType:
    """A look-up type of an item, with or without a key before it, or (None) of a list. Raises ExpansionError."""
    plain_name, _, plain_options = text.partition(b",")
    known = LOOKUPS.get(plain_name)
    if known is not None and with_key and known.style == "key":  # the usual case, without a regular expression
        return LookupType(plain_name, "key", options=plain_options)
    match = _TYPE.fullmatch(text)
    shown = printable(text)
    if match is None:
        raise ExpansionError(f'unknown lookup type "{shown}"')
    name = match["name"]
    style: Style = style_of(name)
    if style == "key or query" and with_key is False:
        style = "query"
    if style != "key" and match["partial"] is not None:
        raise ExpansionError(f'"partial" is not permitted for lookup type "{name.decode()}"')
    if style != "key" and match["star"]:
        raise ExpansionError(f'defaults using "*" or "*@" are not permitted for lookup type "{shown}"')
    if style == "key" and with_key is False:
        raise ExpansionError(f'missing {{key}} for single-key "{shown}" lookup')
    if style not in ("key", "key or query") and with_key:
        raise ExpansionError(f'a single key was given for lookup type "{shown}", which is not a single-key lookup type')
    least = None if match["partial"] is None else int(match["least"] or b"2")
    affix = b"*." if match["affix"] is None else match["affix"]
    return LookupType(name, style, least, affix, match["star"] or b"", match["options"] or b"")


def look_up(kind: LookupType, key: Value | None, file: Value, state: State) -> Value | None:
    """What a look-up finds; None if there is nothing. Raises ExpansionError for what cannot be looked up.

    For types that take a query, it is in `file`. A partial look-up sets `$1` and `$2`. The key comes back untainted
    only if the table has exactly that key: a wild entry proves nothing about it.
    """
    if kind.style in ("query", "file query"):
        key, file = _query_and_file(kind, file)
    assert key is not None
    known = state.environment.known_lookups if kind.kept else None
    place = (kind, key, file)
    answer = None if known is None else known.get(place)
    if answer is None:
        answer = _found(kind, key, file, state)
        if known is not None:
            if len(known) >= _MAX_KNOWN:
                known.clear()
            known[place] = answer
    found, proved, captures = answer
    if captures is not None:
        state.captures = captures
    if found is not None and kind.returns_key:
        return plain(key.text) if proved else key
    return found


def _found(kind: LookupType, key: Value, file: Value, state: State) -> FoundByLookup:
    """What is found, by asking. Raises ExpansionError."""
    if kind.style in ("key", "file query"):
        _check_file(file)
    try:
        return _search(kind, key, file.text, state, load(kind.name))
    except LookupDeferred as error:
        asked = printable(key.text)
        raise ExpansionError(f'lookup of "{asked}" gave DEFER: {error}') from None
    except LookupFailed as error:
        raise ExpansionError(str(error)) from None


def _query_and_file(kind: LookupType, text: Value) -> tuple[Value, Value]:
    """The query, and the file that it is about: the option `file=`, or its own first word."""
    if kind.style == "query":
        return text, EMPTY
    given = [option[5:] for option in kind.options if option.startswith(b"file=")]
    if given:
        query, file = text, plain(given[0])
    else:
        name, _, rest = text.text.lstrip().partition(b" ")
        query, file = Value(rest.lstrip(), text.tainted), Value(name, text.tainted)
    if not file.text.startswith(b"/"):
        raise ExpansionError(f'absolute file name expected for "{kind.name.decode()}" lookup')
    return query, file


def _check_file(file: Value) -> None:
    from exim_dkim.expansion.filenames import file_name_fault

    if file.tainted:
        raise ExpansionError(f"Tainted filename for search: '{printable(file.text)}'")
    fault = file_name_fault(file.text)
    if fault:
        raise ExpansionError(f"failed to open {printable(file.text)} for search: {fault}")


def _search(kind: LookupType, key: Value, file: bytes, state: State, lookup: Lookup) -> FoundByLookup:
    """What is found for the key or, as far as the type allows, for what stands for it."""
    files = state.environment.files
    find = lookup.ask if kind.style == "query" else lookup.find

    def ask(text: bytes) -> Value | None:
        return find(Request(text, file, kind.options, files, state, key.tainted))

    found = ask(key.text)
    if found is not None:
        return found, lookup.proves_key, None if kind.least is None else (EMPTY, EMPTY, key)
    captures = None
    if kind.least is not None:
        found, captures = _search_partial(kind, key, ask)
    if found is None and kind.star == b"*@" and b"@" in key.text[1:]:
        left, _, domain = key.text.rpartition(b"@")
        found, captures = ask(b"*@" + domain), (EMPTY, Value(left, key.tainted), EMPTY)
    if found is None and kind.star:
        found, captures = ask(b"*"), (EMPTY, key, EMPTY)
    return found, False, None if found is None else captures


def _search_partial(
    kind: LookupType, key: Value, ask: Callable[[bytes], Value | None]
) -> tuple[Value | None, tuple[Value, ...] | None]:
    """The key with the affix before it, then with the affix in place of its first labels."""
    affix = kind.affix
    assert kind.least is not None
    if affix:
        found = ask(affix + key.text)
        if found is not None:
            return found, (EMPTY, EMPTY, key)
    labels = key.text.split(b".")
    for cut in range(1, len(labels) - kind.least + 1):
        rest = b".".join(labels[cut:])
        if rest or cut < len(labels):
            wild = affix + rest
        elif not affix:
            break
        else:
            wild = affix[:-1] if len(affix) > 1 and affix.endswith(b".") else affix
        found = ask(wild)
        if found is not None:
            return found, (EMPTY, Value(b".".join(labels[:cut]), key.tainted), Value(rest, key.tainted))
    return None, None


def quote_for(arguments: bytes, text: bytes) -> bytes:
    """`${quote_TYPE:`: a text made safe for a look-up type; the types of files need nothing."""
    name, _, option = arguments.partition(b"_")
    style_of(name)
    quote = load(name).quote
    quoted = (None if option else text) if quote is None else quote(text, option)
    if quoted is None:
        raise ExpansionError(f'"{printable(option)}" unrecognized after "${{quote_{name.decode()}"')
    return quoted
