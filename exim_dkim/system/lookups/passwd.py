"""Look-up of a login name (Exim specification §9.3, passwd): `*:uid:gid:gecos:home:shell`."""

from __future__ import annotations

import os
from typing import Final

from exim_dkim.expansion.lookups import Lookup, Request
from exim_dkim.expansion.value import Value, plain


def find(request: Request) -> Value | None:
    """The user's entry, without the name and with a star for the password."""
    from pwd import getpwnam

    try:
        entry = getpwnam(os.fsdecode(request.key))
    except (KeyError, ValueError):
        return None
    text = f"*:{entry.pw_uid}:{entry.pw_gid}:{entry.pw_gecos}:{entry.pw_dir}:{entry.pw_shell}"
    return plain(os.fsencode(text))


LOOKUP: Final = Lookup(find, "query")
