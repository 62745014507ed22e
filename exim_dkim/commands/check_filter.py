"""Can Exim's user run the filter: the script, its interpreter, every directory above both, the packages it imports?"""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exim_dkim.commands.access_findings import ELSEWHERE, refusal
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.commands.installation import interpreter_of, package_files
from exim_dkim.system.access import EXECUTE, READ, User, check_access

_SECONDS = 30
_MAX_ERRORS = 1 << 16
_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}  # a filter of Exim has little more


def check_filter(path: str | None, user: User, may_try: bool) -> Iterator[Finding]:
    """Findings about the filter at `path`. `may_try`: this process can start it as `user`."""
    if path is None:
        yield Finding(
            Level.FAIL,
            "filter: there is no exim-dkim-filter beside this command, nor in PATH",
            "Install the whole package (pip install exim-dkim), or name it with --filter.",
        )
        return
    faults = list(_path_faults(path, user, may_try))
    yield from faults
    if any(fault.level is Level.FAIL for fault in faults):
        return
    yield from _packages(user, may_try)
    if may_try:
        yield _trial(path, user)
    else:
        yield Finding(Level.OK, f"filter: by its mode bits, user {user.name} may run {path} (not tried)")


def _path_faults(path: str, user: User, may_try: bool) -> Iterator[Finding]:
    barrier = check_access(path, user, READ | EXECUTE, may_try)
    if barrier is not None:
        yield refusal(barrier, user, "filter", private=False)
        return
    yield from _open_to_others(path, "filter")
    interpreter = interpreter_of(path)
    if interpreter is None:
        return
    barrier = check_access(interpreter, user, EXECUTE, may_try)
    if barrier is not None:
        yield refusal(barrier, user, f"the filter's interpreter {interpreter}", private=False)
        return
    yield from _open_to_others(interpreter, "the filter's interpreter")


def _open_to_others(path: str, what: str) -> Iterator[Finding]:
    status = os.stat(path)
    if status.st_mode & stat.S_IWOTH:
        yield Finding(
            Level.FAIL,
            f"{what}: everybody may change {path} (mode {stat.S_IMODE(status.st_mode):04o}), and with it your mail",
            f"chmod o-w {path}",
        )


def _packages(user: User, may_try: bool) -> Iterator[Finding]:
    for name, file in package_files().items():
        barrier = check_access(file, user, READ, may_try)
        if barrier is not None:
            yield refusal(barrier, user, f"package {name} of the filter", private=False)


def try_signing(
    path: str, user: User, config: str, macros: Mapping[str, str], domain: str, profile: str | None = None
) -> Iterator[Finding]:
    """Send a message from `domain` through the filter, as Exim does."""
    address = f"postmaster@{domain}"
    message = f"From: {address}\nTo: {address}\nSubject: exim-dkim check\n\nprobe\n".encode()
    words = [path, "--config", config, *(word for name, text in macros.items() for word in ("-D", f"{name}={text}"))]
    words += ["--profile", profile] if profile else []
    try:
        run = _run(words, user, message)
    except (OSError, subprocess.SubprocessError) as error:
        yield Finding(Level.FAIL, f"filter: a message from {domain} as user {user.name}: {error}")
        return
    if run.status == ExitStatus.TEMPORARY and "--message-id" in run.errors:
        text = f"filter: not tried with a message from {domain}, since the options need the envelope of a message"
        yield Finding(Level.WARN, text, "Send a message through Exim, and see what the filter says in the mail log.")
    elif run.status:
        yield Finding(Level.FAIL, f"filter: a message from {domain} as user {user.name} ends with {run.end}")
    elif not run.output.endswith(message):
        yield Finding(Level.FAIL, f"filter: a message from {domain} does not come out of {path} as it went in")
    elif run.output.lower().startswith((b"dkim-signature:", b"domainkey-signature:")):
        yield Finding(Level.OK, f"filter: signs a message from {domain} as user {user.name} in {run.seconds:.2f} s")
    else:
        yield Finding(
            Level.WARN,
            f"filter: a message from {domain} comes out unsigned; in Exim the filter also knows the message's envelope",
            "If dkim_domain does not depend on the envelope, see what the filter says in the mail log.",
        )


class _Run(NamedTuple):
    """How a run of the filter ended."""

    status: int
    output: bytes
    errors: str
    seconds: float

    @property
    def end(self) -> str:
        """Status and last words."""
        last = (self.errors.strip().splitlines() or ["no word of why; see the mail log"])[-1]
        return f"{f'signal {-self.status}' if self.status < 0 else f'status {self.status}'}: {last}"


def _trial(path: str, user: User) -> Finding:
    """Start the filter as Exim does, but only to ask for its version."""
    try:
        run = _run([path, "--version"], user, b"")
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(Level.FAIL, f"filter: user {user.name} cannot start {path}: {error}", ELSEWHERE)
    if run.status == 0:
        version = run.output.decode("utf-8", "backslashreplace").strip()
        return Finding(Level.OK, f"filter: user {user.name} runs {path}: {version}")
    return Finding(
        Level.FAIL,
        f"filter: {path} --version, run by user {user.name}, ends with {run.end}",
        f"Try it: cd / && setpriv --reuid={user.uid} --regid={user.gid} --clear-groups env -i {path} --version",
    )


def _run(words: list[str], user: User, data: bytes) -> _Run:
    """Run the filter as `user`. Raises OSError, subprocess.SubprocessError."""
    another = os.geteuid() != user.uid
    start = time.monotonic()
    # A file: the filter keeps quiet where standard error is a pipe, which may be the message's way.
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            words,
            input=data,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            env=_ENVIRONMENT,
            timeout=_SECONDS,
            check=False,
            user=user.uid if another else None,
            group=user.gid if another else None,
            extra_groups=user.groups if another else None,
        )
        errors.seek(0)
        said = errors.read(_MAX_ERRORS).decode("utf-8", "backslashreplace")
    return _Run(done.returncode, done.stdout, said, time.monotonic() - start)
