"""Look-up in a JSON file (Exim specification §9.3, json): the key is a list of member names and array indexes.

Strings come without quotes, true and false as words, null as the empty string; objects and arrays as JSON.
"""

from __future__ import annotations

from typing import Any, Final

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain


def find(request: Request) -> Value | None:
    """What the key's steps lead to."""
    place = _content(request)
    for step in split_list(request.key, tainted=request.tainted):
        if step.isdigit():
            index = int(step[:18])
            if not isinstance(place, list) or index >= len(place):
                return None
            place = place[index]
        else:
            name = step.decode("utf-8", "surrogateescape")
            if not isinstance(place, dict) or name not in place:
                return None
            place = place[name]
    return plain(_text(place))


def _content(request: Request) -> Any:
    from json import loads

    shown = printable(request.file)
    try:
        return loads(request.files.read(request.file))
    except FileTrouble as error:
        if str(error) == "not a regular file":
            raise LookupFailed(f"{shown} is not a regular file (json lookup)") from None
        raise LookupFailed(f"failed to open {shown} for json search: {error}") from None
    except RecursionError:
        raise LookupDeferred(f"json error on open: nested too deeply in {shown}") from None
    except ValueError as error:
        raise LookupDeferred(f"json error on open: {error} in {shown}") from None


def _text(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, float):
        return b"%f" % value
    from json import dumps

    return dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


LOOKUP: Final = Lookup(find)
