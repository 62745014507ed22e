"""File names that an expansion has made: which of them may be used at all, tainted or not."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable

_PATH_MAX: Final = 4095
_KNOWN: Final = 64  # names: those of tables come again and again


@lru_cache(_KNOWN)
def file_name_fault(name: bytes) -> str:
    """Why a file name is refused; empty if it is fine."""
    if not name.startswith(b"/"):
        return "not an absolute path"
    if any(byte < 32 or byte == 127 for byte in name):
        return "a control character in a file name"
    if b".." in name.split(b"/"):
        return '".." in a file name'
    if len(name) > _PATH_MAX:
        return f"a file name longer than {_PATH_MAX} bytes"
    return ""


def check_file_name(name: bytes) -> None:
    """Raise ExpansionError for a name that is refused."""
    fault = file_name_fault(name)
    if fault:
        raise ExpansionError(f"failed to open {printable(name[:200])}: {fault}")
