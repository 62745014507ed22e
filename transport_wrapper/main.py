"""`exim-dkim-filter`: descriptors, exit status and log of the filter; the work is in `filter.py`.

Exim gives a filter one pipe for both stdout and stderr, so a single warning would become part of the message. Before
anything that could write is imported, stderr is therefore pointed away, unless it is a terminal or a file.
"""

from __future__ import annotations

import gc
import os
import stat
import sys

TYPE_CHECKING = False  # as typing's, without importing it before descriptor 2 is safe
if TYPE_CHECKING:
    from transport_wrapper.arguments import Arguments

EX_OK = 0
EX_USAGE = 64
EX_TEMPFAIL = 75
EX_CONFIG = 78


def main() -> None:
    """The program."""
    gc.disable()  # one message makes no garbage worth collecting; looking for it takes a tenth of the run
    complete = are_open(0, 1)  # before anything is opened that could take their place
    quiet = guard_standard_error()
    if not complete:
        os._exit(_end(EX_TEMPFAIL, "standard input or output is closed: the message stays queued", quiet))
    os._exit(run(sys.argv[1:], quiet))


def are_open(*descriptors: int) -> bool:
    """Whether all of these are open."""
    try:
        for descriptor in descriptors:
            os.fstat(descriptor)
    except OSError:
        return False
    return True


def guard_standard_error() -> bool:
    """Point descriptor 2 to /dev/null unless people read it; True when that was done.

    A pipe or socket may be Exim's, also where a shell script has put another pipe on descriptor 1. So only a terminal,
    or a file that is not the output, is let be.
    """
    try:
        status = os.fstat(2)
        safe = os.isatty(2) or (stat.S_ISREG(status.st_mode) and not os.path.samestat(status, os.fstat(1)))
    except OSError:  # one of them is closed
        safe = False
    if not safe:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
    return not safe


def run(words: list[str], quiet: bool) -> int:
    """Parse the command line and filter; the exit status. `quiet`: stderr is not for people."""
    try:
        from transport_wrapper.arguments import HELP, UsageError, parse_arguments

        try:
            arguments = parse_arguments(words)
        except UsageError as error:
            return _end(EX_USAGE, f"exim-dkim-filter: {error}", quiet)
        if arguments.action == "filter":
            return _filter(arguments, quiet)
        if quiet:  # Exim would deliver the text in the place of the message
            return _end(EX_USAGE, f"exim-dkim-filter: --{arguments.action} is not for a transport_filter", quiet)
        if arguments.action == "help":
            return _print(HELP)
        from importlib.metadata import version

        return _print(f"exim-dkim-filter {version('exim-dkim')}\n")
    except Exception as error:  # noqa: BLE001  the wall: no traceback may reach the message, no message may be lost
        return _end(EX_TEMPFAIL, f"internal error, the message stays queued: {type(error).__name__}: {error}", quiet)


def _filter(arguments: Arguments, quiet: bool) -> int:
    from exim_dkim.errors import ConfigurationError
    from transport_wrapper.filter import Filter, FilterError

    try:
        report = Filter(arguments).run(0, 1)
    except ConfigurationError as error:
        return _end(EX_CONFIG, f"configuration error: {error}", quiet)
    except FilterError as error:
        return _end(EX_TEMPFAIL, str(error), quiet)
    for line in report:
        _log(line, quiet)
    return EX_OK


def _print(text: str) -> int:
    sys.stdout.write(text)
    sys.stdout.flush()
    return EX_OK


def _end(status: int, line: str, quiet: bool) -> int:
    _log(line, quiet)
    return status


def _log(line: str, quiet: bool) -> None:
    """One line to syslog, and to stderr when people read that."""
    import contextlib
    import syslog

    text = "".join(character if character.isprintable() else "?" for character in line)[:900]
    syslog.openlog("exim-dkim-filter", syslog.LOG_PID, syslog.LOG_MAIL)
    syslog.syslog(syslog.LOG_INFO, text.encode("utf-8", "replace").decode("utf-8"))
    if not quiet:
        with contextlib.suppress(OSError):  # the message matters more
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
