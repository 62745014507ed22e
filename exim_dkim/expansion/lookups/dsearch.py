"""Look-up of a name in a directory (Exim specification §9.3, dsearch).

What is found is a name that exists, and so not tainted. A key with a slash is refused; `.` and `..` exist, so that
`filter=file` should be given wherever the name of a file is wanted.
"""

from __future__ import annotations

from typing import Final

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain

_KINDS: Final = {
    b"file": "file",
    b"dir": "dir",
    b"subdir": "dir",
    b"fifo": "fifo",
    b"pipe": "fifo",
    b"socket": "socket",
    b"link": "link",
    b"symlink": "link",
    b"bdev": "bdev",
    b"cdev": "cdev",
}


def find(request: Request) -> Value | None:
    """The key, or with `ret=full` the directory and the key, if there is such an entry."""
    key, directory = request.key, request.file
    shown = f"{printable(directory)}/{printable(key)}"
    if b"/" in key:
        raise LookupDeferred(f"key for dsearch lookup contains a slash: {printable(key)}")
    wanted, no_dots, full = _options(request)
    try:
        if request.files.kind(directory, True) != "dir":
            raise LookupFailed(f"failed to open {printable(directory)} for directory search: No such file or directory")
        if not key or (no_dots and key in (b".", b"..")):
            return None
        kind = request.files.kind(directory + b"/" + key, False)
    except FileTrouble as error:
        raise LookupDeferred(f"{shown}: lstat: {error}") from None
    if kind is None or (wanted and kind not in wanted):
        return None
    return plain(directory + b"/" + key if full else key)


def _options(request: Request) -> tuple[set[str], bool, bool]:
    """The kinds wanted (empty: any), whether `.` and `..` are left out, whether the whole path is wanted."""
    wanted: set[str] = set()
    no_dots = full = False
    for option in request.options:
        name = option.removeprefix(b"filter=")
        if option == b"ret=full":
            full = True
        elif option == name:
            raise LookupDeferred(f"unknown option for dsearch lookup: {printable(option)}")
        elif name in _KINDS:
            wanted.add(_KINDS[name])
            no_dots = no_dots or name == b"subdir"
        else:
            raise LookupDeferred(f"unknown filter option for dsearch lookup: {printable(name)}")
    return wanted, no_dots, full


LOOKUP: Final = Lookup(find)
