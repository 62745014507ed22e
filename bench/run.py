"""The benchmark: `python bench/run.py [SECTION…] [--rounds N] [--json FILE]`; `make bench` runs all of it."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from bench.main import main

    sys.exit(main())
