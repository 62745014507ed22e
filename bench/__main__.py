"""The benchmark: `python -m bench [SECTION…] [--rounds N] [--json FILE]`; `make bench` runs all of it."""

from __future__ import annotations

import sys

from bench.main import main

sys.exit(main())
