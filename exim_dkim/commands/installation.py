"""Where this installation's parts are: the filter that Exim runs, its interpreter, the packages that it imports."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig

FILTER_NAME = "exim-dkim-filter"
FILTER_PACKAGES = ("transport_wrapper", "exim_dkim", "cryptography")
_MAX_SHEBANG = 4096


def find_filter() -> str | None:
    """The filter that belongs to this command: beside it, else among the scripts of this Python, else in PATH."""
    folders = [os.path.dirname(os.path.abspath(sys.argv[0])), sysconfig.get_path("scripts")]
    for folder in folders:
        path = os.path.join(folder, FILTER_NAME)
        if os.path.isfile(path):
            return path
    return shutil.which(FILTER_NAME)


def interpreter_of(script: str) -> str | None:
    """The program that the kernel starts for `script`; None for a binary, or a script that cannot be read.

    Installers write `#!/bin/sh` and `'''exec' PYTHON` on the next line where the path is too long for the kernel.
    """
    try:
        with open(script, "rb") as stream:
            first, _, rest = stream.read(_MAX_SHEBANG).partition(b"\n")
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    words = first[2:].decode("utf-8", "surrogateescape").split()
    second = rest.partition(b"\n")[0].decode("utf-8", "surrogateescape")
    if second.startswith("'''exec' "):
        words = shlex.split(second.removeprefix("'''exec' "))
    if words and os.path.basename(words[0]) == "env" and len(words) > 1:
        return shutil.which(words[1]) or words[1]
    return words[0] if words else None


def package_files() -> dict[str, str]:
    """The file of every package that the filter imports, as this Python finds them."""
    specs = {name: importlib.util.find_spec(name) for name in FILTER_PACKAGES}
    return {name: spec.origin for name, spec in specs.items() if spec is not None and spec.origin}
