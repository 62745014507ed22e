"""Can Exim's user sign: is every private key that the configuration leads to readable and usable?"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from exim_dkim.commands.access_findings import refusal
from exim_dkim.commands.configured_keys import (
    key_files,
    literal_paths,
    missing_options,
    named_keys,
    probe,
    signing_domains,
)
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.config.options import OPTIONS
from exim_dkim.crypto import load_private_key
from exim_dkim.errors import EximDkimError, KeyFormatError
from exim_dkim.names import Domain
from exim_dkim.system.access import EXECUTE, READ, User, check_access, run_as
from exim_dkim.system.permissions import group_name, key_warning

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

_SIGNING_OPTIONS: Final = tuple(
    name for name, option in OPTIONS.items() if option.type == "expanded string" and not name.startswith("milter_")
)
_LOOK = "See what each option gives for a message from {}: exim-dkim options --message FILE"
_AS_ROOT = "Run as root: sudo exim-dkim check"


def check_tables(settings: Settings, user: User, may_try: bool) -> Iterator[Finding]:
    """Findings about the files and directories that the signing options name; keys are left to `check_keys`."""
    keys = set(key_files(settings))
    for path in literal_paths(settings, _SIGNING_OPTIONS):
        if path in keys:
            continue
        wanted = READ | EXECUTE if os.path.isdir(path) else READ
        barrier = check_access(path, user, wanted, may_try)
        if barrier is not None:
            yield refusal(barrier, user, "signing options", private=True)
        else:
            yield Finding(Level.OK, f"signing options: user {user.name} may read {path}")


def check_keys(
    settings: Settings, user: User, may_try: bool, domains: Sequence[Domain], now: float
) -> Iterator[Finding]:
    """Findings about signing: for each domain by the code that signs, and about every file that looks like a key."""
    missing = missing_options(settings)
    if missing:
        state = "no mail is signed" if len(missing) == 3 else "so no mail is signed"
        level = Level.OK if len(missing) == 3 else Level.WARN
        yield Finding(level, f"signing: {', '.join(missing)} not set: {state}")
        return
    for file in key_files(settings):
        yield from _check_key_file(file, user, may_try)
    wanted = list(domains) or signing_domains(settings)
    if not wanted:
        yield Finding(
            Level.WARN,
            "signing: dkim_domain depends on the message, and no table tells which domains there are",
            "Name some: exim-dkim check --domain example.org",
        )
    closed = [] if may_try else _closed_to_us(settings)
    if closed:
        yield Finding(Level.WARN, f"signing: not tried, since this user may not read {closed[0]}", _AS_ROOT)
        return
    for domain in wanted:
        yield from _check_domain(settings, domain, user, may_try, now)


def check_dns(settings: Settings, domains: Sequence[Domain], now: float) -> Iterator[Finding]:
    """Findings of `testkey` for every key."""
    from exim_dkim.commands.configured import make_resolver
    from exim_dkim.commands.keystate import examine
    from exim_dkim.system.blocking import run

    resolver = make_resolver(settings)
    seen = set()
    for domain in list(domains) or signing_domains(settings):
        try:
            plan = probe(settings, domain, now).plan
        except EximDkimError:
            continue  # check_keys has said so
        for named in named_keys(plan):
            if named.record_name not in seen:
                seen.add(named.record_name)
                yield from run(examine(named, resolver))


def _check_key_file(file: str, user: User, may_try: bool) -> Iterator[Finding]:
    barrier = check_access(file, user, READ, may_try)
    if barrier is not None:
        yield refusal(barrier, user, "private key", private=True)
        return
    if not may_try and not os.access(file, os.R_OK):
        yield Finding(Level.WARN, f"private key {file}: not looked into, since this user may not read it", _AS_ROOT)
        return
    trouble = _as(user, may_try, lambda: _key_trouble(file))
    if trouble:
        yield Finding(Level.FAIL, f"private key {file}: {trouble}")
        return
    warning = key_warning(file)
    if warning:
        quoted, group = shlex.quote(file), shlex.quote(group_name(user.gid))
        remedy = f"chgrp {group} {quoted} && chmod 0640 {quoted}"
        yield Finding(Level.WARN, f"private key {warning.partition('; try: ')[0]}", remedy)
    else:
        yield Finding(Level.OK, f"private key {file}: user {user.name} can use it")


def _closed_to_us(settings: Settings) -> list[str]:
    places = (*literal_paths(settings), *key_files(settings))
    return [path for path in places if os.path.lexists(path) and not os.access(path, os.R_OK)]


def _key_trouble(file: str) -> str:
    from exim_dkim.system.files import MAX_PRIVATE_KEY, FileAccessError, read_small_file

    try:
        load_private_key(read_small_file(file, MAX_PRIVATE_KEY))
    except FileAccessError as error:
        return error.reason
    except KeyFormatError as error:
        return str(error)
    return ""


def _check_domain(settings: Settings, domain: Domain, user: User, may_try: bool, now: float) -> Iterator[Finding]:
    answer = _as(user, may_try, lambda: _signatures(settings, domain, now))
    for text in answer["errors"]:
        yield Finding(Level.FAIL, f"signing mail from {domain}: {text}")
    for text in answer["notes"]:
        remedy = _LOOK.format(domain) if text.startswith("not signed") else ""
        yield Finding(Level.WARN, f"signing mail from {domain}: {text}", remedy)
    if answer["signatures"]:
        yield Finding(Level.OK, f"signing mail from {domain}: {', '.join(answer['signatures'])}")


def _signatures(settings: Settings, domain: Domain, now: float) -> dict[str, list[str]]:
    """What signing comes to, in a form that can pass between processes."""
    try:
        plan = probe(settings, domain, now, as_exim=True).plan
    except EximDkimError as error:
        return {"errors": [str(error)], "notes": [], "signatures": []}
    shown = [
        f"d={named.domain} s={named.selector} ({named.key.type}, {named.key.bits} bits)" for named in named_keys(plan)
    ]
    return {"errors": [], "notes": list(plan.notes), "signatures": shown}


def _as(user: User, may_try: bool, action: Any) -> Any:
    """The result of `action` done by `user` when root runs this, else by whoever runs it."""
    return run_as(user, action) if may_try and os.geteuid() == 0 else action()
