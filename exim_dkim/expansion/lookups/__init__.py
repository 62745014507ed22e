"""Look-ups (Exim specification, chapter 9): the types, and what all of them have in common.

    type = [ "partial" [ number ] [ "(" affix ")" ] "-" ] name [ "*" / "*@" ] *( "," option )

A look-up type is a module with one function, `find(request) -> Value | None`; LOOKUPS says which, and how it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import Files
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazypattern import lazy_pattern


class Request:
    """One question to a look-up type. `file` is a checked name; `state` is for types that expand what they find."""

    __slots__ = ("file", "files", "key", "options", "state")

    def __init__(
        self, key: bytes, file: bytes, options: tuple[bytes, ...], files: Files, state: State | None = None
    ) -> None:
        self.key = key
        self.file = file
        self.options = options
        self.files = files
        self.state = state


class LookupDeferred(Exception):
    """A look-up that cannot be answered now; the text says why."""


class LookupFailed(Exception):
    """A look-up that cannot be made, such as in a file that cannot be opened; the text is the whole message."""


Find = Callable[[Request], Value | None]


def _lsearch() -> Find:
    from exim_dkim.expansion.lookups.lsearch import find

    return find


def _iplsearch() -> Find:
    from exim_dkim.expansion.lookups.iplsearch import find

    return find


def _wildlsearch() -> Find:
    from exim_dkim.expansion.lookups.wildlsearch import find

    return find


def _nwildlsearch() -> Find:
    from exim_dkim.expansion.lookups.wildlsearch import find_unexpanded

    return find_unexpanded


def _dsearch() -> Find:
    from exim_dkim.expansion.lookups.dsearch import find

    return find


# Single-key types, each with a function that imports it.
LOOKUPS: Final[dict[bytes, Callable[[], Find]]] = {
    b"lsearch": _lsearch,
    b"wildlsearch": _wildlsearch,
    b"nwildlsearch": _nwildlsearch,
    b"iplsearch": _iplsearch,
    b"dsearch": _dsearch,
}
# Types whose keys are patterns: finding a key says nothing about it.
_WILD: Final = frozenset((b"wildlsearch", b"nwildlsearch", b"iplsearch"))
# Types that Exim has and we do not, yet; those that take a query have no key.
_KEYED: Final = frozenset(b"cdb dbm dbmjz dbmnz json lmdb nis nis0".split())
_QUERIED: Final = frozenset(
    b"dnsdb ibase ldap ldapdn ldapm mysql nisplus oracle passwd pgsql psl redis spf sqlite testdb whoson".split()
)
_TYPE = lazy_pattern(
    rb"(?P<partial>partial(?P<least>[0-9]{0,4})(?:\((?P<affix>[^)]*)\)|-))?(?P<name>[A-Za-z0-9]+)(?P<star>\*@|\*)?"
    rb"(?:,(?P<options>.*))?",
    re.DOTALL,
)


class LookupType:
    """A parsed type. `least` is the number of labels that a partial look-up keeps; None: not partial."""

    __slots__ = ("affix", "least", "name", "options", "returns_key", "star")

    def __init__(
        self, name: bytes, least: int | None, affix: bytes, star: bytes, options: tuple[bytes, ...], returns_key: bool
    ) -> None:
        self.name = name
        self.least = least
        self.affix = affix
        self.star = star
        self.options = options
        self.returns_key = returns_key


def parse_type(text: bytes, with_key: bool) -> LookupType:
    """A look-up type as it stands in an item. Raises ExpansionError."""
    plain_name, _, plain_options = text.partition(b",")
    if plain_name in LOOKUPS and with_key:  # the usual case, without a regular expression
        return _type(plain_name, None, b"", b"", plain_options)
    match = _TYPE.fullmatch(text)
    shown = printable(text)
    if match is None:
        raise ExpansionError(f'unknown lookup type "{shown}"')
    name = match["name"]
    if name not in LOOKUPS:
        raise ExpansionError(_missing(name))
    if not with_key:
        raise ExpansionError(f'missing {{key}} for single-key "{shown}" lookup')
    least = None if match["partial"] is None else int(match["least"] or b"2")
    affix = b"*." if match["affix"] is None else match["affix"]
    return _type(name, least, affix, match["star"] or b"", match["options"] or b"")


def _type(name: bytes, least: int | None, affix: bytes, star: bytes, options: bytes) -> LookupType:
    """A type; the options that all types have are taken out."""
    given = options.split(b",") if options else []
    others = tuple(option for option in given if option != b"ret=key" and not option.startswith(b"cache="))
    return LookupType(name, least, affix, star, others, b"ret=key" in given)


def _missing(name: bytes) -> str:
    if name in _KEYED or name in _QUERIED:
        return f'lookup type "{name.decode()}" is not supported yet'
    return f'unknown lookup type "{name.decode()}"'


def look_up(kind: LookupType, key: Value | None, file: Value, state: State) -> Value | None:
    """What a look-up finds; None if there is nothing. Raises ExpansionError for what cannot be looked up.

    A partial look-up sets `$1` and `$2`. The key comes back untainted only if the table has exactly that key: a wild
    entry proves nothing about it.
    """
    from exim_dkim.expansion.filenames import file_name_fault

    assert key is not None
    shown = printable(file.text)
    if file.tainted:
        raise ExpansionError(f"Tainted filename for search: '{shown}'")
    fault = file_name_fault(file.text)
    if fault:
        raise ExpansionError(f"failed to open {shown} for search: {fault}")
    find = LOOKUPS[kind.name]()
    try:
        found, exact = _search(kind, key, file.text, state, find)
    except LookupDeferred as error:
        asked = printable(key.text)
        raise ExpansionError(f'lookup of "{asked}" gave DEFER: {error}') from None
    except LookupFailed as error:
        raise ExpansionError(str(error)) from None
    if found is not None and kind.returns_key:
        return plain(key.text) if exact and kind.name not in _WILD else key
    return found


def _search(kind: LookupType, key: Value, file: bytes, state: State, find: Find) -> tuple[Value | None, bool]:
    """What is found for the key or, as far as the type allows, for what stands for it; and if it was the key."""
    files = state.environment.files

    def ask(text: bytes) -> Value | None:
        return find(Request(text, file, kind.options, files, state))

    found = ask(key.text)
    if found is not None:
        if kind.least is not None:
            state.captures = (plain(b""), plain(b""), plain(key.text))
        return found, True
    if kind.least is not None:
        found = _search_partial(kind, key, state, ask)
    if found is None and kind.star == b"*@" and b"@" in key.text[1:]:
        left, _, domain = key.text.rpartition(b"@")
        found = ask(b"*@" + domain)
        if found is not None:
            state.captures = (plain(b""), Value(left, key.tainted), plain(b""))
    if found is None and kind.star:
        found = ask(b"*")
        if found is not None:
            state.captures = (plain(b""), key, plain(b""))
    return found, False


def _search_partial(kind: LookupType, key: Value, state: State, ask: Callable[[bytes], Value | None]) -> Value | None:
    """The key with the affix before it, then with the affix in place of its first labels."""
    affix = kind.affix
    assert kind.least is not None
    if affix:
        found = ask(affix + key.text)
        if found is not None:
            state.captures = (plain(b""), plain(b""), plain(key.text))
            return found
    labels = key.text.split(b".")
    for cut in range(1, len(labels) - kind.least + 1):
        rest = b".".join(labels[cut:])
        if rest or cut < len(labels):
            wild = affix + rest
        elif not affix:
            return None
        else:
            wild = affix[:-1] if len(affix) > 1 and affix.endswith(b".") else affix
        found = ask(wild)
        if found is not None:
            state.captures = (plain(b""), Value(b".".join(labels[:cut]), key.tainted), plain(rest))
            return found
    return None


def quote_for(arguments: bytes, text: bytes) -> bytes:
    """`${quote_TYPE:`: a text made safe for a look-up type; the types of files need nothing."""
    name, _, option = arguments.partition(b"_")
    if name not in LOOKUPS:
        raise ExpansionError(_missing(name))
    if option:
        raise ExpansionError(f'"{option.decode()}" unrecognized after "${{quote_{name.decode()}"')
    return text
