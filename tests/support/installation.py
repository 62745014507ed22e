"""The project as an administrator would have it: installed where Exim's user can run it.

A checkout may lie in a private directory, and so may the interpreter that runs the tests. The tree made here is a
virtual environment (or, for a private interpreter, a copy of it), with the packages of the checkout and their needs.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import open_to_others, shared_directory

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("exim_dkim", "lookup_server", "transport_wrapper", "milter_server")
NOT_COPIED = shutil.ignore_patterns(
    "test", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "site-packages", "config-*", "__pycache__"
)
SCRIPT = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


class Installation(NamedTuple):
    """An installed tree: its root, and the commands in it."""

    root: Path

    @property
    def command(self) -> Path:
        return self.root / "bin" / "exim-dkim"

    @property
    def filter(self) -> Path:
        return self.root / "bin" / "exim-dkim-filter"

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python3"


@contextlib.contextmanager
def installed() -> Iterator[Installation]:
    """Install the checkout for as long as the context lasts."""
    with shared_directory("exim-dkim-installed-") as directory:
        yield install(directory / "exim-dkim")


def install(root: Path) -> Installation:
    """Install the checkout below `root`, for the Python version that runs this."""
    installation = Installation(root)
    _interpreter(root)
    site = root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    _copy_distribution("exim-dkim", site, only=".dist-info")
    for name in sorted(_needed("exim-dkim")):
        _copy_distribution(name, site)
    copied = [site / package for package in PACKAGES if (CHECKOUT / package).is_dir()]
    for target in copied:
        shutil.copytree(CHECKOUT / target.name, target, ignore=shutil.ignore_patterns("__pycache__"))
    _scripts(installation)
    subprocess.run([installation.python, "-m", "compileall", "-q", *copied], check=True, timeout=60)
    _open(root)
    return installation


def _interpreter(root: Path) -> None:
    """A virtual environment, or a copy of the interpreter and its library when others cannot enter its directory."""
    base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    library = Path(os.__file__).resolve().parent
    if open_to_others(base.parent) and open_to_others(library):
        command: list[str | Path] = [base, "-m", "venv", "--without-pip", "--symlinks", root]
        subprocess.run(command, check=True, timeout=60)
        return
    (root / "bin").mkdir(parents=True)
    binary = root / "bin" / base.name
    shutil.copy2(base, binary)
    shutil.copytree(library, root / "lib" / library.name, ignore=NOT_COPIED)
    shared = [shutil.copy2(path, root / "lib") for path in library.parent.glob("libpython*.so*")]
    if shared:  # the binary knows its library by a path that others cannot enter
        (root / "bin" / "python3").write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={root}/lib exec {binary} "$@"\n')
        (root / "bin" / "python3").chmod(0o755)
    else:
        (root / "bin" / "python3").symlink_to(binary)


def _needed(name: str) -> set[str]:
    """The distributions that `name` needs at run time, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for requirement in importlib.metadata.requires(waiting.pop()) or []:
            needed = re.match(r"[A-Za-z0-9._-]+", requirement)
            if needed is None or "extra ==" in requirement or needed[0].lower() in found:
                continue
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                importlib.metadata.distribution(needed[0])
                found.add(needed[0].lower())
                waiting.append(needed[0])
    return found


def _copy_distribution(name: str, site: Path, only: str = "") -> None:
    """The files of an installed distribution, or those in the directory whose name ends in `only`."""
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or []:
        source = Path(str(distribution.locate_file(file)))
        if ".." not in file.parts and file.parts[0].endswith(only) and source.is_file():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _scripts(installation: Installation) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for name, entry in project["scripts"].items():
        module, _, function = entry.partition(":")
        path = installation.root / "bin" / name
        path.write_text(SCRIPT.format(python=installation.python, module=module, function=function))
        path.chmod(0o755)


def _open(root: Path) -> None:
    """Let everybody read the tree, whatever our umask is."""
    root.chmod(0o755)
    for path in root.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o755 if path.is_dir() or mode & 0o100 else 0o644))
