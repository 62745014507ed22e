"""Coverage-guided fuzzing: `python -m tests.fuzz.run TARGET [libFuzzer options]`, e.g. `expansion -max_total_time=60`.

Wants atheris (`pip install atheris`). Without a target it lists them. What it finds belongs into the target's seeds.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """See above."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed: pip install atheris")
    with atheris.instrument_imports(include=["exim_dkim", "lookup_server", "milter_server", "transport_wrapper"]):
        from tests.support.fuzzing import BY_NAME, MAX_INPUT
    if len(sys.argv) < 2 or sys.argv[1] not in BY_NAME:
        sys.exit("targets: " + ", ".join(BY_NAME))
    target = BY_NAME[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as directory:
        for number, seed in enumerate(target.seeds):
            (Path(directory) / f"{number}").write_bytes(seed)
        atheris.Setup([*sys.argv, f"-max_len={MAX_INPUT}", directory], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
