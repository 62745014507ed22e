"""Entry point of the `exim-dkim` command.

`--version` answers before the command line library is imported, everything else goes through `program`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

PROGRAM_NAME = "exim-dkim"


def main() -> None:
    """Run the command with the arguments of the process and exit."""
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were imported; later, `program` sees to it
        status = 130
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run the command with `arguments`; the exit status (see `exits.ExitStatus`)."""
    if list(arguments) in (["--version"], ["-V"]):
        print(version_line())
        return 0
    from exim_dkim.commands.program import run_program

    return run_program(arguments)


def version_line() -> str:
    """`exim-dkim VERSION`."""
    from importlib.metadata import version

    return f"{PROGRAM_NAME} {version(PROGRAM_NAME)}"


if __name__ == "__main__":
    main()
