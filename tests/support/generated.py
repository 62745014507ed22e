"""A hundred thousand random expansions, compared with the real Exim (as root):

python -m tests.support.generated compare [COUNT [SEED]]
python -m tests.support.generated regenerate

The second command stores the first STORED of them with Exim's results in `tests/vectors/expansion/generated.golden.xz`.
Which of several errors is found first may differ, so that errors count as equal.
"""

from __future__ import annotations

import lzma
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.support.corpus import Golden, ask_exim, faults, is_failure, is_one_line, read_goldens, write_goldens
from tests.support.differences import find_difference
from tests.support.expansion import VECTORS, Sandbox
from tests.support.templates import Templates

STORE = VECTORS / "generated.golden.xz"
STORED = 10_000
COUNT = 100_000
SEED = 20_250
FAILED = b"Failed: "


def generate(count: int, seed: int = SEED) -> list[bytes]:
    """That many different templates; the same ones for the same seed."""
    source = Templates(seed)
    found: dict[bytes, None] = {}
    while len(found) < count:
        found.update(dict.fromkeys(text for text in source.take(min(count, 1000)) if is_one_line(text)))
    return list(found)[:count]


def _short(result: bytes) -> bytes:
    return FAILED if is_failure(result) else result


def compare_generated(sandbox: Sandbox, templates: Sequence[bytes]) -> list[Golden]:
    """Goldens, errors without their words.

    Exim keeps captures and `$value` after an error. What differs is asked again, first together, then alone.
    """
    ours = {template: _short(sandbox.ours(template)) for template in templates}
    exim = dict(zip(templates, map(_short, ask_exim(sandbox, templates)), strict=True))
    again = sorted((text for text in templates if exim[text] != ours[text]), key=lambda text: ours[text] == FAILED)
    exim.update(zip(again, map(_short, ask_exim(sandbox, again)), strict=True))
    goldens = []
    for template in templates:
        difference = ""
        if exim[template] != ours[template]:
            (result,) = sandbox.exim([template])
            exim[template] = _short(result)
            if exim[template] != ours[template]:
                difference = find_difference(template, result, sandbox.ours(template))
        goldens.append(Golden(template, exim[template], ours[template], difference))
    return goldens


def read_stored(directory: Path) -> list[Golden]:
    """The stored goldens."""
    path = directory / "generated.golden"
    path.write_bytes(lzma.decompress(STORE.read_bytes()))
    return read_goldens(path)


def store(directory: Path, goldens: Sequence[Golden]) -> None:
    """Store goldens."""
    path = directory / "generated.golden"
    write_goldens(path, goldens)
    STORE.write_bytes(lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME))


def _report(goldens: Sequence[Golden], seconds: float) -> int:
    wrong = faults(goldens)
    for golden in wrong:
        sys.stdout.write(f"$ {golden.template!r}\n  Exim {golden.exim!r}\n  ours {golden.ours!r}\n")
    named = Counter(golden.difference for golden in goldens if golden.difference)
    errors = sum(golden.exim == FAILED for golden in goldens)
    sys.stdout.write(
        f"{len(goldens)} templates, {errors} of them errors, in {seconds:.0f} s; meant to differ: "
        f"{sum(named.values())} ({', '.join(f'{name} {count}' for name, count in named.most_common())}); "
        f"not explained: {len(wrong)}\n"
    )
    return int(bool(wrong))


def main(arguments: Sequence[str]) -> int:
    """Compare, or store."""
    command, *numbers = arguments or ["help"]
    if command not in ("compare", "regenerate"):
        sys.stderr.write("usage: python -m tests.support.generated compare [COUNT [SEED]] | regenerate\n")
        return 2
    count, seed = (*map(int, numbers), *(COUNT, SEED)[len(numbers) :])
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        begin = time.monotonic()
        goldens = compare_generated(
            Sandbox(directory / "sandbox"), generate(STORED if command == "regenerate" else count, seed)
        )
        if command == "regenerate":
            store(directory, goldens)
        return _report(goldens, time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
