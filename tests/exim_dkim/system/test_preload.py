"""After `preload` nothing of ours is left to import, so a process that has become another user needs no files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
sys.path.insert(0, {root!r})
from exim_dkim.system.preload import preload
preload(("lookup_server",))

class Closed:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("exim_dkim", "lookup_server", "dns"):
            raise ImportError("too late for " + name)

sys.meta_path.insert(0, Closed())
import asyncio
from exim_dkim.expansion import expand, parse_template
from exim_dkim.resolver import Question, RecordType
from exim_dkim.system.zone import ZoneResolver
import exim_dkim.expansion.lookups.dsearch, lookup_server.service
zone = ZoneResolver('a.example. 60 IN TXT "x"\\nb.example. 60 IN MX 1 c.example.\\n')
answers = asyncio.run(zone.resolve(Question("a.example", RecordType.TXT)))
print(answers[0])
"""


def test_nothing_is_left_to_import() -> None:
    code = CODE.format(root=str(Path(__file__).parents[3]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "x" in done.stdout
