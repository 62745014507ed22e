"""What sid-filter, dk-filter and dkim-filter do with their command lines: configuration, checks, service."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Final

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError, EximDkimError
from exim_dkim.system.files import read_configuration
from milter_server.configuration import read_filter
from milter_server.keys import Keys
from milter_server.letters import CommandLine, Program, UsageError, parse_command_line

USAGE: Final = 2
CONFIGURATION: Final = 78
FAILED: Final = 1

EPILOG: Final = """\
The program goes into the background when it serves, unless -f is given. SIGHUP reads the configuration again, SIGTERM
finishes what has begun and ends. In a configuration file (-x) everything can be said too, and more: docs/milter.md,
exim-dkim.conf(5). `exim-dkim milter` serves several filters in one process.

exit status: 0 it serves (in the background), was ended, or the configuration is right (--check); 1 it cannot start: the
message says why; 2 wrong usage; 78 fault in the configuration.
"""

EVALUATION: Final = """
exit status of --evaluate: 0 every message was signed, or has a signature that is good; 1 one was not signed, has none
that is good, or would be refused; 2, 78 as above; 75 one would be deferred, or the DNS failed; 65 one has a malformed
header; 69 a file cannot be read.
"""


def run_program(program: Program, arguments: Sequence[str]) -> int:
    """Runs a program; the exit status. Nothing that goes wrong is a traceback."""
    version = f"{program.name} of exim-dkim {metadata.version('exim-dkim')}"
    try:
        line = parse_command_line(program, arguments, version)
        if line.files:
            return _evaluate(program, line)
        return _serve(program, line)
    except UsageError as error:
        return _complain(program, f"{error}\nTry '{program.name} --help'.", USAGE)
    except ConfigurationError as error:
        return _complain(program, str(error), CONFIGURATION)
    except EximDkimError as error:
        return _complain(program, str(error), FAILED)


def _complain(program: Program, text: str, status: int) -> int:
    sys.stderr.write(f"{program.name}: {text}\n")
    return status


def read_settings(program: Program, line: CommandLine) -> Settings:
    """The settings of the file (its profile for this program) with those of the command line. `ConfigurationError`."""
    settings = read_configuration(line.configuration) if line.configuration else Settings()
    profile = line.profile or (program.name if program.name in settings.profiles else "")
    if profile:
        settings = settings.with_profile(profile)
    values = {name: os.fsencode(value) for name, value in line.options.items()}
    return settings.replaced(values) if values else settings


def _serve(program: Program, line: CommandLine) -> int:
    from milter_server.main import Programme, check, start

    def read(known: Mapping[str, Keys]) -> Programme:
        settings = read_settings(program, line)
        settings.check_templates()
        return Programme(settings, (read_filter(settings, program.name, known.get(program.name)),))

    if line.check:
        for warning in (*line.warnings, *check(read({}))):
            sys.stderr.write(f"{program.name}: warning: {warning}\n")
        sys.stdout.write(f"{program.name}: the configuration is right\n")
        return 0
    for warning in line.warnings:
        sys.stderr.write(f"{program.name}: warning: {warning}\n")
    return start(read, name=program.name, foreground=line.foreground, warnings=line.warnings, root=True)


def _evaluate(program: Program, line: CommandLine) -> int:
    """-t FILES."""
    from milter_server.evaluate import evaluate

    settings = read_settings(program, line)
    if line.fixed_time is not None and not settings.is_set("dkim_timestamps"):
        settings = settings.replaced({"dkim_timestamps": b"0"})
    settings.check_templates()
    for warning in line.warnings:
        sys.stderr.write(f"{program.name}: warning: {warning}\n")
    return evaluate(read_filter(settings, program.name), line.files, line.fixed_time, line.verbose)
